"""Issuers that an API trusts: how they are configured, and what is held for each while the process runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.dialect import Dialect
from proofkey.protocol.exchange import Transport
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import Instant
from proofkey.providers import dialect_for, dialect_named
from proofkey.resource_server.protected_resource import LEEWAY, ResourcePolicy, build_policy
from proofkey.resource_server.trust import FAR, check_internal_base_url, read_deadline
from proofkey.runtime import events
from proofkey.runtime.clock import Clock
from proofkey.runtime.introspection import Introspection, Introspector
from proofkey.runtime.key_source import KeySource
from proofkey.transport.internal import InternalTransport

ProvenT = TypeVar("ProvenT", AccessToken, AccessToken | None)

PERIOD: Final = 3600.0
"""Seconds between two lines about an issuer that goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """One issuer whose tokens an API takes. What is left out is as in `Protect` and `Verifier`."""

    issuer: str
    audience: str | Sequence[str] = ()
    """The API's identifier in this issuer's tokens, where it is another than elsewhere."""
    dialect: str | Dialect | None = None
    """None: chosen by the issuer."""
    tenants: Sequence[str] = ()
    """The tenants that may call, where an issuer serves many."""
    internal_base_url: str | None = None
    """`http://keycloak:8080`: where the provider is reached inside the network. Paths stay, and so does the issuer
    check: a provider that makes its issuer from the Host header, which names this address then, has to be told its
    public one (Keycloak: `KC_HOSTNAME`)."""
    allow_insecure_internal_http: bool = False
    """`internal_base_url` may be plain http off loopback. Whoever is in that network can then forge tokens."""
    introspection: Introspection | None = None
    """How its opaque tokens are asked about."""
    until: datetime | None = None
    """From then on its tokens are refused."""
    algorithms: Iterable[str] | None = None
    leeway: int | None = None
    """Seconds."""


class Trust:
    """One trusted issuer at work: its rules, its keys, and how many of its tokens were accepted."""

    __slots__ = ("_next_line", "_told", "_told_at", "accepted", "introspector", "policy", "source", "transport")

    def __init__(
        self, policy: ResourcePolicy, source: KeySource, transport: Transport, introspector: Introspector | None
    ) -> None:
        self.policy = policy
        self.source = source
        self.introspector = introspector
        self.transport = transport
        """Knows the way to this issuer."""
        self.accepted = 0
        self._next_line = 1
        self._told = 0
        self._told_at: float | None = None

    def count(self, proven: ProvenT) -> ProvenT:
        """Counts an accepted token, and gives it back. Of an issuer with a deadline the 1st, 10th, 100th, … is
        told."""
        if proven is None:
            return proven
        self.accepted += 1
        if self.policy.until is not None and self.accepted >= self._next_line:
            self._next_line *= 10
            events.emit("issuer.still_used", level="info", issuer=self.policy.issuer, accepted=self.accepted)
        return proven

    def tell_use(self, now: Instant, monotonic: float) -> None:
        """Tells once per hour how many tokens of an issuer with a deadline came meanwhile: 0 when it may go."""
        until = self.policy.until
        if until is None or (self._told_at is not None and monotonic - self._told_at < PERIOD):
            return
        first, self._told_at = self._told_at is None, monotonic
        if first:
            return
        recent, self._told = self.accepted - self._told, self.accepted
        events.emit(
            "issuer.use",
            level="info",
            issuer=self.policy.issuer,
            recent=recent,
            accepted=self.accepted,
            seconds_left=max(0, until - now),
        )


def build_trust(trusted: TrustedIssuer, transport: Transport, clock: Clock) -> Trust:
    """What an API needs to take tokens of that issuer.

    Raises: ConfigurationError.
    """
    dialect = _choose_dialect(trusted)
    policy = build_policy(
        trusted.issuer,
        trusted.audience,
        algorithms=ALGORITHM_NAMES if trusted.algorithms is None else trusted.algorithms,
        leeway=LEEWAY if trusted.leeway is None else trusted.leeway,
        dialect=dialect,
        tenants=(trusted.tenants,) if isinstance(trusted.tenants, str) else tuple(trusted.tenants),
        until=read_deadline(trusted.until),
    )
    _tell_deadline(policy, clock.now())
    internal = trusted.internal_base_url
    if internal is not None:
        check_internal_base_url(internal, allow_insecure_http=trusted.allow_insecure_internal_http)
        transport = InternalTransport(
            transport, policy.issuer, internal, allow_insecure_http=trusted.allow_insecure_internal_http
        )
    published = dialect.metadata_issuer(policy.issuer)
    source = KeySource(
        policy.issuer,
        transport,
        clock,
        published=published,
        token_issuers=policy.token_issuers if published != frozenset({policy.issuer}) else frozenset(),
        internal_base_url=internal,
    )
    asked = trusted.introspection
    introspector = None if asked is None else Introspector(asked, policy, source, transport, clock)
    return Trust(policy, source, transport, introspector)


def _choose_dialect(trusted: TrustedIssuer) -> Dialect:
    if trusted.dialect is None:
        return dialect_for(trusted.issuer)
    return dialect_named(trusted.dialect) if isinstance(trusted.dialect, str) else trusted.dialect


def _tell_deadline(policy: ResourcePolicy, now: Instant) -> None:
    if policy.until is None:
        return
    left = policy.until - now
    if left <= 0:
        events.emit("issuer.deadline_passed", level="warning", issuer=policy.issuer, seconds_ago=-left)
    elif left > FAR:
        events.emit("issuer.deadline_far", level="warning", issuer=policy.issuer, seconds_left=left)
    else:
        events.emit("issuer.deadline", level="info", issuer=policy.issuer, seconds_left=left)
