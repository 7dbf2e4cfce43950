"""Device authorization (RFC 8628): its request, its response, and the codes that people type."""

from dataclasses import dataclass, replace
from typing import Any, Final

from proofkey.errors import InvalidRequest
from proofkey.findings import Finding
from proofkey.protocol.messages import AuthorizationRequest, parse_authorization_request, with_query
from proofkey.protocol.text import ClientId, Pairs, Secret, decode_base64url, single
from proofkey.protocol.token_messages import MAY_REPEAT

DEVICE: Final = "device"
"""The `response_type` that stands in a request of this kind once it is read; no request can send it."""
ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 §6.1: no vowels, so no words, and nothing that looks like a digit."""
LENGTH: Final = 8
_READ: Final = frozenset(
    {
        *("scope", "resource", "prompt", "max_age", "login_hint", "acr_values", "claims", "nonce"),
        "authorization_details",
    }
)
_LONGEST: Final = 64
_NOWHERE: Final = (("redirect_uri", "urn:none"), ("response_type", "code"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceResponse:
    """RFC 8628 §3.2. `expires_in` and `interval` are in seconds; `user_code` is in the form that people read."""

    device_code: Secret
    user_code: str
    verification_uri: str
    expires_in: int
    interval: int


def parse_device_request(pairs: Pairs, client_id: ClientId) -> AuthorizationRequest:
    """RFC 8628 §3.1 with what OIDC Core §3.1.2.1, RFC 8707 §2 and RFC 9396 §2 say of the same parameters; others
    are ignored. The person is always asked.

    Raises: InvalidRequest, InvalidScope, InvalidTarget, InvalidAuthorizationDetails.
    """
    single(pairs, may_repeat=MAY_REPEAT)
    kept = tuple((name, value) for name, value in pairs if name in _READ)
    request = parse_authorization_request((*kept, ("client_id", client_id), *_NOWHERE))
    if "none" in request.prompt:
        raise InvalidRequest(Finding.PARAMETER_MALFORMED, parameter="prompt")
    return replace(request, redirect_uri="", response_type=DEVICE, prompt=request.prompt | {"consent"})


def device_response_document(response: DeviceResponse) -> dict[str, Any]:
    """RFC 8628 §3.2, §3.3.1."""
    complete = with_query(response.verification_uri, (("user_code", response.user_code),))
    return {
        "device_code": response.device_code.reveal(),
        "user_code": response.user_code,
        "verification_uri": response.verification_uri,
        "verification_uri_complete": complete,
        "expires_in": response.expires_in,
        "interval": response.interval,
    }


def build_user_code(random: str) -> str:
    """A user code of 34.5 bits from 256 random ones (43 base64url characters)."""
    number, code = int.from_bytes(decode_base64url(random)), ""
    for _ in range(LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        code += ALPHABET[digit]
    return code


def format_user_code(code: str) -> str:
    """As people read it: two groups (RFC 8628 §6.1)."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def parse_user_code(text: str) -> str | None:
    """What was typed, in either case and with whatever stands between (RFC 8628 §6.1); None for what can be no
    code of ours."""
    code = "".join(sign for sign in text[:_LONGEST].upper() if sign.isalnum())
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else None
