"""Configured secrets: long enough, and nobody's example."""

import hashlib
from typing import Final

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.text import Secret

MIN_LENGTH: Final = 32
"""Characters."""
MIN_DISTINCT: Final = 5
"""Characters that differ from each other; below it somebody leant on a key."""

PLACEHOLDERS: Final = (
    "changeme",
    "changethis",
    "donotuse",
    "insecure",
    "placeholder",
    "replaceme",
    "replacethis",
    "supersecret",
    "yourclient",
    "yoursecret",
)
"""Looked for in the secret's letters, in any case."""

SAMPLES: Final = frozenset(
    {
        "570dad43de1af4c925f92c16a68a50936da42b7dd6fdeb24850507a1199aac89",  # FastAPI's tutorial
        "465d9ad5d5528ebe287b5dce4fb51620833d09b290e49ddcc70ca6c4a0aea01b",  # jwt.io, the newer default
        "2598f7d6adc142d88161630f3db12ab2bd3403521c281811e5e1ce60d4ac5d76",  # Flask's documentation
        "c1d2e8726375f11fda33d032c5d84eec753aba4bad251dfdfaf8bdd8c4d26243",  # RFC 7515 §A.1, the HMAC key
        "453a6f6206b9e2fa0f5467287fbbe17698b0da90315dd9dc4d611d5935ed768f",  # RFC 7636 §B, the code verifier
        "3599ccd0b32fe2c5555962c1d0bec844a8ca9940a56f59c5c0e1de5c07d0f3df",  # RFC 7636 §B, the code challenge
        "b2c87eb33f1eb852a18f5451b04423043c07626835d59c02bfda6876a9f84d95",  # OIDC Registration §3.2
        "8d0fbeaca4e2e695116634d3244775a52ac703476cb715fe8d0849f2c0710bbf",  # oauth2-proxy's documentation
        "861009ec4d599fab1f40abc76e6f89880cff5833c79c548c99f9045f191cd90b",  # digits in order
        "e1b85b27d6bcb05846c18e6a48f118e89f0c0587140de9fb3359f8370d0dba08",  # digits in order
        "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9",  # hexadecimal digits in order
        "f6d527e6d01865481134f29788be2afe7fc3c702e1a55d7ceafac5f35199e8dc",  # letters in order
        "653bb1245e828fcda4fa53fcd5a3def5bd7654e651f54b4132b73d74e64435c4",  # letters in order
    }
)
"""SHA-256 (of lower case) of secrets that stand in tutorials, specifications and documentation."""


def check_secret_strength(secret: Secret, *, key: str) -> None:
    """At least 32 characters, of which 5 differ, no known placeholder and no published sample (RFC 6749 §10.10).

    Raises: ConfigurationError, which names the setting and never the secret.
    """
    text = secret.reveal()
    if len(text) < MIN_LENGTH:
        reason = f"{len(text)} characters, {MIN_LENGTH} needed"
    elif hashlib.sha256(text.lower().encode()).hexdigest() in SAMPLES:
        reason = "published in a tutorial or a standard"
    elif any(word in _letters(text) for word in PLACEHOLDERS):
        reason = "a placeholder"
    elif len(set(text)) < MIN_DISTINCT:
        reason = "hardly any different characters"
    else:
        return
    raise ConfigurationError(Finding.SECRET_WEAK, key=key, reason=reason)


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalpha())
