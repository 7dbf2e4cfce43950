"""What must not pass before a claim is looked at: headers, signatures, JSON, other spellings and forms."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from proofkey.findings import Finding
from proofkey.protocol.jose import generate_signing_key
from proofkey.protocol.text import decode_base64url, encode_base64url
from proofkey.testing.token_case import HostileToken
from proofkey.testing.tokens import TokenMaker, compact_json, sign_exactly

_LAST_CHARACTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def wrong_headers(make: TokenMaker) -> Iterator[HostileToken]:
    """Algorithms, critical extensions, kids."""
    own = make.key.algorithm
    sibling = {"RS256": "PS256", "PS256": "RS256"}.get(own, "ES384")
    algs: tuple[object, ...] = (
        "none",
        "nOnE",
        "HS256",
        "HS512",
        own.lower(),
        f"{own} ",
        "ES256K",
        "RSA-OAEP",
        "dir",
        "",
        sibling,
        None,
        [own],
        7,
        True,
        {"alg": own},
    )
    crits: tuple[object, ...] = (["exp2"], [], ["b64"], "exp", 1, ["alg"], {}, [7], ["exp", "exp"], True)
    odd_kids: tuple[object, ...] = (1, [make.key.kid], {}, True, 1.5)
    for alg in algs:
        shared = isinstance(alg, str) and alg.startswith("HS")
        finding = Finding.TOKEN_SYMMETRIC if shared else Finding.TOKEN_ALGORITHM
        yield HostileToken(f"alg {alg!r}", make.access_token({"alg": alg}), finding)
    for crit in crits:
        yield HostileToken(f"crit {crit!r}", make.access_token({"crit": crit}), Finding.TOKEN_CRIT)
    yield HostileToken("crit null", _with_header(make, make.header() | {"crit": None}), Finding.TOKEN_CRIT)
    named = make.access_token({"crit": ["exp"], "exp": make.now + 60})
    yield HostileToken("crit with a member that is there", named, Finding.TOKEN_CRIT)
    yield HostileToken("b64 false", make.access_token({"b64": False, "crit": ["b64"]}), Finding.TOKEN_CRIT)
    yield HostileToken("b64 false, not critical", make.access_token({"b64": False}), Finding.TOKEN_CRIT)
    yield HostileToken("b64 true", make.access_token({"b64": True}), Finding.TOKEN_CRIT)
    yield HostileToken("b64 false, and the payload as it is", _unencoded(make), Finding.TOKEN_CRIT)
    for odd in odd_kids:
        yield HostileToken(f"kid {odd!r}", make.access_token({"kid": odd}), Finding.TOKEN_KID)
    yield HostileToken("kid null", _with_header(make, make.header() | {"kid": None}), Finding.TOKEN_KID)
    for kid in ("unknown", "../../dev/null", "key-1' OR '1'='1", "", "key-1\0", "KEY-1", "k" * 5000, "https://x/"):
        yield HostileToken(f"kid {kid[:20]!r}", make.access_token({"kid": kid}), Finding.TOKEN_KEY_UNKNOWN)


def _with_header(make: TokenMaker, header: Mapping[str, Any]) -> str:
    return sign_exactly(make.key, compact_json(header), compact_json(make.claims()))


def _unencoded(make: TokenMaker) -> str:
    """RFC 7797 §3: the signature is over the payload itself."""
    header = encode_base64url(compact_json(make.header() | {"b64": False, "crit": ["b64"]}))
    payload = encode_base64url(compact_json(make.claims()))  # has no dot, so that it may stand there
    return f"{header}.{payload}.{encode_base64url(make.key.signature_of(f'{header}.{payload}'.encode()))}"


def wrong_signatures(make: TokenMaker) -> Iterator[HostileToken]:
    """A stranger's signature, an altered one, and keys that the token itself brings."""
    stranger = generate_signing_key("ES256", make.key.kid)
    theirs = TokenMaker(stranger, make.issuer, make.audience, make.now, make.persona)
    own = {"alg": make.key.algorithm}
    jwk = {name: value for name, value in stranger.public_jwk.items() if name != "kid"}
    brought = {**own, "jwk": stranger.public_jwk, "jku": "https://evil.test/jwks", "x5u": "https://evil.test/x"}
    head, payload, signature = make.access_token().split(".")
    other = encode_base64url(compact_json(make.claims(sub="u2")))
    raw = decode_base64url(signature)
    tokens = {
        "a stranger's signature": theirs.access_token(own),
        "a stranger's key in the header": theirs.access_token(brought),
        "a stranger's key in the claims": theirs.access_token(own, cnf={"jwk": jwk}),
        "a stranger's certificate in the header": theirs.access_token({**own, "x5c": ["MIIB"], "x5t": "AA"}),
        "another payload": f"{head}.{other}.{signature}",
        "another header": f"{encode_base64url(compact_json(make.header(x=1)))}.{payload}.{signature}",
        "the signature of another token": f"{head}.{payload}.{make.access_token(jti='other').rpartition('.')[2]}",
    }
    half = len(raw) // 2
    altered = {
        "of zeros": bytes(len(raw)),
        "of ones": b"\xff" * len(raw),
        "cut": raw[:-1],
        "longer": raw + b"\0",
        "of one byte": b"\0",
        "twice": raw + raw,
        "flipped": bytes([raw[0] ^ 1]) + raw[1:],
        "flipped at the end": raw[:-1] + bytes([raw[-1] ^ 1]),
        "with its halves exchanged": raw[half:] + raw[:half],
        "in DER form": encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:])),
    }
    for name, value in altered.items():
        tokens[f"signature {name}"] = f"{head}.{payload}.{encode_base64url(value)}"
    for name, token in tokens.items():
        yield HostileToken(name, token, Finding.TOKEN_SIGNATURE)


