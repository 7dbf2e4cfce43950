"""A corpus of hostile tokens, and of unusual ones that are harmless.

Every hostile token is signed with the issuer's own key unless its name says otherwise: what refuses it is a rule
of the verifier, not the signature.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proofkey.findings import Finding
from proofkey.protocol.jose import generate_signing_key
from proofkey.protocol.text import decode_base64url, encode_base64url
from proofkey.testing.tokens import TokenMaker, compact_json, sign_exactly

_LAST_CHARACTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True, slots=True)
class HostileToken:
    """A token that a resource server must refuse, and the finding that says why."""

    name: str
    token: str = field(repr=False)
    finding: Finding


@dataclass(frozen=True, slots=True)
class HarmlessToken:
    """An unusual token that a resource server must accept."""

    name: str
    token: str = field(repr=False)


def hostile_tokens(maker: TokenMaker | None = None) -> tuple[HostileToken, ...]:
    """The whole corpus for one issuer, audience and time; names are unique."""
    made = maker or TokenMaker()
    groups: tuple[Callable[[TokenMaker], Iterator[HostileToken]], ...] = (
        _other_kinds,
        _wrong_claims,
        _wrong_parties,
        _wrong_scopes,
        _wrong_times,
        _wrong_headers,
        _wrong_signatures,
        _wrong_json,
        _wrong_spellings,
        _wrong_forms,
    )
    return tuple(token for group in groups for token in group(made))


def harmless_tokens(maker: TokenMaker | None = None) -> tuple[HarmlessToken, ...]:
    """What strictness must not refuse."""
    make = maker or TokenMaker()
    now = make.now
    every_type = make.claims() | {"a": None, "b": [1, {"c": True}], "d": 1e3}
    tokens = {
        "plain": make.access_token(),
        "a list of audiences with ours": make.access_token(aud=["https://other.test", make.audience]),
        "exp as a finite float": make.access_token(exp=now + 60.5),
        "exp passed within the leeway": make.access_token(exp=now - 9),
        "iat and nbf 10 s ahead": make.access_token(iat=now + 10, nbf=now + 10),
        "typ as a media type in capitals": make.access_token({"typ": "application/AT+JWT"}),
        "unknown header parameters": make.access_token({"x": {"y": [1]}, "cty": "JWT"}),
        "keys named in the header, unused": make.access_token({"jku": "https://evil.test/jwks"}),
        "no kid, one fitting key": make.access_token({"kid": None}),
        "no scope": make.access_token(scope=None),
        "an empty scope": make.access_token(scope=""),
        "claims of every JSON type": make.sign(every_type),
        "escaped characters beyond ASCII": make.access_token(name="é\U0001f600"),
        "nested 16 deep": make.access_token(deep=_nested(15)),
        "white space in the JSON": make.sign(json.dumps(make.claims(), indent=2).encode()),
        "a client's own token": make.access_token(sub="app"),
    }
    if make.key.algorithm == "Ed25519":
        tokens["the older name EdDSA"] = make.access_token({"alg": "EdDSA"})
    return tuple(HarmlessToken(name, token) for name, token in tokens.items())


def _without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in claims.items() if other != name}


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def _other_kinds(make: TokenMaker) -> Iterator[HostileToken]:
    """Every other JWT that this issuer or its clients sign."""
    now = make.now
    logout: dict[str, object] = {"iss": make.issuer, "sub": "u1", "aud": "app", "iat": now, "exp": now + 120}
    logout |= {"jti": "l1", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}
    assertion = {"iss": "app", "sub": "app", "aud": make.issuer, "iat": now, "exp": now + 60, "jti": "a1"}
    proof = {"htm": "GET", "htu": f"{make.audience}/orders", "iat": now, "jti": "p1"}
    graph = make.claims(aud="00000003-0000-0000-c000-000000000000")
    id_token, access = Finding.TOKEN_IS_ID_TOKEN, Finding.TOKEN_TYPE
    log_out, proves = Finding.TOKEN_IS_LOGOUT_TOKEN, Finding.TOKEN_IS_CLIENT_ASSERTION
    yield HostileToken("ID token", make.id_token(), id_token)
    yield HostileToken("ID token for this API", make.id_token(aud=make.audience), id_token)
    yield HostileToken("ID token without typ", make.id_token({"typ": None}), id_token)
    yield HostileToken("logout token", make.sign(logout, typ="logout+jwt"), log_out)
    yield HostileToken("logout token, untyped", make.sign(logout, typ="JWT"), log_out)
    yield HostileToken("client assertion", make.sign(assertion, typ="client-authentication+jwt"), proves)
    yield HostileToken("client assertion, untyped", make.sign(assertion, typ=None), proves)
    yield HostileToken("DPoP proof", make.sign(proof, typ="dpop+jwt"), Finding.TOKEN_IS_DPOP_PROOF)
    refresh = make.sign(make.claims(typ="Refresh"), typ="JWT")
    yield HostileToken("refresh token", refresh, Finding.TOKEN_IS_REFRESH_TOKEN)
    yield HostileToken("Microsoft Graph token", make.sign(graph, typ="JWT", nonce="n"), Finding.TOKEN_IS_GRAPH)
    yield HostileToken("access token typed JWT", make.access_token({"typ": "JWT"}), access)
    yield HostileToken("access token without typ", make.access_token({"typ": None}), access)
    yield HostileToken("typ that is no string", make.access_token({"typ": ["at+jwt"]}), access)
    yield HostileToken("typ with more behind it", make.access_token({"typ": "at+jwtx"}), access)
    for name, cnf in (("a DPoP key", {"jkt": "x"}), ("a certificate", {"x5t#S256": "x"}), ("nothing", {})):
        yield HostileToken(f"bound to {name}", make.access_token(cnf=cnf), Finding.TOKEN_BOUND)
    yield HostileToken("bound to null", make.sign(make.claims() | {"cnf": None}), Finding.TOKEN_BOUND)


def _wrong_claims(make: TokenMaker) -> Iterator[HostileToken]:
    """Missing, or of another type."""
    missing, of_type = Finding.TOKEN_CLAIM_MISSING, Finding.TOKEN_CLAIM_TYPE
    for name in ("iss", "aud", "exp", "iat", "sub", "client_id", "jti"):
        yield HostileToken(f"no {name}", make.sign(_without(make.claims(), name)), missing)
        yield HostileToken(f"{name} of null", make.sign(make.claims() | {name: None}), missing)
        yield HostileToken(f"{name} of an object", make.sign(make.claims() | {name: {}}), of_type)
    for name in ("iss", "sub", "client_id", "jti"):
        yield HostileToken(f"{name} empty", make.sign(make.claims() | {name: ""}), of_type)
        yield HostileToken(f"{name} a number", make.sign(make.claims() | {name: 7}), of_type)
        yield HostileToken(f"{name} a list", make.sign(make.claims() | {name: [make.issuer]}), of_type)


def _wrong_parties(make: TokenMaker) -> Iterator[HostileToken]:
    """Another issuer, another audience."""
    issuer, audience = make.issuer, make.audience
    issuers: dict[str, object] = {
        "foreign": "https://evil.test",
        "with a slash": f"{issuer}/",
        "in capitals": issuer.upper(),
        "a prefix": issuer[:-1],
        "longer": f"{issuer}.evil.test",
    }
    audiences: dict[str, object] = {
        "foreign": "https://other.test",
        "with a slash": f"{audience}/",
        "foreign list": ["https://other.test"],
        "joined by a space": f"{audience} x",
        "a prefix": audience[:-1],
    }
    malformed: dict[str, object] = {
        "number": 7,
        "true": True,
        "mixed list": [audience, 7],
        "nested list": [[audience]],
        "empty list": [],
        "empty string": "",
    }
    for name, value in issuers.items():
        yield HostileToken(f"iss {name}", make.access_token(iss=value), Finding.TOKEN_ISSUER)
    for name, value in audiences.items():
        yield HostileToken(f"aud {name}", make.access_token(aud=value), Finding.TOKEN_AUDIENCE)
    for name, value in malformed.items():
        yield HostileToken(f"aud {name}", make.access_token(aud=value), Finding.TOKEN_CLAIM_TYPE)


def _wrong_scopes(make: TokenMaker) -> Iterator[HostileToken]:
    """Scope and roles that one reader could take for more than another."""
    scopes: dict[str, object] = {
        "list": ["orders:read"],
        "number": 1,
        "object": {"orders:read": True},
        "tab": "a\tb",
        "two spaces": "a  b",
        "space at the end": "a ",
        "quote": 'a "b"',
        "non-ASCII": "é",
    }
    roles: dict[str, object] = {"string": "admin", "mixed list": ["admin", 1], "object": {"admin": True}}
    for name, value in scopes.items():
        yield HostileToken(f"scope with {name}", make.access_token(scope=value), Finding.TOKEN_CLAIM_TYPE)
    for name, value in roles.items():
        yield HostileToken(f"roles of {name}", make.access_token(roles=value), Finding.TOKEN_CLAIM_TYPE)


def _wrong_times(make: TokenMaker) -> Iterator[HostileToken]:
    """NumericDates: over, ahead, and what only looks like a number."""
    now = make.now
    yield HostileToken("exp long past", make.access_token(exp=now - 3600), Finding.TOKEN_EXPIRED)
    yield HostileToken("exp past by the leeway", make.access_token(exp=now - 10), Finding.TOKEN_EXPIRED)
    yield HostileToken("exp of zero", make.access_token(exp=0), Finding.TOKEN_EXPIRED)
    for name in ("iat", "nbf"):
        for ahead in (11, 61, 86400):
            token = make.sign(make.claims() | {name: now + ahead, "exp": now + 2 * 86400})
            yield HostileToken(f"{name} {ahead} s ahead", token, Finding.TOKEN_NOT_YET_VALID)
    malformed: dict[str, object] = {
        "string": str(now + 60),
        "true": True,
        "list": [now],
        "2^53": 2**53,
        "10^400": 10**400,
        "1e20": 1e20,
        "negative": -1,
    }
    for name in ("exp", "iat", "nbf", "auth_time"):
        for what, value in malformed.items():
            token = make.sign(make.claims() | {name: value})
            yield HostileToken(f"{name} of {what}", token, Finding.TOKEN_CLAIM_TYPE)
    for what in ("NaN", "Infinity", "-Infinity", "1e400", "1" * 5000, "0x7fffffff", "01"):
        payload = compact_json(make.claims(exp=0)).replace(b'"exp":0', b'"exp":' + what.encode())
        yield HostileToken(f"exp written {what[:12]}", make.sign(payload), Finding.TOKEN_JSON)


def _wrong_headers(make: TokenMaker) -> Iterator[HostileToken]:
    """Algorithms, critical extensions, kids."""
    own = make.key.algorithm
    sibling = {"RS256": "PS256", "PS256": "RS256"}.get(own, "ES384")
    algs: tuple[object, ...] = (
        "none",
        "nOnE",
        "HS256",
        "HS512",
        own.lower(),
        "ES256K",
        "",
        sibling,
        None,
        [own],
        7,
    )
    crits: tuple[object, ...] = (["exp2"], [], ["b64"], "exp", 1, ["alg"], {})
    odd_kids: tuple[object, ...] = (1, [make.key.kid], {}, True, 1.5)
    for alg in algs:
        yield HostileToken(f"alg {alg!r}", make.access_token({"alg": alg}), Finding.TOKEN_ALGORITHM)
    for crit in crits:
        yield HostileToken(f"crit {crit!r}", make.access_token({"crit": crit}), Finding.TOKEN_CRIT)
    yield HostileToken("crit null", _with_header(make, make.header() | {"crit": None}), Finding.TOKEN_CRIT)
    yield HostileToken("b64 false", make.access_token({"b64": False, "crit": ["b64"]}), Finding.TOKEN_CRIT)
    yield HostileToken("b64 true", make.access_token({"b64": True}), Finding.TOKEN_CRIT)
    for odd in odd_kids:
        yield HostileToken(f"kid {odd!r}", make.access_token({"kid": odd}), Finding.TOKEN_KID)
    yield HostileToken("kid null", _with_header(make, make.header() | {"kid": None}), Finding.TOKEN_KID)
    for kid in ("unknown", "../../dev/null", "key-1' OR '1'='1", "", "key-1\0", "KEY-1", "k" * 5000):
        yield HostileToken(f"kid {kid[:20]!r}", make.access_token({"kid": kid}), Finding.TOKEN_KEY_UNKNOWN)


def _with_header(make: TokenMaker, header: Mapping[str, Any]) -> str:
    return sign_exactly(make.key, compact_json(header), compact_json(make.claims()))


def _wrong_signatures(make: TokenMaker) -> Iterator[HostileToken]:
    """A stranger's signature, an altered one, and keys that the token itself brings."""
    stranger = generate_signing_key("ES256", make.key.kid)
    theirs = TokenMaker(stranger, make.issuer, make.audience, make.now)
    own = {"alg": make.key.algorithm}
    brought = {**own, "jwk": stranger.public_jwk, "jku": "https://evil.test/jwks", "x5u": "https://evil.test/x"}
    head, payload, signature = make.access_token().split(".")
    other = encode_base64url(compact_json(make.claims(sub="u2")))
    raw = decode_base64url(signature)
    tokens = {
        "a stranger's signature": theirs.access_token(own),
        "a stranger's key in the header": theirs.access_token(brought),
        "another payload": f"{head}.{other}.{signature}",
    }
    altered = {
        "of zeros": bytes(len(raw)),
        "cut": raw[:-1],
        "longer": raw + b"\0",
        "of one byte": b"\0",
        "flipped": bytes([raw[0] ^ 1]) + raw[1:],
    }
    for name, value in altered.items():
        tokens[f"signature {name}"] = f"{head}.{payload}.{encode_base64url(value)}"
    for name, token in tokens.items():
        yield HostileToken(name, token, Finding.TOKEN_SIGNATURE)


