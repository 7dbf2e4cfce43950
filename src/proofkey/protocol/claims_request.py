"""The `claims` parameter: single claims that a client asks for (OIDC Core §5.5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from proofkey.errors import InvalidRequest
from proofkey.findings import Finding
from proofkey.protocol.json_strict import parse_object

MAX_LENGTH: Final = 8192
"""Characters of the parameter."""
_MAX_CLAIMS: Final = 100
_MAX_VALUES: Final = 20


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """OIDC Core §5.5.1. `values` in the order of preference; empty: any value will do."""

    essential: bool = False
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """OIDC Core §5.5: by name, what shall stand in the ID token and what at UserInfo."""

    id_token: Mapping[str, ClaimRequest] = field(default_factory=dict[str, ClaimRequest])
    userinfo: Mapping[str, ClaimRequest] = field(default_factory=dict[str, ClaimRequest])


def parse_claims_request(text: str) -> ClaimsRequest:
    """The parameter's JSON; members that are not known are ignored.

    Raises: InvalidRequest when it is not what OIDC Core §5.5 says, or larger than anybody needs.
    """
    if len(text) > MAX_LENGTH:
        raise _malformed("too long")
    try:
        members = parse_object(text.encode())
    except ValueError as error:
        raise _malformed("not a strict JSON object") from error
    return ClaimsRequest(_read_place(members, "id_token"), _read_place(members, "userinfo"))


def _read_place(members: Mapping[str, Any], name: str) -> Mapping[str, ClaimRequest]:
    place: object = members.get(name)
    if place is None:
        return {}
    if not isinstance(place, dict):
        raise _malformed(name)
    asked = cast("dict[str, object]", place)
    if len(asked) > _MAX_CLAIMS:
        raise _malformed("too many claims")
    return {claim: _read_claim(claim, value) for claim, value in asked.items()}


def _read_claim(claim: str, value: object) -> ClaimRequest:
    if value is None:
        return ClaimRequest()
    if not isinstance(value, dict):
        raise _malformed(claim)
    members = cast("dict[str, Any]", value)
    essential: object = members.get("essential", False)
    listed: object = members.get("values", [])
    if not isinstance(essential, bool) or not isinstance(listed, list):
        raise _malformed(claim)
    values = [members["value"]] if "value" in members else []
    values += listed
    if len(values) > _MAX_VALUES:
        raise _malformed(claim)
    return ClaimRequest(essential, tuple(values))


def _malformed(reason: str) -> InvalidRequest:
    return InvalidRequest(Finding.PARAMETER_MALFORMED, parameter="claims", reason=reason[:64])