def wrong_json(make: TokenMaker) -> Iterator[HostileToken]:
    """Two readings of one document, and what makes a reader fall over."""
    claims, header = compact_json(make.claims()), compact_json(make.header())
    for name, change in _CHANGES.items():
        yield HostileToken(f"payload: {name}", sign_exactly(make.key, header, change(claims)), Finding.TOKEN_JSON)
        yield HostileToken(f"header: {name}", sign_exactly(make.key, change(header), claims), Finding.TOKEN_JSON)


_CHANGES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "members twice": lambda plain: plain[:-1] + b"," + plain[1:],
    "a nested member twice": lambda plain: plain[:-1] + b',"x":{"y":1,"y":2}}',
    "an escaped member twice": lambda plain: plain[:-1] + b',"x":1,"\\u0078":2}',
    "UTF-16": lambda plain: plain.decode().encode("utf-16"),
    "UTF-16 without mark": lambda plain: plain.decode().encode("utf-16-le"),
    "UTF-32": lambda plain: plain.decode().encode("utf-32"),
    "a byte order mark": lambda plain: b"\xef\xbb\xbf" + plain,
    "invalid UTF-8": lambda plain: plain[:-1] + b',"x":"\xff"}',
    "overlong UTF-8": lambda plain: plain[:-1] + b',"x":"\xc0\xae"}',
    "a surrogate in UTF-8": lambda plain: plain[:-1] + b',"x":"\xed\xa0\x80"}',
    "a lone surrogate": lambda plain: plain[:-1] + b',"x":"\\ud800"}',
    "a lone surrogate as a name": lambda plain: plain[:-1] + b',"\\udc00":1}',
    "a list": lambda plain: b"[" + plain + b"]",
    "an empty list": lambda _: b"[]",
    "a string": lambda _: b'"text"',
    "a number": lambda _: b"1",
    "true": lambda _: b"true",
    "null": lambda _: b"null",
    "spaces alone": lambda _: b"  ",
    "trailing text": lambda plain: plain + b"{}",
    "a NUL at the end": lambda plain: plain + b"\0",
    "cut": lambda plain: plain[:-1],
    "single quotes": lambda plain: plain.replace(b'"', b"'"),
    "a comma at the end": lambda plain: plain[:-1] + b",}",
    "a comment": lambda plain: plain[:-1] + b"/* */}",
    "a raw control character": lambda plain: plain[:-1] + b',"x":"\n"}',
    "an unknown escape": lambda plain: plain[:-1] + b',"x":"\\x41"}',
    "a form feed between": lambda plain: plain[:-1] + b"\x0c}",
    "a space that is none of JSON's": lambda plain: plain[:-1] + "\u00a0}".encode(),
    "nested 17 deep": lambda plain: plain[:-1] + b',"x":' + b"[" * 16 + b"]" * 16 + b"}",
    "nested very deep": lambda plain: plain[:-1] + b',"x":' + b"[" * 2500 + b"]" * 2500 + b"}",
    "opened very deep": lambda _: b'{"x":' * 1000,
    "a long number": lambda plain: plain[:-1] + b',"x":' + b"9" * 5000 + b"}",
    "a huge number": lambda plain: plain[:-1] + b',"x":1e999}',
    "a number of many zeros": lambda plain: plain[:-1] + b',"x":-00}',
    "NaN": lambda plain: plain[:-1] + b',"x":NaN}',
}  # fmt: skip