def _wrong_json(make: TokenMaker) -> Iterator[HostileToken]:
    """Two readings of one document, and what makes a reader fall over."""
    claims, header = compact_json(make.claims()), compact_json(make.header())
    changes: dict[str, Callable[[bytes], bytes]] = {
        "members twice": lambda plain: plain[:-1] + b"," + plain[1:],
        "a nested member twice": lambda plain: plain[:-1] + b',"x":{"y":1,"y":2}}',
        "an escaped member twice": lambda plain: plain[:-1] + b',"x":1,"\\u0078":2}',
        "UTF-16": lambda plain: plain.decode().encode("utf-16"),
        "UTF-16 without mark": lambda plain: plain.decode().encode("utf-16-le"),
        "UTF-32": lambda plain: plain.decode().encode("utf-32"),
        "a byte order mark": lambda plain: b"\xef\xbb\xbf" + plain,
        "invalid UTF-8": lambda plain: plain[:-1] + b',"x":"\xff"}',
        "a lone surrogate": lambda plain: plain[:-1] + b',"x":"\\ud800"}',
        "a list": lambda plain: b"[" + plain + b"]",
        "a string": lambda _: b'"text"',
        "null": lambda _: b"null",
        "trailing text": lambda plain: plain + b"{}",
        "single quotes": lambda plain: plain.replace(b'"', b"'"),
        "a comma at the end": lambda plain: plain[:-1] + b",}",
        "a raw control character": lambda plain: plain[:-1] + b',"x":"\n"}',
        "nested 17 deep": lambda plain: plain[:-1] + b',"x":' + b"[" * 16 + b"]" * 16 + b"}",
        "nested very deep": lambda plain: plain[:-1] + b',"x":' + b"[" * 2500 + b"]" * 2500 + b"}",
        "opened very deep": lambda _: b'{"x":' * 1000,
        "a long number": lambda plain: plain[:-1] + b',"x":' + b"9" * 5000 + b"}",
        "a huge number": lambda plain: plain[:-1] + b',"x":1e999}',
        "NaN": lambda plain: plain[:-1] + b',"x":NaN}',
    }
    for name, change in changes.items():
        yield HostileToken(f"payload: {name}", sign_exactly(make.key, header, change(claims)), Finding.TOKEN_JSON)
        yield HostileToken(f"header: {name}", sign_exactly(make.key, change(header), claims), Finding.TOKEN_JSON)


