import pytest

from proofkey.resource_server.key_freshness import COOL_DOWN, UnknownKids, read_lifetime


@pytest.mark.spec("X-jwks-a", "RFC 9111 §4.2")
@pytest.mark.parametrize(
    ("cache_control", "age", "seconds"),
    [
        (None, None, 300), ("", None, 300), ("public", None, 300), ("public, max-age=600", None, 600),
        ("MAX-AGE=600", None, 600), ('max-age="600"', None, 600), ("max-age=600", "100", 500),
        ("max-age=1", None, 60),
        ("max-age=600", "600", 60), ("max-age=9999999", None, 86400), ("max-age=99999999999999", None, 300),
        ("max-age=-1", None, 300), ("max-age=x", None, 300), ("max-age=٣", None, 300), ("no-store", None, 60),
        ("no-cache, max-age=600", None, 60), ("s-maxage=5", None, 300), ("max-age=600", "nonsense", 600),
    ],
)  # fmt: skip
def test_a_key_set_lives_as_long_as_cache_control_says_within_bounds(
    cache_control: str | None, age: str | None, seconds: float
) -> None:
    assert read_lifetime(cache_control, age) == seconds


@pytest.mark.spec("X-jwks-b")
def test_a_missing_kid_waits_longer_each_time() -> None:
    kids = UnknownKids()
    assert kids.may_ask("k", 0)
    waits = []
    now = 0.0
    for _ in range(6):
        kids.missed("k", now)
        wait = next(step for step in range(10_000) if kids.may_ask("k", now + step))
        waits.append(wait)
        now += wait
    assert waits == [COOL_DOWN, 60, 120, 240, 300, 300]
    assert kids.may_ask("another", now)


@pytest.mark.spec("X-jwks-b")
def test_the_memory_of_missing_kids_is_bounded() -> None:
    kids = UnknownKids(size=10)
    for number in range(1000):
        kids.missed(f"k{number}" * 100, 0)
    assert len(kids) == 10
    assert kids.may_ask("k0" * 100, 0)
    assert not kids.may_ask("k999" * 100, 0)
