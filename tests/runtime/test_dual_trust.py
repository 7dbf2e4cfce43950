"""Moving from one issuer to another: both are trusted, the old one until a date."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from proofkey.errors import ConfigurationError, InvalidToken
from proofkey.findings import Finding
from proofkey.runtime import trust, verifier
from proofkey.runtime.trust import TrustedIssuer
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import START, TurnedClock
from proofkey.testing.issuer import AUDIENCE, LocalIssuer
from proofkey.testing.transport import AsgiTransport

OLD, NEW = "https://embedded.test/idp", "https://tenant.test/"
DAY = 86_400


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(START + seconds, UTC)


class Bench:
    def __init__(self, until: datetime, **options: Any) -> None:
        self.clock = TurnedClock()
        self.old, self.new = LocalIssuer(OLD, clock=self.clock), LocalIssuer(NEW, clock=self.clock)
        self.transport = AsgiTransport({"https://embedded.test": self.old, "https://tenant.test": self.new})
        self.verifier = Verifier(
            issuers=[TrustedIssuer(issuer=NEW), TrustedIssuer(issuer=OLD, until=until)],
            audience=AUDIENCE,
            transport=self.transport,
            clock=self.clock,
            **options,
        )

    def asked(self) -> int:
        return sum(ask.url.startswith(OLD) for ask in self.transport.asked)


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = [getattr(record, "proofkey", {}) for record in caplog.records]
    return [record for record in records if record.get("event") == name]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "proofkey")
    return caplog


@pytest.mark.parametrize("remembered", [0, 10])
async def test_the_old_issuer_is_taken_until_its_deadline_and_no_longer(remembered: int) -> None:
    bench = Bench(instant(600), remember_tokens=remembered)
    token = bench.old.token_for(expires_in=3600)
    await bench.verifier.verify(token)
    bench.clock.turn(599)
    await bench.verifier.verify(token)
    bench.clock.turn(1)
    for _ in range(2):
        with pytest.raises(InvalidToken) as caught:
            await bench.verifier.verify(token)
        assert caught.value.finding is Finding.ISSUER_RETIRED
        assert caught.value.facts["issuer"] == OLD
    await bench.verifier.verify(bench.new.token_for())
    assert bench.verifier.issuers == (NEW,)
    assert bench.verifier.readiness == {NEW: True}


async def test_after_the_deadline_the_old_issuer_is_not_even_asked() -> None:
    bench = Bench(instant(10))
    bench.clock.turn(10)
    await bench.verifier.start()
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(bench.old.token_for())
    await bench.verifier.aclose()
    assert bench.asked() == 0
    assert bench.verifier.ready


async def test_the_deadline_ends_the_background_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "_LOOK", 0.0)
    bench = Bench(instant(10))
    await bench.verifier.start()
    source = bench.verifier.trusts[1].source
    assert source._keepers
    bench.clock.turn(10)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not source._keepers
    assert bench.verifier.trusts[0].source._keepers
    await bench.verifier.aclose()


async def test_accepted_tokens_are_counted_for_each(log: pytest.LogCaptureFixture) -> None:
    bench = Bench(instant(DAY), remember_tokens=5)
    token = bench.old.token_for()
    for _ in range(12):
        await bench.verifier.verify(token)
    await bench.verifier.verify(bench.new.token_for())
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(bench.old.token_for(aud="other"))
    assert bench.verifier.accepted == {NEW: 1, OLD: 12}
    assert [event["accepted"] for event in events(log, "issuer.still_used")] == [1, 10]


async def test_the_log_tells_every_hour_how_much_the_old_issuer_is_used_and_when_it_no_longer_is(
    log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "_LOOK", 0.0)
    bench = Bench(instant(DAY))
    await bench.verifier.start()

    async def an_hour_passes() -> None:
        bench.clock.turn(trust.PERIOD)
        for _ in range(20):
            await asyncio.sleep(0)

    for _ in range(10):
        await asyncio.sleep(0)
    for _ in range(3):
        await bench.verifier.verify(bench.old.token_for())
    await an_hour_passes()
    await an_hour_passes()
    await bench.verifier.aclose()
    told = events(log, "issuer.use")
    assert [(event["issuer"], event["recent"], event["accepted"]) for event in told] == [(OLD, 3, 3), (OLD, 0, 3)]
    assert [event["seconds_left"] for event in told] == [DAY - 3600, DAY - 7200]


@pytest.mark.parametrize(
    ("after", "event", "level"),
    [
        (-1, "issuer.deadline_passed", "WARNING"),
        (0, "issuer.deadline_passed", "WARNING"),
        (30 * DAY, "issuer.deadline", "INFO"),
        (181 * DAY, "issuer.deadline_far", "WARNING"),
    ],
)
def test_the_start_tells_the_deadline(log: pytest.LogCaptureFixture, after: float, event: str, level: str) -> None:
    Bench(instant(after))
    record = next(r for r in log.records if getattr(r, "proofkey", {}).get("event") == event)
    assert record.levelname == level
    assert getattr(record, "proofkey", {})["issuer"] == OLD


def test_a_deadline_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="time zone"):
        Bench(datetime(2027, 6, 1))  # noqa: DTZ001 - what the test is about


def test_a_deadline_in_another_time_zone_is_the_same_instant() -> None:
    east = instant(60).astimezone(timezone(timedelta(hours=9)))
    assert Bench(east).verifier.trusts[1].policy.until == START + 60


def test_an_api_that_trusts_nobody_any_more_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="deadline of every issuer"):
        Verifier(issuers=[TrustedIssuer(issuer=OLD, until=instant(-1))], audience=AUDIENCE, clock=TurnedClock())