def _wrong_spellings(make: TokenMaker) -> Iterator[HostileToken]:
    """Other spellings of a genuine token: each would be a second name of one token in a cache or a deny list."""
    token = make.access_token()
    head, payload, signature = token.split(".")
    spellings = {
        "another last character": _another_last_character(make),
        "padding": f"{token}==",
        "padding of the payload": f"{head}.{payload}=.{signature}",
        "line feed": f"{token}\n",
        "space before": f" {token}",
        "space inside": f"{head} .{payload}.{signature}",
        "NUL": f"{token}\0",
        "non-ASCII": f"{token}é",
        "lone surrogate": f"{token}\ud800",
        "percent escape": f"{head}.{payload}%2E.{signature}",
        "plus": f"{head}.{payload}.+{signature[1:]}",
        "slash": f"{head}.{payload}.{signature[:-2]}/A",
        "length of 1 modulo 4": f"{head}.{payload}.AAAAA",
    }
    for name, token in spellings.items():
        yield HostileToken(name, token, Finding.TOKEN_ENCODING)


def _another_last_character(make: TokenMaker) -> str:
    """The same bytes with a bit set that the last character of the payload must leave unset; signed anew."""
    texts = (make.access_token(x=filler).rpartition(".")[0] for filler in ("a", "aa", "aaa"))
    text = next(text for text in texts if len(text.partition(".")[2]) % 4)
    signed = text[:-1] + _LAST_CHARACTERS[_LAST_CHARACTERS.index(text[-1]) + 1]
    return f"{signed}.{encode_base64url(make.key.signature_of(signed.encode()))}"


