"""Signing keys: made at first start, announced before use, published after it; which one signs now."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

from proofkey.authorization_server.policy import Lifetimes, Policy
from proofkey.authorization_server.records import SigningKeyRecord
from proofkey.authorization_server.signer import RemoteKey
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.jose import SigningAlgorithm, SigningKey, signing_key_from_jwk
from proofkey.protocol.key_set import KeySet, VerificationKey, parse_public_jwk
from proofkey.protocol.text import EPOCH, Instant

FIRST: Final[tuple[SigningAlgorithm, ...]] = ("ES256", "RS256")
"""Made at the first start: ES256 signs by default, RS256 since OpenID clients may ask for it (OIDC Core §15.1)."""
FIRST_FAPI: Final[tuple[SigningAlgorithm, ...]] = ("ES256",)
"""With the profile `fapi2`, which has no RS256 (FAPI 2.0 §5.4.1)."""
ALGORITHMS: Final[tuple[SigningAlgorithm, ...]] = (*FIRST, "PS256", "Ed25519", "EdDSA")
"""What a client may ask for; the key of one that is not among the first is made for the first client."""
_BY_NAME: Final[dict[str, SigningAlgorithm]] = {one: one for one in ALGORITHMS}
VERIFIED: Final = frozenset[str](ALGORITHMS)


class Seals(Protocol):
    """Envelope encryption under the master key; `context` binds a sealed value to its place."""

    def seal(self, plain: bytes, context: str, /) -> str: ...

    def open(self, sealed: str, context: str, /) -> bytes:
        """Raises: ConfigurationError when the master key is another one."""
        ...


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys at one moment: those that sign, by algorithm, and all that are published."""

    records: tuple[SigningKeyRecord, ...] = ()
    signing: Mapping[str, SigningKey | RemoteKey] = field(
        default_factory=dict[str, SigningKey | RemoteKey], repr=False
    )
    published: KeySet = field(default_factory=lambda: KeySet(()))
    document: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The JWK Set (RFC 7517 §5)."""
    until: Instant = EPOCH
    """From then on another key signs or another set is published; 0 when nothing is planned."""

    def signing_key(self, algorithm: str) -> SigningKey | RemoteKey:
        """Raises: ServerError when no key of that algorithm signs now."""
        key = self.signing.get(algorithm)
        if key is None:
            raise ServerError(Finding.INTERNAL, reason="no signing key", algorithm=algorithm)
        return key

    @property
    def algorithms(self) -> tuple[SigningAlgorithm, ...]:
        """What signs now, in the order of preference."""
        return tuple(one for one in ALGORITHMS if one in self.signing)

    def stands(self, records: Sequence[SigningKeyRecord], now: Instant) -> bool:
        """True while a ring built from these records would be this very one."""
        return tuple(records) == self.records and (self.until == EPOCH or now < self.until)


@dataclass(frozen=True, slots=True)
class Announce:
    """A new key is due: publish it now, sign with it from `active_from`."""

    algorithm: SigningAlgorithm
    active_from: Instant


@dataclass(frozen=True, slots=True)
class Retire:
    """A key that was superseded signs no more; it is published until `remove_at`."""

    kid: str
    remove_at: Instant


def first_algorithms(policy: Policy) -> tuple[SigningAlgorithm, ...]:
    """Of the keys that are made at the first start."""
    return FIRST_FAPI if policy.is_fapi else FIRST


def algorithm_named(name: str) -> SigningAlgorithm | None:
    """The algorithm of that name if it is offered."""
    return _BY_NAME.get(name)


def build_key_record(key: SigningKey, now: Instant, active_from: Instant, seals: Seals) -> SigningKeyRecord:
    """The form that a store may hold: the private half sealed, bound to its kid."""
    return SigningKeyRecord(
        kid=key.kid,
        algorithm=key.algorithm,
        sealed_private_jwk=seals.seal(json.dumps(key.private_jwk).encode(), _context(key.kid)),
        public_jwk=key.public_jwk,
        created_at=now,
        active_from=active_from,
    )


def build_key_ring(
    records: Sequence[SigningKeyRecord], now: Instant, seals: Seals, before: KeyRing | None = None
) -> KeyRing:
    """Opens the keys that sign now; those that `before` has open already are taken from it.

    Raises: ConfigurationError when the master key does not open them.
    """
    opened = {key.kid: key for key in before.signing.values()} if before else {}
    signing: dict[str, SigningKey | RemoteKey] = {}
    for algorithm in ALGORITHMS:
        record = _chosen_record(records, algorithm, now)
        if record:
            signing[algorithm] = opened.get(record.kid) or _open(record, seals)
    shown = [record for record in records if record.remove_at is None or now < record.remove_at]
    return KeyRing(
        records=tuple(records),
        signing=signing,
        published=KeySet(_parse(record) for record in shown),
        document={"keys": [dict(record.public_jwk) for record in shown]},
        until=_next_change(records, now),
    )


def signing_record(records: Sequence[SigningKeyRecord], algorithm: str, now: Instant) -> SigningKeyRecord | None:
    """The youngest active key of that algorithm which is not retired; where a clock that goes behind finds none
    active yet, the one that is the next."""

    def age(record: SigningKeyRecord) -> tuple[int, int, str]:
        return record.active_from, record.created_at, record.kid

    usable = [
        record
        for record in records
        if record.algorithm == algorithm and (record.retired_at is None or now < record.retired_at)
    ]
    active = [record for record in usable if record.active_from <= now]
    return max(active, key=age) if active else min(usable, key=age, default=None)


def plan_rotation(
    records: Sequence[SigningKeyRecord], now: Instant, lifetimes: Lifetimes
) -> tuple[Announce | Retire, ...]:
    """What is due: a new key is announced before the old one's time is over, so that every API has fetched it
    when it first signs; a superseded one stays published until its last token is dead (OIDC Core §10.1.1)."""
    steps: list[Announce | Retire] = []
    for algorithm in ALGORITHMS:
        own = [record for record in records if record.algorithm == algorithm and record.retired_at is None]
        current = signing_record(records, algorithm, now)
        if current is None:
            continue
        over = current.active_from + lifetimes.key_use
        announced = any(record.active_from > now for record in own)
        if not announced and now >= over - lifetimes.key_announcement:
            steps.append(Announce(algorithm, Instant(max(over, now + lifetimes.key_announcement))))
        steps += [
            Retire(record.kid, Instant(now + lifetimes.key_afterlife))
            for record in own
            if record.active_from <= now and record.kid != current.kid
        ]
    return tuple(steps)


def _next_change(records: Sequence[SigningKeyRecord], now: Instant) -> Instant:
    moments = [
        moment
        for record in records
        for moment in (record.active_from, record.retired_at, record.remove_at)
        if moment is not None and moment > now
    ]
    return min(moments, default=EPOCH)


def _chosen_record(records: Sequence[SigningKeyRecord], algorithm: str, now: Instant) -> SigningKeyRecord | None:
    """Where keys are kept elsewhere, those sign; one of the store only until the first of them is active."""
    remote = [record for record in records if record.is_remote]
    if not remote:
        return signing_record(records, algorithm, now)
    first = signing_record(remote, algorithm, now)
    if first is None or first.active_from <= now:
        return first
    return signing_record([record for record in records if not record.is_remote], algorithm, now) or first


def _open(record: SigningKeyRecord, seals: Seals) -> SigningKey | RemoteKey:
    algorithm = algorithm_named(record.algorithm)
    if record.is_remote and algorithm is not None:
        return RemoteKey(record.kid, algorithm)
    plain = seals.open(record.sealed_private_jwk, _context(record.kid))
    return signing_key_from_jwk(cast("dict[str, Any]", json.loads(plain)))


def _parse(record: SigningKeyRecord) -> VerificationKey:
    return parse_public_jwk(dict(record.public_jwk))


def _context(kid: str) -> str:
    return f"signing key {kid}"
