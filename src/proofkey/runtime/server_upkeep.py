"""Work without a request: key rotation, purging; once each by hand, or for ever beside the endpoints."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

import anyio
from anyio import to_thread

from proofkey.authorization_server.keys import Announce, Retire, Seals, build_key_record, plan_rotation
from proofkey.authorization_server.policy import Lifetimes
from proofkey.authorization_server.records import AuditEvent, SigningKeyRecord
from proofkey.authorization_server.stores import SigningKeys
from proofkey.errors import ProofkeyError
from proofkey.protocol.jose import SigningAlgorithm, generate_signing_key
from proofkey.protocol.text import Instant
from proofkey.runtime import events
from proofkey.runtime.entropy import Entropy

ROUND: Final = 1.0
"""Seconds between two looks at the keys."""
_EVER: Final = Instant(-1)
UPKEEP_ROUNDS: Final = 900
"""Rounds between two purges, about: each worker adds up to a tenth, so that they do not meet."""


class Kept(Protocol):
    """What `keep` asks of a ServerCore."""

    async def refresh_keys(self) -> None: ...

    async def upkeep(self) -> None: ...

    async def deliver_logouts(self) -> None:
        """Goes on until it is cancelled."""
        ...


async def keep(core: Kept, entropy: Entropy) -> None:
    """Runs until it is cancelled: new keys are seen within a second, purging and rotation happen in time, and
    clients are told of logouts."""
    async with anyio.create_task_group() as group:
        group.start_soon(core.deliver_logouts)
        await _look_after(core, entropy)


async def _look_after(core: Kept, entropy: Entropy) -> None:
    extra = sum(entropy().encode()) % (UPKEEP_ROUNDS // 10)
    rounds = 0
    while True:
        await anyio.sleep(ROUND)
        rounds += 1
        await _safely("keys.not_read", core.refresh_keys)
        if rounds >= UPKEEP_ROUNDS + extra:
            rounds = 0
            await _safely("upkeep.failed", core.upkeep)


async def _safely(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """The next round tries again."""
    try:
        await work()
    except ProofkeyError as error:
        events.refused(name, error)
    except Exception as error:  # noqa: BLE001 - upkeep outlives every fault; type and place are logged
        events.internal_error(name, error)


async def rotate_keys(store: SigningKeys, seals: Seals, now: Instant, lifetimes: Lifetimes) -> None:
    """Announces and retires what is due."""
    for step in plan_rotation(await store.list_signing_keys(), now, lifetimes):
        match step:
            case Announce(algorithm, active_from):
                await announce_key(store, seals, algorithm, now, active_from, unless_one_from=now)
            case Retire(kid, remove_at):
                event = AuditEvent(at=now, name="key.retired", detail={"kid": kid})
                await store.retire_signing_key(kid, now, remove_at, event)
                events.emit(event.name, kid=kid)


async def ensure_keys(
    store: SigningKeys, seals: Seals, algorithms: Iterable[SigningAlgorithm], now: Instant
) -> bool:
    """The first key of each algorithm that has none; it signs at once, since nothing was signed with it before. Of
    several processes at once one makes it. True when one was missing."""
    known = {record.algorithm for record in await store.list_signing_keys() if record.retired_at is None}
    missing: list[SigningAlgorithm] = [one for one in algorithms if one not in known]
    for algorithm in missing:
        await announce_key(store, seals, algorithm, now, now, unless_one_from=_EVER)
    return bool(missing)


async def announce_key(
    store: SigningKeys,
    seals: Seals,
    algorithm: SigningAlgorithm,
    now: Instant,
    active_from: Instant,
    *,
    unless_one_from: Instant | None = None,
) -> SigningKeyRecord:
    """Makes a key that is published at once and signs from `active_from`; also what `keys rotate` does. With
    `unless_one_from` it is thrown away when another process has made one that is to sign after that instant."""
    key = await to_thread.run_sync(generate_signing_key, algorithm)
    record = build_key_record(key, now, active_from, seals)
    event = AuditEvent(
        at=now, name="key.announced", detail={"kid": key.kid, "algorithm": algorithm, "from": str(active_from)}
    )
    if await store.insert_signing_key(record, event, unless_one_from=unless_one_from):
        events.emit(event.name, kid=key.kid, algorithm=algorithm)
    return record
