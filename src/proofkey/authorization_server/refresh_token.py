"""A refresh token is id ‖ generation ‖ HMAC: nothing of it is stored, and a successor can be derived again."""

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from proofkey.errors import InvalidGrant
from proofkey.findings import Finding
from proofkey.protocol.text import Secret, encode_base64url

_FORM: Final = re.compile(r"([A-Za-z0-9_-]{22,64})\.(0|[1-9][0-9]{0,8})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class RefreshHandle:
    """The authorization that a refresh token belongs to, and its generation."""

    authorization_id: str
    generation: int


def build_refresh_token(handle: RefreshHandle, mac_key: bytes) -> Secret:
    """The same handle gives the same token, on every node that has the master key."""
    text = f"{handle.authorization_id}.{handle.generation}"
    return Secret(f"{text}.{_mac(text, mac_key)}")


def read_refresh_token(token: Secret, mac_key: bytes) -> RefreshHandle:
    """RFC 9700 §4.14.2: whatever is not letter for letter what was issued names no family, so it harms none.

    Raises: InvalidGrant.
    """
    found = _FORM.fullmatch(token.reveal())
    if found is None:
        raise InvalidGrant(Finding.REFRESH_UNKNOWN)
    id_, generation, presented = found.groups()
    if not hmac.compare_digest(_mac(f"{id_}.{generation}", mac_key).encode(), presented.encode()):
        raise InvalidGrant(Finding.REFRESH_UNKNOWN)
    return RefreshHandle(id_, int(generation))


def _mac(text: str, mac_key: bytes) -> str:
    return encode_base64url(hmac.new(mac_key, text.encode(), sha256).digest())
