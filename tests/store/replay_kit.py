"""What the fault tests of replay memories share."""

import traceback

import anyio
import pytest

from proofkey.errors import Unavailable
from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.text import Instant
from proofkey.testing import postgresql_server, redis_server
from proofkey.testing.stores import START

CANARIES = (postgresql_server.PASSWORD, redis_server.PASSWORD)
HANGS = 60
"""Seconds after which a call is taken for one that never ends; the deadline itself is two."""


async def add(memory: ReplayMemory, key: str, *, at: int = 0, made: int | None = None) -> bool:
    now = Instant(START + at)
    return await memory.add(
        key, now=now, until=Instant(now + 130), made=Instant(START + (at if made is None else made))
    )


async def refusal(memory: ReplayMemory, key: str = "a", **times: int) -> Unavailable:
    with anyio.fail_after(HANGS), pytest.raises(Unavailable) as raised:
        await add(memory, key, **times)
    said = "".join(traceback.format_exception(raised.value)) + str(raised.value.facts)
    assert not any(canary in said for canary in CANARIES)
    return raised.value
