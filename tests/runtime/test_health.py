"""Readiness."""

import asyncio

import pytest

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.runtime.health import check_readiness


async def fine() -> None:
    return


async def down() -> None:
    raise Unavailable(Finding.STORE_UNAVAILABLE)


async def stuck() -> None:
    await asyncio.Event().wait()


async def broken() -> None:
    raise KeyError("canary-77")


async def test_all_parts_ready_is_ready():
    readiness = await check_readiness({"store": fine, "keys": fine})
    assert readiness.ready
    assert readiness.document() == {"ready": True}


@pytest.mark.parametrize(
    ("check", "finding"),
    [(down, Finding.STORE_UNAVAILABLE), (stuck, Finding.INTERNAL), (broken, Finding.INTERNAL)],
)
async def test_a_part_that_fails_or_does_not_answer_is_named(
    check: object, finding: Finding, caplog: pytest.LogCaptureFixture
):
    readiness = await check_readiness({"keys": fine, "store": check}, deadline=0.1)  # type: ignore[dict-item]  # a check
    assert not readiness.ready
    assert readiness.document() == {"ready": False, "failed": {"store": finding.id}}
    assert "canary" not in caplog.text


async def test_checks_run_side_by_side():
    barrier = asyncio.Barrier(2)

    async def meet() -> None:
        await barrier.wait()

    assert (await check_readiness({"one": meet, "two": meet}, deadline=5)).ready
