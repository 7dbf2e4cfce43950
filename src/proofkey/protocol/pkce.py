"""Proof Key for Code Exchange, S256 only."""

import hashlib
import hmac
import re
from typing import Final

from proofkey.errors import InvalidGrant, InvalidRequest
from proofkey.findings import Finding
from proofkey.protocol.text import Secret, encode_base64url

METHOD: Final = "S256"
"""The one code_challenge_method: `plain` would put the verifier itself into the browser's address bar."""

_VERIFIER: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier, 43 characters (RFC 7636 §4.2).

    Raises: InvalidGrant when the verifier has not the form of one.
    """
    check_code_verifier(verifier)
    return encode_base64url(hashlib.sha256(verifier.encode()).digest())


def check_code_verifier(verifier: str) -> None:
    """43 to 128 unreserved characters, checked before anything is hashed (RFC 7636 §4.1).

    Raises: InvalidGrant.
    """
    if not _VERIFIER.fullmatch(verifier):
        raise InvalidGrant(Finding.PKCE_VERIFIER_MALFORMED, length=str(len(verifier)))


def check_code_challenge(challenge: str | None, method: str | None) -> None:
    """The authorization request's challenge: present, S256 by name, 43 base64url characters (RFC 7636 §4.3).

    An absent method means `plain` there, so it is refused as well (ASVS 10.4.6).
    Raises: InvalidRequest.
    """
    if challenge is None:
        raise InvalidRequest(Finding.PKCE_CHALLENGE_MISSING)
    if method != METHOD:
        raise InvalidRequest(Finding.PKCE_METHOD_WRONG, method=(method or "absent")[:32])
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest(Finding.PKCE_CHALLENGE_MALFORMED, length=str(len(challenge)))


def check_verifier_matches(verifier: Secret | None, challenge: str | None) -> None:
    """The token request's verifier belongs to the stored challenge (RFC 7636 §4.6).

    A verifier without a challenge is refused as well: else a removed challenge would go unseen (RFC 9700 §4.8.2).
    Raises: InvalidGrant.
    """
    if challenge is None:
        if verifier is not None:
            raise InvalidGrant(Finding.PKCE_VERIFIER_UNASKED)
        return
    if verifier is None:
        raise InvalidGrant(Finding.PKCE_VERIFIER_MISSING)
    if not hmac.compare_digest(challenge_of(verifier.reveal()).encode(), challenge.encode()):
        raise InvalidGrant(Finding.PKCE_VERIFIER_WRONG)
