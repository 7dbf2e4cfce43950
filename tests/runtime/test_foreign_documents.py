"""Documents at URLs that strangers name: how often their hosts are asked, and what serves meanwhile."""

import anyio
import pytest

from proofkey.authorization_server.remote import DocumentKind
from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.runtime.foreign_documents import AT_ONCE, ForeignDocuments
from proofkey.testing.clock import TurnedClock
from proofkey.testing.published import PublishedDocuments

URL = "https://rp.test/doc"
KIND = DocumentKind(name="test", max_bytes=1000)
BRIEF = DocumentKind(name="test", max_bytes=1000, stale=0)


class Bench:
    def __init__(self, **members: int) -> None:
        self.web, self.clock = PublishedDocuments(), TurnedClock()
        self.documents = ForeignDocuments(self.web, self.clock, **members)

    async def get(self, url: str = URL, *, kind: DocumentKind = KIND, renew: bool = False) -> str:
        return (await self.documents.get(url, kind, check, renew=renew)).text


def check(text: str) -> None:
    if "bad" in text:
        raise Unavailable(Finding.KEYS_UNAVAILABLE)


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.web.put(URL, {"n": 1})
    return made


@pytest.mark.parametrize(
    ("control", "age", "lifetime"),
    [
        (None, None, 300),
        ("max-age=600", None, 600),
        ("max-age=600", "100", 500),
        ("public, max-age=1", None, 60),
        ("max-age=100", "99999", 60),
        ("no-store", None, 60),
        ("max-age=99999999", None, 24 * 3600),
        ("max-age=x", None, 300),
    ],
)
@pytest.mark.spec("X-jwks-a", "CIMD-4.4-a")
async def test_a_document_serves_as_long_as_it_says_within_bounds(
    control: str | None, age: str | None, lifetime: int, bench: Bench
):
    bench.web.put(URL, {"n": 1}, cache_control=control or "", age=age or "")
    for wait in (0, lifetime - 1):
        bench.clock.turn(wait)
        assert await bench.get() == '{"n": 1}'
    assert bench.web.count(URL) == 1
    bench.web.put(URL, {"n": 2})
    bench.clock.turn(1)
    assert await bench.get() == '{"n": 2}'


async def test_callers_at_once_share_one_request_even_when_the_first_goes_away(bench: Bench):
    bench.web.gate = anyio.Event()
    got: list[str] = []

    async def ask() -> None:
        got.append(await bench.get())

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as first:
                group.start_soon(ask)
                for _ in range(5):
                    await anyio.lowlevel.checkpoint()
                first.cancel()
            for _ in range(20):
                group.start_soon(ask)
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            bench.web.gate.set()
    assert bench.web.count(URL) == 1
    assert set(got) == {'{"n": 1}'}


@pytest.mark.spec("X-jwks-d")
@pytest.mark.parametrize("fault", ["down", "404", "500", "302", "malformed", "not UTF-8", "too large"])
async def test_an_old_document_serves_while_its_host_answers_in_vain(fault: str, bench: Bench):
    await bench.get()
    spoil(bench.web, fault)
    bench.clock.turn(301)
    for _ in range(3):
        assert await bench.get() == '{"n": 1}'
    assert bench.web.count(URL) == 2  # and is left alone for a while
    bench.clock.turn(30)
    assert await bench.get() == '{"n": 1}'
    assert bench.web.count(URL) == 3
    bench.clock.turn(24 * 3600)
    with pytest.raises(Unavailable):
        await bench.get()
    bench.web.down.clear()
    bench.web.put(URL, {"n": 3})
    bench.clock.turn(5)
    assert await bench.get() == '{"n": 3}'


def spoil(web: PublishedDocuments, fault: str) -> None:
    match fault:
        case "down":
            web.down.add("rp.test")
        case "malformed":
            web.put(URL, {"bad": 1})
        case "not UTF-8":
            web.put(URL, b"\xff")
        case "too large":
            web.put(URL, {"n": "x" * 1000})
        case _:
            web.put(URL, {"n": 2}, status=int(fault))


async def test_a_kind_that_must_not_be_old_is_not(bench: Bench):
    await bench.get(kind=BRIEF)
    bench.web.down.add("rp.test")
    bench.clock.turn(299)
    await bench.get(kind=BRIEF)
    bench.clock.turn(1)
    with pytest.raises(Unavailable):
        await bench.get(kind=BRIEF)


@pytest.mark.spec("X-jwks-b")
async def test_a_host_without_a_document_is_asked_every_five_seconds_at_most(bench: Bench):
    bench.web.remove(URL)
    for _ in range(10):
        with pytest.raises(Unavailable):
            await bench.get()
    assert bench.web.count(URL) == 1
    bench.clock.turn(5)
    bench.web.put(URL, {"n": 2})
    assert await bench.get() == '{"n": 2}'


@pytest.mark.spec("X-jwks-b")
async def test_a_newer_document_is_asked_for_every_thirty_seconds_at_most(bench: Bench):
    for _ in range(5):
        await bench.get(renew=True)
    assert bench.web.count(URL) == 1
    bench.web.put(URL, {"n": 2})
    bench.clock.turn(29)
    assert await bench.get(renew=True) == '{"n": 1}'
    bench.clock.turn(1)
    assert await bench.get(renew=True) == '{"n": 2}'
    assert await bench.get() == '{"n": 2}'
    bench.web.down.add("rp.test")
    bench.clock.turn(30)
    for _ in range(5):
        assert await bench.get(renew=True) == '{"n": 2}'
    assert bench.web.count(URL) == 3


async def test_documents_of_one_kind_stand_in_no_other_kinds_way(bench: Bench):
    bench.web.gate = anyio.Event()

    async def wait(number: int) -> None:
        bench.web.put(f"https://{number}.test/", {})
        await bench.get(f"https://{number}.test/")

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for number in range(AT_ONCE):
                group.start_soon(wait, number)
            while len(bench.web.asked) < AT_ONCE:
                await anyio.lowlevel.checkpoint()
            with pytest.raises(Unavailable) as refused:
                await bench.get()
            assert refused.value.finding is Finding.BUSY
            group.start_soon(bench.documents.get, URL, DocumentKind(name="other", max_bytes=1000), check)
            while bench.web.count(URL) == 0:
                await anyio.lowlevel.checkpoint()
            bench.web.gate.set()


async def test_kinds_do_not_share_what_is_known_of_a_url(bench: Bench):
    await bench.get()
    await bench.documents.get(URL, DocumentKind(name="other", max_bytes=1000), check)
    assert bench.web.count(URL) == 2


async def test_the_one_used_longest_ago_is_forgotten_first():
    bench = Bench(size=2)
    for name in ("a", "b"):
        bench.web.put(f"https://{name}.test/", {})
        await bench.get(f"https://{name}.test/")
    await bench.get("https://a.test/")
    with pytest.raises(Unavailable):
        await bench.get("https://c.test/")
    assert len(bench.documents) == 2
    await bench.get("https://a.test/")
    assert bench.web.count("https://a.test/") == 1
    await bench.get("https://b.test/")
    assert bench.web.count("https://b.test/") == 2


async def test_all_documents_together_are_bounded():
    bench = Bench(most_bytes=2000)
    for number in range(10):
        bench.web.put(f"https://{number}.test/", {"n": "x" * 900})
        await bench.get(f"https://{number}.test/")
    assert len(bench.documents) == 2
    await bench.get("https://9.test/")
    assert bench.web.count("https://9.test/") == 1
