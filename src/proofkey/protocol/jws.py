"""Compact JWS verification: the hot path, on `cryptography` alone."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.key_set import KeySet, VerificationKey
from proofkey.protocol.text import decode_base64url

MAX_TOKEN: Final = 16 * 1024
"""Characters of a token; nothing longer is looked at."""
_MAX_MEMO: Final = 64


class VerifiedJws(NamedTuple):
    """A header and a payload whose signature verified."""

    header: Mapping[str, Any]
    payload: bytes
    key_issuer: str | None = None
    """Whom the key is for, where the key set says so (`VerificationKey.issuer`)."""


def verify_compact(token: str, keys: KeySet, algorithms: frozenset[str]) -> VerifiedJws:
    """Verifies a JWS in compact serialization (RFC 7515 §5.2) and gives its header and payload.

    `algorithms` are the header names that the caller allows. The key comes from `keys` alone: nothing in the
    header (`jwk`, `jku`, `x5c`, `x5u`) is ever used, and any `crit` or `b64` is refused.
    Raises: InvalidToken, and nothing else.
    """
    parts = token.split(".") if len(token) <= MAX_TOKEN else []
    if len(parts) != 3 or "" in parts:
        raise _shapeless(token)
    header_text, payload_text, signature_text = parts
    known = keys.headers.get(header_text)
    header, alg, key = known or _read_header(header_text, keys)
    if alg not in algorithms:
        raise InvalidToken(Finding.TOKEN_ALGORITHM, alg=alg[:32])
    try:
        payload = decode_base64url(payload_text)
        signature = decode_base64url(signature_text)
        key.verify(signature, token[: -len(signature_text) - 1].encode())
    except InvalidSignature as error:
        raise InvalidToken(Finding.TOKEN_SIGNATURE, kid=str(key.kid)[:64], alg=alg) from error
    except ValueError as error:
        raise InvalidToken(Finding.TOKEN_ENCODING, reason=str(error)) from error
    if known is None:  # only headers that the issuer signed are remembered, so a stranger cannot fill the memo
        if len(keys.headers) >= _MAX_MEMO:
            keys.headers.clear()
        keys.headers[header_text] = (header, alg, key)
    return VerifiedJws(header, payload, key.issuer)


def read_unverified_header(token: str) -> dict[str, Any]:
    """The header of a compact JWS or JWE as it stands, for diagnosis and for finding the kid to fetch.

    Raises: InvalidToken.
    """
    if len(token) > MAX_TOKEN:
        raise InvalidToken(Finding.TOKEN_TOO_LARGE, length=str(len(token)))
    return _parse_part(token.partition(".")[0])


def read_unverified_payload(token: str) -> dict[str, Any]:
    """The claims of a compact JWS as they stand: for diagnosis only, never to decide anything.

    Raises: InvalidToken.
    """
    parts = token.split(".") if len(token) <= MAX_TOKEN else []
    if len(parts) != 3 or "" in parts:
        raise _shapeless(token)
    return _parse_part(parts[1])


def _shapeless(token: str) -> InvalidToken:
    """Why a token has not the three parts of a compact JWS."""
    if len(token) > MAX_TOKEN:
        return InvalidToken(Finding.TOKEN_TOO_LARGE, length=str(len(token)))
    dots = token.count(".")
    if dots == 0:
        return InvalidToken(Finding.TOKEN_IS_OPAQUE)
    return InvalidToken(Finding.TOKEN_ENCRYPTED if dots == 4 else Finding.TOKEN_NOT_COMPACT)


def _read_header(text: str, keys: KeySet) -> tuple[Mapping[str, Any], str, VerificationKey]:
    header = _parse_part(text)
    if "crit" in header or "b64" in header:
        raise InvalidToken(Finding.TOKEN_CRIT)
    alg = header.get("alg")
    if not isinstance(alg, str):
        raise InvalidToken(Finding.TOKEN_ALGORITHM, alg="absent")
    kid = header.get("kid")
    if "kid" in header and not isinstance(kid, str):
        raise InvalidToken(Finding.TOKEN_KID)
    key = keys.find(kid, alg)
    if key is None:
        raise _no_key(kid, alg, keys)
    return MappingProxyType(header), alg, key


def _no_key(kid: str | None, alg: str, keys: KeySet) -> InvalidToken:
    if kid is None:
        return InvalidToken(Finding.TOKEN_KID, alg=alg[:32])
    if kid in keys.kids:
        return InvalidToken(Finding.TOKEN_ALGORITHM, alg=alg[:32], kid=kid[:64])
    return InvalidToken(Finding.TOKEN_KEY_UNKNOWN, alg=alg[:32], kid=kid[:64])


def _parse_part(text: str) -> dict[str, Any]:
    try:
        data = decode_base64url(text)
    except ValueError as error:
        raise InvalidToken(Finding.TOKEN_ENCODING, reason=str(error)) from error
    try:
        return parse_object(data)
    except ValueError as error:
        raise InvalidToken(Finding.TOKEN_JSON, reason="not strict JSON") from error
