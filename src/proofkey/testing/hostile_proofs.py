"""A corpus of hostile DPoP proofs, and of unusual ones that are harmless.

Every hostile proof carries a genuine signature by the key that it names, unless its name says otherwise: what
refuses it is a rule, not the signature.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from proofkey.findings import Finding
from proofkey.protocol.dpop import token_hash
from proofkey.protocol.text import decode_base64url, encode_base64url
from proofkey.testing.dpop import DpopKey
from proofkey.testing.proof_case import ProofCase, changed
from proofkey.testing.tokens import compact_json, key_for_tests


@dataclass(frozen=True, slots=True)
class HostileProof:
    """A proof that must be refused: the error code of the challenge, the finding of the log, the requirement."""

    name: str
    proof: str = field(repr=False)
    finding: Finding
    requirement: str = "9449-4.3-a"
    error: str = "invalid_dpop_proof"


@dataclass(frozen=True, slots=True)
class HarmlessProof:
    """An unusual proof that must be accepted for a token that is bound to `jkt`."""

    name: str
    proof: str = field(repr=False)
    jkt: str


def hostile_proofs(case: ProofCase | None = None) -> tuple[HostileProof, ...]:
    """The whole corpus for one key, token, request and time; names are unique. Needs a key for ES256."""
    made = case or ProofCase()
    groups: tuple[Callable[[ProofCase], Iterator[HostileProof]], ...] = (
        _missing_and_mistyped,
        _wrong_requests,
        _wrong_urls,
        _wrong_times,
        _wrong_tokens,
        _wrong_headers,
        _wrong_keys,
        _wrong_signatures,
        _wrong_forms,
    )
    return tuple(proof for group in groups for proof in group(made))


def harmless_proofs(case: ProofCase | None = None) -> tuple[HarmlessProof, ...]:
    """What strictness must not refuse."""
    make = case or ProofCase()
    scheme, host, path = _parts(make.url)
    own = {
        "plain": make.claiming(),
        "htu with a query": make.claiming(htu=f"{make.url}?a=1"),
        "htu with a fragment": make.claiming(htu=f"{make.url}#part"),
        "htu with the host in capitals": make.claiming(htu=f"{scheme}://{host.upper()}{path}"),
        "htu with the scheme in capitals": make.claiming(htu=f"{scheme.upper()}://{host}{path}"),
        "htu with the default port": make.claiming(htu=f"{scheme}://{host}:{_default_port(scheme)}{path}"),
        "htu with an empty port": make.claiming(htu=f"{scheme}://{host}:{path}"),
        "htu with a letter escaped": make.claiming(htu=f"{scheme}://{host}/%{ord(path[1]):x}{path[2:]}"),
        "htu with dot segments": make.claiming(htu=f"{scheme}://{host}/x/.././{path[1:]}"),
        "htu with escaped dot segments": make.claiming(htu=f"{scheme}://{host}/x/%2e%2E{path}"),
        "iat 10 s ahead": make.claiming(iat=make.now + 10),
        "iat 60 s ago": make.claiming(iat=make.now - 60),
        "iat as a finite float": make.claiming(iat=make.now - 0.5),
        "jti of 128 characters": make.claiming(jti=str(make.claims()["jti"]).ljust(128, "j")),
        "jti beyond ASCII": make.claiming(jti=f"é\U0001f600 {make.claims()['jti']}"),
        "a nonce that nobody asked for": make.claiming(nonce="n-1"),
        "exp and nbf around now": make.claiming(exp=make.now + 5, nbf=make.now - 5),
        "unknown claims": make.claiming(sub="x", aud=["y"], deep={"a": [1, None, True]}),
        "unknown header members": make.headed(kid="k1", jku="https://evil.test/jwks", x5c=["MII"], x={"y": 1}),
        "a jwk with use, alg, kid and key_ops": make.headed(
            jwk=make.key.jwk
            | {"use": "sig", "alg": make.key.key.algorithm, "kid": "k", "key_ops": ["verify"], "ext": True}
        ),
        "white space in the JSON": make.key.sign(json.dumps(make.claims(), indent=2).encode()),
    }
    found = [HarmlessProof(name, proof, make.key.jkt) for name, proof in own.items()]
    for algorithm in ("RS256", "PS256", "Ed25519"):
        other = DpopKey(key=key_for_tests(algorithm, "dpop"), clock=make.key.clock)
        found.append(HarmlessProof(f"by {algorithm}", other.sign(make.claims()), other.jkt))
    older = DpopKey(key=key_for_tests("Ed25519", "dpop"), clock=make.key.clock)
    named = older.sign(make.claims(), older.header() | {"alg": "EdDSA"})
    return (*found, HarmlessProof("by Ed25519 under its older name EdDSA", named, older.jkt))


def _missing_and_mistyped(make: ProofCase) -> Iterator[HostileProof]:
    claim = Finding.DPOP_PROOF_CLAIM
    for name in ("jti", "htm", "htu", "iat", "ath"):
        yield HostileProof(f"no {name}", make.claiming(**{name: None}), claim)
        yield HostileProof(f"{name} null", make.key.sign(make.claims() | {name: None}), claim)
        yield HostileProof(f"{name} a list", make.claiming(**{name: [make.claims()[name]]}), claim)
    for name in ("jti", "htm", "htu", "ath", "nonce"):
        yield HostileProof(f"{name} a number", make.claiming(**{name: 7}), claim)
    for name in ("jti", "htm", "htu", "nonce"):
        yield HostileProof(f"{name} empty", make.claiming(**{name: ""}), claim)
    yield HostileProof("jti of 129 characters", make.claiming(jti="j" * 129), claim, "9449-11.1-a")
    yield HostileProof("nonce of 5000 characters", make.claiming(nonce="n" * 5000), claim, "9449-11.1-a")
    yield HostileProof("jti of 10 kB", make.claiming(jti="j" * 10240), Finding.DPOP_PROOF_MALFORMED, "9449-11.1-a")


def _wrong_requests(make: ProofCase) -> Iterator[HostileProof]:
    other = "POST" if make.method != "POST" else "PUT"
    for name, htm in (
        ("another method", other),
        ("the method in lower case", make.method.lower()),
        ("the method and a space", f"{make.method} "),
        ("any method", "*"),
        ("two methods", f"{make.method},{other}"),
    ):
        yield HostileProof(name, make.claiming(htm=htm), Finding.DPOP_PROOF_METHOD)


def _wrong_urls(make: ProofCase) -> Iterator[HostileProof]:
    scheme, host, path = _parts(make.url)
    other_scheme = "http" if scheme == "https" else "https"
    urls = {
        "another scheme": f"{other_scheme}://{host}{path}",
        "a websocket scheme": f"wss://{host}{path}",
        "another host": f"{scheme}://evil.test{path}",
        "a subdomain": f"{scheme}://a.{host}{path}",
        "a longer host": f"{scheme}://{host}.evil.test{path}",
        "a trailing dot in the host": f"{scheme}://{host}.{path}",
        "user information": f"{scheme}://user@{host}{path}",
        "the host as user information": f"{scheme}://{host}@evil.test{path}",
        "another port": f"{scheme}://{host}:8443{path}",
        "the port of the other scheme": f"{scheme}://{host}:{_default_port(other_scheme)}{path}",
        "a port too large": f"{scheme}://{host}:65979{path}",
        "another path": f"{make.url}x",
        "a trailing slash": f"{make.url}/",
        "the parent's path": f"{scheme}://{host}/",
        "a doubled slash": f"{scheme}://{host}/{path}",
        "the path in capitals": f"{scheme}://{host}{path.upper()}",
        "a path parameter": f"{make.url};a=1",
        "an escaped query": f"{make.url}%3Fa=1",
        "an escaped slash": f"{scheme}://{host}/%2F{path[1:]}",
        "a doubly escaped letter": f"{scheme}://{host}/%25{ord(path[1]):x}{path[2:]}",
        "a broken escape": f"{make.url}%2",
        "dot segments that lead elsewhere": f"{make.url}/..",
        "a backslash": f"{scheme}:\\\\{host}{path}",
        "a backslash in the path": f"{scheme}://{host}\\{path[1:]}",
        "a path alone": path,
        "no scheme": f"//{host}{path}",
        "no slashes": f"{scheme}:{host}{path}",
        "three slashes": f"{scheme}:///{host}{path}",
        "a space before": f" {make.url}",
        "a newline after": f"{make.url}\n",
        "a NUL": f"{make.url}\x00",
        "a letter that looks alike": make.url.replace("a", "а", 1),
        "a prefix": make.url[:-1],
        "any address": "*",
    }
    for name, htu in urls.items():
        yield HostileProof(f"htu: {name}", make.claiming(htu=htu), Finding.DPOP_PROOF_URL, "X-htu")


def _wrong_times(make: ProofCase) -> Iterator[HostileProof]:
    now, time, claim = int(make.now), Finding.DPOP_PROOF_TIME, Finding.DPOP_PROOF_CLAIM
    yield HostileProof("iat 61 s ago", make.claiming(iat=now - 61), time, "9449-11.1-a")
    yield HostileProof("iat 11 s ahead", make.claiming(iat=now + 11), time, "F2-5.3.2.1-13")
    yield HostileProof("iat in milliseconds", make.claiming(iat=now * 1000), time)
    yield HostileProof("iat zero", make.claiming(iat=0), time)
    yield HostileProof("iat negative", make.claiming(iat=-now), claim)
    yield HostileProof("iat a string", make.claiming(iat=str(now)), claim)
    yield HostileProof("iat a boolean", make.claiming(iat=True), claim)
    yield HostileProof("iat 1e20", make.claiming(iat=1e20), claim)
    yield HostileProof("iat NaN", make.claiming(iat=float("nan")), Finding.DPOP_PROOF_MALFORMED)
    yield HostileProof("iat Infinity", make.claiming(iat=float("inf")), Finding.DPOP_PROOF_MALFORMED)
    yield HostileProof("exp in the past", make.claiming(exp=now - 11), time)
    yield HostileProof("exp a string", make.claiming(exp=str(now)), claim)
    yield HostileProof("nbf 11 s ahead", make.claiming(nbf=now + 11), time, "F2-5.3.2.1-13")


def _wrong_tokens(make: ProofCase) -> Iterator[HostileProof]:
    right, other = token_hash(make.token), token_hash(f"{make.token}x")
    hashed = decode_base64url(right)
    for name, ath in (
        ("ath of another token", other),
        ("ath empty", ""),
        ("ath padded", f"{right}="),
        ("ath in hex", hashed.hex()),
        ("ath cut to half", encode_base64url(hashed[:16])),
        ("ath: the token itself", make.token),
        ("ath in capitals", right.swapcase()),
    ):
        yield HostileProof(name, make.claiming(ath=ath), Finding.DPOP_PROOF_TOKEN, "9449-7.1-a")
    stranger = DpopKey(key=key_for_tests("ES256", "stranger"), clock=make.key.clock)
    proof = stranger.proof(make.method, make.url, token=make.token)
    yield HostileProof("honest, by another key", proof, Finding.DPOP_KEY_OTHER, "9449-7.1-a", "invalid_token")


def _wrong_headers(make: ProofCase) -> Iterator[HostileProof]:
    for typ in (None, "JWT", "at+jwt", "dpop", "DPoP+JWT", "application/dpop+jwt", ["dpop+jwt"]):
        name = "no typ" if typ is None else f"typ {typ}"
        yield HostileProof(name, make.headed(typ=typ), Finding.DPOP_PROOF_TYPE)
    for alg in (None, "none", "nOnE", "HS256", "es256", "ES256K", "RSA-OAEP", ["ES256"], 256):
        name = "no alg" if alg is None else f"alg {alg}"
        yield HostileProof(name, make.headed(alg=alg), Finding.DPOP_PROOF_ALGORITHM)
    unsigned = make.headed(alg="none").rpartition(".")[0]
    yield HostileProof("alg none, unsigned", f"{unsigned}.", Finding.DPOP_PROOF_MALFORMED)
    crit, key = Finding.DPOP_PROOF_CRIT, Finding.DPOP_PROOF_KEY
    yield HostileProof("crit", make.headed(crit=["exp"], exp=1), crit)
    yield HostileProof("crit empty", make.headed(crit=[]), crit)
    yield HostileProof("b64 false", make.headed(b64=False), crit)
    yield HostileProof("alg of another kind of key", make.headed(alg="RS256"), key)
    yield HostileProof("alg of another curve", make.headed(alg="ES384"), key)


def _wrong_keys(make: ProofCase) -> Iterator[HostileProof]:
    jwk = make.key.jwk
    x = decode_base64url(jwk["x"])
    y = decode_base64url(jwk["y"])
    octets = {"kty": "oct", "k": encode_base64url(b"k" * 32)}
    keys: dict[str, object] = {
        "no jwk": None,
        "jwk a string": json.dumps(jwk),
        "jwk a list": [jwk],
        "jwk empty": {},
        "jwk private": make.key.key.private_jwk,
        "jwk with an empty d": jwk | {"d": ""},
        "jwk symmetric": octets,
        "jwk with k": jwk | {"k": octets["k"]},
        "jwk of an unknown kty": jwk | {"kty": "XX"},
        "jwk kty in lower case": jwk | {"kty": "ec"},
        "jwk of an unknown curve": jwk | {"crv": "secp256k1"},
        "jwk without y": changed(jwk, {"y": None}),
        "jwk with x a number": jwk | {"x": 7},
        "jwk off its curve": jwk | {"y": encode_base64url(y[:-1] + bytes((y[-1] ^ 1,)))},
        "jwk at the origin": jwk | {"x": encode_base64url(bytes(32)), "y": encode_base64url(bytes(32))},
        "jwk with a leading zero": jwk | {"x": encode_base64url(b"\x00" + x)},
        "jwk with a short coordinate": jwk | {"x": encode_base64url(x[1:])},
        "jwk padded": jwk | {"x": f"{jwk['x']}="},
        "jwk for encryption": jwk | {"use": "enc"},
        "jwk that may not verify": jwk | {"key_ops": ["sign"]},
        "jwk for another algorithm": jwk | {"alg": "ES384"},
        "jwk with kid a number": jwk | {"kid": 1},
        "jwk for key agreement": {"kty": "OKP", "crv": "X25519", "x": encode_base64url(x)},
    }
    for name, given in keys.items():
        yield HostileProof(name, make.headed(jwk=given), Finding.DPOP_PROOF_KEY)
    yield HostileProof("a key of 1024 bits", _by_weak_rsa(make), Finding.DPOP_PROOF_KEY)
    yield from _badly_spelled_rsa(make)


def _badly_spelled_rsa(make: ProofCase) -> Iterator[HostileProof]:
    """RFC 7518 §6.3.1: another spelling would be another thumbprint; a long exponent would be slow."""
    signer = DpopKey(key=key_for_tests("RS256", "dpop"), clock=make.key.clock)
    modulus = decode_base64url(signer.jwk["n"])
    for name, members in (
        ("RSA modulus with a leading zero", {"n": encode_base64url(b"\x00" + modulus)}),
        ("RSA exponent with a leading zero", {"e": encode_base64url(b"\x00\x01\x00\x01")}),
        ("RSA exponent of 1", {"e": encode_base64url(b"\x01")}),
        ("RSA exponent as long as the modulus", {"e": encode_base64url(modulus[:-1] + b"\x01")}),
    ):
        header = signer.header() | {"jwk": signer.jwk | members}
        yield HostileProof(name, signer.sign(make.claims(), header), Finding.DPOP_PROOF_KEY)


def _wrong_signatures(make: ProofCase) -> Iterator[HostileProof]:
    good, wrong = make.claiming(), Finding.DPOP_PROOF_SIGNATURE
    signed, _, signature = good.rpartition(".")
    raw = decode_base64url(signature)
    stranger = DpopKey(key=key_for_tests("ES256", "stranger"), clock=make.key.clock)
    forged = stranger.sign(make.claims(), make.key.header())
    other = make.claiming(jti="other").rpartition(".")[2]
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    for name, made in (
        ("altered", encode_base64url(raw[:-1] + bytes((raw[-1] ^ 1,)))),
        ("of another proof", other),
        ("in DER form", encode_base64url(der)),
        ("of zeros", encode_base64url(bytes(64))),
        ("cut", encode_base64url(raw[:-1])),
    ):
        yield HostileProof(f"signature {name}", f"{signed}.{made}", wrong)
    yield HostileProof("signed by a key that is not in jwk", forged, wrong)


def _wrong_forms(make: ProofCase) -> Iterator[HostileProof]:
    good, malformed = make.claiming(), Finding.DPOP_PROOF_MALFORMED
    header, payload, signature = good.split(".")
    claims = compact_json(make.claims())
    deep = b"[" * 1000 + b"]" * 1000
    forms = {
        "empty": "",
        "no JWS": "proof",
        "two parts": f"{header}.{payload}",
        "no signature": f"{header}.{payload}.",
        "five parts": f"{good}.a.b",
        "two proofs in one header": f"{good}, {good}",
        "padded": f"{good}==",
        "a space before": f" {good}",
        "a newline after": f"{good}\n",
        "beyond ASCII": f"{good}é",
        "in JSON": json.dumps({"protected": header, "payload": payload, "signature": signature}),
        "longer than 8 kB": make.headed(x="x" * 8200),
        "payload a list": make.key.sign(b"[" + claims + b"]"),
        "payload in UTF-16": make.key.sign(claims.decode().encode("utf-16")),
        "payload nested deep": make.key.sign(claims[:-1] + b',"x":' + deep + b"}"),
        "payload with a claim twice": make.key.sign(claims[:-1] + b',"htm":"POST"}'),
        "payload with a lone surrogate": make.key.sign(claims[:-1] + b',"x":"\\ud800"}'),
        "header with a member twice": make.key.sign(claims, compact_json(make.header())[:-1] + b',"alg":"ES256"}'),
        "jwk with a member twice": make.key.sign(
            claims, compact_json(make.header()).replace(b'"kty":"EC"', b'"kty":"EC","kty":"EC"')
        ),
        "header nested deep": make.key.sign(claims, compact_json(make.header())[:-1] + b',"x":' + deep + b"}"),
        "header no object": make.key.sign(claims, b'"x"'),
    }
    for name, proof in forms.items():
        yield HostileProof(name, proof, malformed)
    kind = Finding.DPOP_PROOF_TYPE
    yield HostileProof("an access token", make.headed(typ="at+jwt", jwk=None, kid="k1"), kind)


def _by_weak_rsa(make: ProofCase) -> str:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - weak on purpose
    numbers = key.public_key().public_numbers()
    jwk = {"kty": "RSA", "e": "AQAB", "n": encode_base64url(numbers.n.to_bytes(128))}
    header = compact_json({"typ": "dpop+jwt", "alg": "RS256", "jwk": jwk})
    signed = f"{encode_base64url(header)}.{encode_base64url(compact_json(make.claims()))}"
    signature = key.sign(signed.encode(), padding.PKCS1v15(), SHA256())
    return f"{signed}.{encode_base64url(signature)}"


def _parts(url: str) -> tuple[str, str, str]:
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return scheme, host, f"/{path}"


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
