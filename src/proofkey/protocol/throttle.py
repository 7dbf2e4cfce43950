"""Throttles: two rules as pure functions, and what they ask of a store."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from proofkey.protocol.text import Instant

_CLOCKS_APART: Final = 60
"""Seconds between the clocks of two nodes, at most."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Generic cell rate: `burst` attempts at once, then one more each `period` seconds."""

    name: str
    burst: int
    period: float


@dataclass(frozen=True, slots=True)
class Backoff:
    """For failures of one account: `free` attempts, then a delay of `first` seconds that doubles up to `longest`;
    after `most` consecutive failures every attempt is refused until the store forgets or an administrator gives a
    new password (NIST SP 800-63B-4 §3.2.2)."""

    name: str
    free: int = 5
    first: float = 30
    longest: float = 3600
    most: int = 100


@dataclass(frozen=True, slots=True)
class Attempts:
    """What a store keeps per rule and key: when the next attempt may come, and how many were counted."""

    next_at: float
    count: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The attempt must wait that many seconds (at least 1); it was not counted."""

    retry_after: int


class Throttles(Protocol):
    """Counts attempts by rule and key, shared by all workers of one store."""

    async def take(self, rule: Limit | Backoff, key: str, now: Instant) -> Refused | None:
        """Counts one attempt *before* it is made; Refused when it must wait. Atomic per key."""
        ...

    async def look(self, rule: Limit | Backoff, key: str, now: Instant) -> Refused | None:
        """What `take` would say now; counts nothing."""
        ...

    async def list_counted(self, rule: Limit | Backoff, now: Instant, most: int) -> Sequence[str]:
        """Digests of at most `most` keys whose attempts are not forgiven yet."""
        ...

    async def reset(self, rule: Limit | Backoff, key: str) -> None:
        """Forgets the attempts of that key (after a success)."""
        ...


def next_attempts(rule: Limit | Backoff, before: Attempts | None, now: float) -> Attempts | Refused:
    """What to store for one more attempt at `now`, or Refused (nothing is stored then).

    What could not have been stored at any time near `now` counts as nothing: a clock that has gone back by a day
    must not lock everybody out for a day.
    """
    longest = rule.period * rule.burst if isinstance(rule, Limit) else rule.longest
    if before is not None and before.next_at > now + longest + _CLOCKS_APART:
        before = None
    return _next_cell(rule, before, now) if isinstance(rule, Limit) else _next_failure(rule, before, now)


def waits(rule: Limit | Backoff, before: Attempts | None, now: float) -> Refused | None:
    """Refused when one more attempt at `now` would have to wait."""
    after = next_attempts(rule, before, now)
    return after if isinstance(after, Refused) else None


def forget_at(rule: Limit | Backoff, attempts: Attempts) -> float:
    """When a store may forget them: a limit's once the next attempt is free, an account's failures 24 longest
    delays later, so that nobody gains by waiting."""
    return attempts.next_at if isinstance(rule, Limit) else attempts.next_at + 24 * rule.longest


def _next_cell(rule: Limit, before: Attempts | None, now: float) -> Attempts | Refused:
    start = max(before.next_at if before else now, now)
    ahead = start - now - rule.period * (rule.burst - 1)
    if ahead > 0:
        return Refused(math.ceil(ahead))
    return Attempts(start + rule.period, (before.count if before else 0) + 1)


def _next_failure(rule: Backoff, before: Attempts | None, now: float) -> Attempts | Refused:
    if before and now < before.next_at:
        return Refused(math.ceil(before.next_at - now))
    count = (before.count if before else 0) + 1
    if count > rule.most:
        return Refused(round(rule.longest))
    delay = 0.0 if count < rule.free else min(rule.first * 2 ** (count - rule.free), rule.longest)
    return Attempts(now + delay, count)