def wrong_spellings(make: TokenMaker) -> Iterator[HostileToken]:
    """Other spellings of a genuine token: each would be a second name of one token in a cache or a deny list."""
    token = make.access_token()
    head, payload, signature = token.split(".")
    spellings = {
        "another last character": _another_last_character(make),
        "padding": f"{token}==",
        "padding of the payload": f"{head}.{payload}=.{signature}",
        "padding of the header": f"{head}=.{payload}.{signature}",
        "line feed": f"{token}\n",
        "line feed inside": f"{head}.{payload[:76]}\n{payload[76:]}.{signature}",
        "space before": f" {token}",
        "space inside": f"{head} .{payload}.{signature}",
        "tab behind": f"{token}\t",
        "NUL": f"{token}\0",
        "non-ASCII": f"{token}é",
        "a digit beyond ASCII": f"{token}٣",
        "lone surrogate": f"{token}\ud800",
        "percent escape": f"{head}.{payload}%2E.{signature}",
        "plus": f"{head}.{payload}.+{signature[1:]}",
        "slash": f"{head}.{payload}.{signature[:-2]}/A",
        "length of 1 modulo 4": f"{head}.{payload}.AAAAA",
        "a quote before": f'"{token}',
        "a comma behind": f"{token},",
    }
    for name, text in spellings.items():
        yield HostileToken(name, text, Finding.TOKEN_ENCODING)


def _another_last_character(make: TokenMaker) -> str:
    """The same bytes with a bit set that the last character of the payload must leave unset; signed anew."""
    texts = (make.access_token(x=filler).rpartition(".")[0] for filler in ("a", "aa", "aaa"))
    text = next(text for text in texts if len(text.partition(".")[2]) % 4)
    signed = text[:-1] + _LAST_CHARACTERS[_LAST_CHARACTERS.index(text[-1]) + 1]
    return f"{signed}.{encode_base64url(make.key.signature_of(signed.encode()))}"


def wrong_forms(make: TokenMaker) -> Iterator[HostileToken]:
    """Other serializations, and sizes."""
    token = make.access_token()
    head, payload, signature = token.split(".")
    unsigned = make.access_token({"alg": "none"}).rpartition(".")[0]
    flattened = compact_json({"payload": payload, "protected": head, "signature": signature}).decode()
    general = compact_json({"payload": payload, "signatures": []}).decode()
    jwe = encode_base64url(compact_json({"alg": "dir", "enc": "A256GCM"}))
    pbes = encode_base64url(
        compact_json({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 10**9, "p2s": "AA"})
    )
    opaque, form, size = Finding.TOKEN_IS_OPAQUE, Finding.TOKEN_NOT_COMPACT, Finding.TOKEN_TOO_LARGE
    yield HostileToken("two parts", f"{head}.{payload}", opaque)
    yield HostileToken("flattened JSON", flattened, opaque)
    yield HostileToken("general JSON without a signature", general, opaque)
    yield HostileToken("opaque", "2YotnFZFEjr1zCsicMWpAA", opaque)
    yield HostileToken("empty", "", opaque)
    yield HostileToken("the word null", "null", opaque)
    yield HostileToken("four parts", f"{token}.AAAA", form)
    yield HostileToken("three tokens in a row", f"{token}.{token}.{token}", form)
    yield HostileToken("empty header", f".{payload}.{signature}", form)
    yield HostileToken("empty payload", f"{head}..{signature}", form)
    yield HostileToken("no signature", f"{head}.{payload}.", form)
    yield HostileToken("alg none, unsigned", f"{unsigned}.", form, "8725b-3.1-b")
    yield HostileToken("dots only", "..", form)
    yield HostileToken("many dots", "." * 4000, form)
    yield HostileToken("JWE", f"{jwe}..AAAA.AAAA.AAAA", Finding.TOKEN_ENCRYPTED)
    yield HostileToken("JWE of a password", f"{pbes}.AAAA.AAAA.AAAA.AAAA", Finding.TOKEN_ENCRYPTED)
    yield HostileToken("the token in a JWE's form", f"{token}.AAAA.AAAA", Finding.TOKEN_ENCRYPTED)
    yield HostileToken("larger than 16 kB", make.access_token(x="x" * 16_000), size)
    yield HostileToken("a header of 1 MB", f"{'A' * 1_000_000}.{payload}.{signature}", size)