def _wrong_forms(make: TokenMaker) -> Iterator[HostileToken]:
    """Other serializations, and sizes."""
    token = make.access_token()
    head, payload, signature = token.split(".")
    flattened = compact_json({"payload": payload, "protected": head, "signature": signature}).decode()
    jwe = encode_base64url(compact_json({"alg": "dir", "enc": "A256GCM"}))
    opaque, form, size = Finding.TOKEN_IS_OPAQUE, Finding.TOKEN_NOT_COMPACT, Finding.TOKEN_TOO_LARGE
    yield HostileToken("two parts", f"{head}.{payload}", opaque)
    yield HostileToken("flattened JSON", flattened, opaque)
    yield HostileToken("opaque", "2YotnFZFEjr1zCsicMWpAA", opaque)
    yield HostileToken("empty", "", opaque)
    yield HostileToken("four parts", f"{token}.AAAA", form)
    yield HostileToken("empty header", f".{payload}.{signature}", form)
    yield HostileToken("empty payload", f"{head}..{signature}", form)
    yield HostileToken("no signature", f"{head}.{payload}.", form)
    yield HostileToken("dots only", "..", form)
    yield HostileToken("JWE", f"{jwe}..AAAA.AAAA.AAAA", Finding.TOKEN_ENCRYPTED)
    yield HostileToken("larger than 16 kB", make.access_token(x="x" * 16_000), size)
    yield HostileToken("a header of 1 MB", f"{'A' * 1_000_000}.{payload}.{signature}", size)
