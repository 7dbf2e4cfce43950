"""How long an issuer's keys are used, and when they are asked for again. All times are monotonic seconds."""

from typing import Final

from proofkey.protocol.text import digest_of

DEFAULT_LIFETIME: Final = 300.0
SHORTEST_LIFETIME: Final = 60.0
LONGEST_LIFETIME: Final = 24 * 3600.0
LONGEST_STALE: Final = 24 * 3600.0
"""Keys that cannot be refreshed are used this long after their lifetime, and never longer."""

COOL_DOWN: Final = 30.0
"""Between two fetches that unknown kids cause, and between two attempts while the old keys still serve."""
YOUNG: Final = 5.0
"""A fetch younger than this is not repeated for an unknown kid."""
RETRY: Final = 2.0
"""Between two attempts while there are no keys at all."""

_LONGEST_DELAY: Final = DEFAULT_LIFETIME


def read_lifetime(cache_control: str | None, age: str | None = None) -> float:
    """Seconds that a key set is fresh: `max-age` less `Age` (RFC 9111 §4.2), within 60 s and 24 h; 300 s without.

    `no-store` and `no-cache` give the shortest.
    """
    seconds = read_max_age(cache_control, age)
    if seconds is None:
        return DEFAULT_LIFETIME
    return min(max(seconds, SHORTEST_LIFETIME), LONGEST_LIFETIME)


def read_max_age(cache_control: str | None, age: str | None = None) -> float | None:
    """Seconds that an answer is fresh by its own words, perhaps less than none; 0 with `no-store` or `no-cache`;
    None when it says nothing."""
    directives = dict(_directive(part) for part in (cache_control or "").lower().split(","))
    if "no-store" in directives or "no-cache" in directives:
        return 0.0
    seconds = _seconds(directives.get("max-age"))
    return None if seconds is None else seconds - (_seconds(age) or 0.0)


class UnknownKids:
    """Kids that the issuer did not have when it was asked: a bounded memory, the oldest is forgotten first.

    Each miss doubles the time until that kid may cause a fetch again, so that a client with a dead token cannot
    use up every fetch. A kid that appears is found in the refreshed set all the same.
    """

    __slots__ = ("_delays", "_size")

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._delays: dict[str, tuple[float, float]] = {}

    def may_ask(self, kid: str, now: float) -> bool:
        """False while that kid is known to be missing."""
        until, _ = self._delays.get(digest_of(kid), (0.0, 0.0))
        return now >= until

    def missed(self, kid: str, now: float) -> None:
        """The issuer was asked at `now` and did not have it."""
        key = digest_of(kid)
        _, last = self._delays.pop(key, (0.0, 0.0))
        delay = min(max(2 * last, COOL_DOWN), _LONGEST_DELAY)
        self._delays[key] = (now + delay, delay)
        if len(self._delays) > self._size:
            del self._delays[next(iter(self._delays))]

    def __len__(self) -> int:
        return len(self._delays)


def _directive(part: str) -> tuple[str, str]:
    name, _, value = part.strip().partition("=")
    return name.strip(), value.strip().strip('"')


def _seconds(value: str | None) -> float | None:
    return float(value) if value and value.isascii() and value.isdecimal() and len(value) < 12 else None
