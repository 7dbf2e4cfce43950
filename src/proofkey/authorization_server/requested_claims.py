"""Claims that a client asked for one by one: what of it may be released, and how a grant remembers it.

A claim belongs to a scope (OIDC Core §5.4). A client gets a single claim only if it is registered for that scope,
and only if the person allowed that very claim: the consent page names it, and the consent holds it beside the
scopes as the claim's name in quotation marks, which no scope can contain (RFC 6749 §3.3).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proofkey.authorization_server.claims import CLAIMS_OF_SCOPE
from proofkey.protocol.authorization_details import Detail
from proofkey.protocol.claims_request import ClaimRequest, ClaimsRequest
from proofkey.protocol.registration import ClientRegistration

_SCOPE_OF: Final = {claim: scope for scope, claims in CLAIMS_OF_SCOPE.items() for claim in claims}

Values = tuple[Any, ...]
"""Those that the client can use; empty: any."""


@dataclass(frozen=True, slots=True)
class SingleClaims:
    """What is released beside the scope's claims, by name."""

    id_token: Mapping[str, Values] = field(default_factory=dict[str, Values])
    userinfo: Mapping[str, Values] = field(default_factory=dict[str, Values])

    @property
    def names(self) -> tuple[str, ...]:
        """In the order in which claims are offered."""
        if not self.id_token and not self.userinfo:
            return ()
        return tuple(name for name in _SCOPE_OF if name in self.id_token or name in self.userinfo)

    def still_for(self, client: ClientRegistration) -> "SingleClaims":
        """Those whose scope the client is registered for now."""

        def of(place: Mapping[str, Values]) -> dict[str, Values]:
            return {name: values for name, values in place.items() if _SCOPE_OF.get(name) in client.scope}

        return SingleClaims(of(self.id_token), of(self.userinfo)) if self.names else self

    @property
    def consent_items(self) -> tuple[str, ...]:
        """As a consent holds them."""
        return tuple(f'"{name}"' for name in self.names)


NO_CLAIMS: Final = SingleClaims()


def scope_of_item(item: str) -> str | None:
    """The scope that a single claim of a consent belongs to; None for whatever else a consent holds."""
    return _SCOPE_OF.get(item[1:-1]) if item.startswith('"') else None


def grantable_claims(asked: ClaimsRequest, scope: tuple[str, ...], client: ClientRegistration) -> SingleClaims:
    """Of what was asked, all that the client may have and that its scope does not give anyway."""
    if "openid" not in scope:
        return NO_CLAIMS

    def of(place: Mapping[str, ClaimRequest]) -> dict[str, Values]:
        return {
            name: wish.values
            for name, wish in place.items()
            if (owner := _SCOPE_OF.get(name)) in client.scope and owner not in scope
        }

    return SingleClaims(of(asked.id_token), of(asked.userinfo))


def write_details(claims: SingleClaims, details: tuple[Detail, ...] = ()) -> str | None:
    """`Authorization.details` with its members `claims` and `authorization_details`; None when there is nothing to
    remember."""
    places = {"id_token": claims.id_token, "userinfo": claims.userinfo}
    kept = {
        place: {name: list(values) for name, values in found.items()} for place, found in places.items() if found
    }
    members = {"claims": kept, "authorization_details": list(details)}
    written = {name: value for name, value in members.items() if value}
    return json.dumps(written, separators=(",", ":")) if written else None


def read_granted_details(details: str | None) -> tuple[Detail, ...]:
    """The authorization_details that `write_details` wrote (RFC 9396 §7)."""
    return () if details is None else tuple(json.loads(details).get("authorization_details", ()))


def read_single_claims(details: str | None) -> SingleClaims:
    """What `write_details` wrote."""
    if details is None:
        return NO_CLAIMS
    places: dict[str, dict[str, list[Any]]] = json.loads(details).get("claims", {})

    def of(place: str) -> dict[str, Values]:
        return {name: tuple(values) for name, values in places.get(place, {}).items()}

    return SingleClaims(of("id_token"), of("userinfo"))
