"""Authentication context classes (`acr`): what a sign-in reaches, and what a request needs (RFC 9470 §4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from proofkey.authorization_server.policy import Policy
from proofkey.protocol.claims_request import ClaimsRequest
from proofkey.protocol.registration import ClientRegistration

FACTORS: Final = frozenset({"pwd"})
"""What people can sign in with here (RFC 8176)."""

Classes = Mapping[str, tuple[str, ...]]
"""The classes by name, the weakest first, each with the factors that it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextAsked:
    """What a request says about the authentication. `required` is empty when any class will do."""

    classes: Classes = field(default_factory=dict[str, tuple[str, ...]])
    wanted: tuple[str, ...] = ()
    """In the order of preference."""
    required: tuple[str, ...] = ()
    """One of these, or the request fails (OIDC Core §5.5.1.1)."""

    def is_met(self, factors: tuple[str, ...]) -> bool:
        """True when a sign-in with these factors is good enough."""
        return not self.required or any(self._reaches(name, factors) for name in self.required)

    def is_attainable(self) -> bool:
        """True when a new sign-in here could be good enough."""
        return not self.required or any(self._reaches(name, tuple(FACTORS)) for name in self.required)

    def reached(self, factors: tuple[str, ...]) -> str | None:
        """What the tokens say: the class that was asked for first among those reached, else the strongest; None
        when none is configured or reached."""
        met = [name for name in self.classes if self._reaches(name, factors)]
        preferred = (name for name in (*self.required, *self.wanted) if name in met)
        return next(preferred, met[-1] if met else None)

    def _reaches(self, name: str, factors: tuple[str, ...]) -> bool:
        needed = self.classes.get(name)
        return needed is not None and set(needed) <= set(factors)


ANY_CONTEXT: Final = ContextAsked()


def read_context(
    acr_values: tuple[str, ...], claims: ClaimsRequest, client: ClientRegistration, policy: Policy
) -> ContextAsked:
    """OIDC Core §3.1.2.1 `acr_values` (a wish), §5.5.1.1 `acr` as an essential claim with values (a condition),
    and the client's `default_acr_values` when it asks for nothing (OIDC Registration §2)."""
    asked = claims.id_token.get("acr")
    named = tuple(value for value in asked.values if isinstance(value, str)) if asked else ()
    required = named if asked is not None and asked.essential and asked.values else ()
    if asked is not None and asked.essential and asked.values and not named:
        required = ("",)  # values that no class can have
    wanted = (*named, *acr_values) or client.default_acr_values
    return ContextAsked(classes=policy.acr_values, wanted=wanted, required=required)
