"""The two throttles as pure rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.protocol.throttle import Attempts, Backoff, Limit, Refused, forget_at, next_attempts


def attempt(rule: Limit | Backoff, times: list[float]) -> list[bool]:
    """Which of the attempts at these times were let through."""
    kept: Attempts | None = None
    passed: list[bool] = []
    for now in times:
        answer = next_attempts(rule, kept, now)
        passed.append(isinstance(answer, Attempts))
        kept = answer if isinstance(answer, Attempts) else kept
    return passed


def test_a_burst_passes_and_then_one_per_period() -> None:
    rule = Limit("token", burst=3, period=10)
    assert attempt(rule, [0, 0, 0, 0]) == [True, True, True, False]
    assert attempt(rule, [0, 0, 0, 9, 10, 10, 20]) == [True, True, True, False, True, False, True]
    assert attempt(rule, [0, 0, 0, 30, 30, 30, 30]) == [True, True, True, True, True, True, False]


@given(st.integers(1, 20), st.sampled_from([1.0, 3.0, 0.5]), st.lists(st.integers(0, 40), max_size=80).map(sorted))
def test_no_window_lets_more_through_than_the_burst_and_its_share(
    burst: int, period: float, times: list[int]
) -> None:
    passed = [now for now, let in zip(times, attempt(Limit("x", burst, period), [*times]), strict=True) if let]
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - passed[first]) / period


@pytest.mark.spec("N63-3.2.2")
def test_failures_wait_thirty_seconds_and_then_twice_as_long_up_to_an_hour() -> None:
    rule = Backoff("password")
    kept: Attempts | None = None
    now, waits = 0.0, []
    for _ in range(14):
        answer = next_attempts(rule, kept, now)
        assert isinstance(answer, Attempts)
        waits.append(answer.next_at - now)
        kept, now = answer, answer.next_at
    assert waits == [0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


@pytest.mark.spec("N63-3.2.2")
def test_after_a_hundred_failures_every_attempt_is_refused() -> None:
    rule = Backoff("password")
    assert isinstance(next_attempts(rule, Attempts(0, 99), 0), Attempts)
    for now in (0, 3600, 10 * 3600):
        assert next_attempts(rule, Attempts(0, 100), now) == Refused(3600)


@pytest.mark.parametrize(("now", "wait"), [(0, 30), (0.5, 30), (29.9, 1), (29, 1)])
def test_retry_after_is_long_enough(now: float, wait: int) -> None:
    refused = next_attempts(Backoff("password"), Attempts(30, 5), now)
    assert refused == Refused(wait)
    assert isinstance(next_attempts(Backoff("password"), Attempts(30, 5), now + wait), Attempts)


@given(st.floats(0, 100), st.integers(1, 5), st.sampled_from([0.7, 1.0, 7.0]))
def test_who_waits_as_told_passes(now: float, burst: int, period: float) -> None:
    rule = Limit("x", burst, period)
    answer = next_attempts(rule, Attempts(now + period * burst + 0.3, burst), now)
    assert isinstance(answer, Refused)
    assert answer.retry_after >= 1
    later = next_attempts(rule, Attempts(now + period * burst + 0.3, burst), now + answer.retry_after + 0.001)
    assert isinstance(later, Attempts)


def test_what_is_forgotten_helps_nobody() -> None:
    rule = Limit("x", 3, 10)
    assert forget_at(rule, Attempts(50, 3)) == 50
    assert attempt(rule, [50, 50, 50, 50]) == [True, True, True, False]
    assert forget_at(Backoff("x"), Attempts(50, 3)) == 50 + 24 * 3600
