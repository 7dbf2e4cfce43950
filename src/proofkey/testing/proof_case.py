"""A request with a DPoP proof, and ways to spoil the proof."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proofkey.protocol.text import Instant
from proofkey.testing.clock import TurnedClock
from proofkey.testing.dpop import DpopKey
from proofkey.testing.tokens import NOW, key_for_tests

METHOD: Final = "GET"
URL: Final = "https://api.test/orders"
TOKEN: Final = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"


@dataclass(frozen=True, slots=True)
class ProofCase:
    """The request that the proofs are for. `url` has scheme, host and at least one path segment, and no port."""

    key: DpopKey = field(
        default_factory=lambda: DpopKey(key=key_for_tests("ES256", "dpop"), clock=TurnedClock(NOW))
    )
    token: str = field(default=TOKEN, repr=False)
    method: str = METHOD
    url: str = URL

    @property
    def now(self) -> Instant:
        return self.key.clock.now()

    def claims(self, **changes: object) -> dict[str, Any]:
        """An honest proof's claims, changed; None takes one out."""
        return changed(self.key.claims(self.method, self.url, token=self.token), changes)

    def header(self, **changes: object) -> dict[str, Any]:
        """An honest proof's header, changed; None takes a member out."""
        return changed(self.key.header(), changes)

    def claiming(self, **changes: object) -> str:
        """A proof with changed claims."""
        return self.key.sign(self.claims(**changes))

    def headed(self, **changes: object) -> str:
        """A proof with a changed header."""
        return self.key.sign(self.claims(), self.header(**changes))


def changed(members: Mapping[str, Any], changes: Mapping[str, object]) -> dict[str, Any]:
    """The members with these put in, and those that are None taken out."""
    return {name: value for name, value in {**members, **changes}.items() if value is not None}
