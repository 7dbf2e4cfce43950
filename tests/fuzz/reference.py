"""Slow and plain versions of the rules under fuzzing, which share no code with them: the oracles."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.protocol.differential_kit import Document, Facts

_SCOPE = re.compile(r"(?:[!#-\[\]-~]+(?: [!#-\[\]-~]+)*)?")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST = 16 * 1024


def is_strict(document: Document) -> bool:
    """RFC 8259, one reading only, nested 16 deep at most."""
    return (
        isinstance(document.value, dict)
        and document.is_utf8
        and not (document.repeated or document.constants or document.surrogates)
        and document.depth <= 16
    )


def is_canonical(text: str) -> bool:
    """RFC 7515 §2; RFC 4648 §3.5: no bit behind the last octet."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        return False
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    unused = {0: 0, 2: 4, 3: 2}[len(text) % 4]
    return alphabet.index(text[-1]) & ((1 << unused) - 1) == 0


def accepts_rfc9068(
    facts: Facts, *, key: EllipticCurvePublicKey, kid: str, issuer: str, audience: str, now: int
) -> bool:
    """RFC 9068 §4 and RFC 8725, line by line, for an API with one key, for ES256."""
    if len(facts.token) > _LONGEST or len(facts.segments) != 3:
        return False
    if not all(is_canonical(segment) for segment in facts.segments):
        return False
    if not (is_strict(facts.header) and is_strict(facts.payload) and _is_signed(facts, key)):
        return False
    return _header_holds(facts.header.members, kid) and _claims_hold(facts.payload.members, issuer, audience, now)


def _is_signed(facts: Facts, key: EllipticCurvePublicKey) -> bool:
    """RFC 7518 §3.4: two integers of 32 octets each."""
    header, payload, text = facts.segments
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(raw) != 64:
        return False
    signature = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    try:
        key.verify(signature, f"{header}.{payload}".encode(), ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _header_holds(header: Mapping[str, Any], kid: str) -> bool:
    typ = header.get("typ")
    return (
        header.get("alg") == "ES256"
        and header.get("kid", kid) == kid
        and isinstance(typ, str)
        and typ.lower() in ("at+jwt", "application/at+jwt")
        and not {"crit", "b64"} & header.keys()
    )


def _claims_hold(claims: Mapping[str, Any], issuer: str, audience: str, now: int) -> bool:
    texts = all(isinstance(claims.get(name), str) and claims[name] for name in ("iss", "sub", "client_id", "jti"))
    dates = all(_is_date(claims[name]) for name in ("exp", "iat", "nbf", "auth_time") if name in claims)
    if not (texts and dates and {"exp", "iat"} <= claims.keys() and "cnf" not in claims):
        return False
    scope = claims.get("scope", "")
    return (
        claims["iss"] == issuer
        and audience in _audiences(claims.get("aud"))
        and now < int(claims["exp"]) + 10
        and int(claims["iat"]) <= now + 10
        and int(claims.get("nbf", 0)) <= now + 10
        and isinstance(scope, str)
        and _SCOPE.fullmatch(scope) is not None
        and all(_are_texts(claims.get(name, [])) for name in ("roles", "amr"))
        and isinstance(claims.get("acr", ""), str)
    )


def _is_date(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < 2**53  # type: ignore[operator] # a number by then


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _audiences(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list) and _are_texts(value) else []


def bearer_of(headers: list[tuple[bytes, bytes]], query: bytes, *, dpop: bool) -> bytes | None:
    """RFC 6750 §2.1, RFC 9449 §7.1: the token, where the request has exactly one and nothing else that is one."""
    given = [value for name, value in headers if name == b"authorization"]
    pattern = rb"(bearer|dpop) +([A-Za-z0-9\-._~+/]+=*)" if dpop else rb"(bearer) +([A-Za-z0-9\-._~+/]+=*)"
    found = re.fullmatch(pattern, given[0], re.IGNORECASE) if len(given) == 1 else None
    if found is None or b"access_token" in _names(query):
        return None
    if found[1].lower() == b"dpop" and sum(name == b"dpop" for name, _ in headers) > 1:
        return None
    return found[2]


def _names(query: bytes) -> set[bytes]:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="replace")
    return {name.encode("utf-8", "surrogateescape") for name, _ in pairs}


def normal_path(path: str) -> str:
    """RFC 3986 §6.2.2: escapes first, then the loop of §5.2.4 as it is printed there."""
    text = re.sub(r"%[0-9A-Fa-f]{2}", _escape, path)
    text = re.sub(r'["<>\[\]^`{|}]', lambda found: f"%{ord(found[0]):02X}", text)
    return _remove_dot_segments(text) or "/"


def _escape(found: re.Match[str]) -> str:
    character = chr(int(found[0][1:], 16))
    return character if re.fullmatch(r"[A-Za-z0-9._~-]", character) else found[0].upper()


def _remove_dot_segments(rest: str) -> str:
    output = ""
    while rest:
        if rest.startswith("../") or rest.startswith("./"):
            rest = rest.partition("/")[2]
        elif rest.startswith("/./") or rest == "/.":
            rest = "/" + rest[3:]
        elif rest.startswith("/../") or rest == "/..":
            rest, output = "/" + rest[4:], output.rpartition("/")[0]
        elif rest in (".", ".."):
            rest = ""
        else:
            found = re.match(r"/?[^/]*", rest)
            piece = found[0] if found else rest
            output, rest = output + piece, rest[len(piece) :]
    return output
