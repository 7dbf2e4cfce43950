"""Real races: several processes that call one method of one store at the same moment."""

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final

import anyio

from proofkey.client.stores import SessionStore
from proofkey.protocol.replay import ReplayMemory
from proofkey.store.open import open_replay_memory, open_session_store
from proofkey.store.sealed import Sealer
from proofkey.store.sql import SqliteServerStore, SqliteSessionStore

START_WITHIN: Final = 60.0
"""Seconds that a process may take to start."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What every competitor calls; a result that is True or a record counts as a win."""

    method: str
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class OpenServer:
    """Opens a server's store in a new process."""

    path: Path
    kind: type[SqliteServerStore] = SqliteServerStore

    def __call__(self) -> SqliteServerStore:
        return self.kind.open(self.path)


@dataclass(frozen=True, slots=True)
class OpenSessions:
    """Opens a client's store in a new process."""

    path: Path
    key: bytes
    kind: type[SqliteSessionStore] = SqliteSessionStore

    def __call__(self) -> SqliteSessionStore:
        return self.kind.open(self.path, Sealer(self.key))


@dataclass(frozen=True, slots=True)
class OpenSessionsAt:
    """Opens a client's store by its URL in a new process, or one of the wrong kind."""

    url: str
    key: bytes
    kind: Callable[[str, Sealer], SessionStore] = open_session_store

    def __call__(self) -> SessionStore:
        return self.kind(self.url, Sealer(self.key))


@dataclass(frozen=True, slots=True)
class OpenReplay:
    """Opens a replay memory in a new process, or one of the wrong kind."""

    url: str
    kind: Callable[[str], ReplayMemory] = open_replay_memory

    def __call__(self) -> ReplayMemory:
        return self.kind(self.url)


def count_winners(
    opened: Callable[[], Any], attempts: Sequence[Attempt], *, competitors: int = 50, processes: int = 2
) -> list[int]:
    """How many of `competitors`, spread over `processes`, won each attempt. The processes start it together."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    receivers: list[Any] = []
    workers: list[Any] = []
    for _ in range(processes):
        receiver, sender = context.Pipe(duplex=False)
        arguments = (opened, attempts, competitors // processes, barrier, sender)
        worker = context.Process(target=_compete, args=arguments, daemon=True)
        worker.start()
        sender.close()
        receivers.append(receiver)
        workers.append(worker)
    counts: list[list[int]] = [receiver.recv() for receiver in receivers]
    for worker in workers:
        worker.join()
    return [sum(column) for column in zip(*counts, strict=True)]


def _compete(
    opened: Callable[[], Any],
    attempts: Sequence[Attempt],
    competitors: int,
    barrier: Barrier,
    sender: Any,  # noqa: ANN401  # multiprocessing.Connection, generic in some versions of its stubs
) -> None:
    sender.send(anyio.run(_run, opened, attempts, competitors, barrier))
    sender.close()


async def _run(
    opened: Callable[[], Any], attempts: Sequence[Attempt], competitors: int, barrier: Barrier
) -> list[int]:
    store = opened()
    counts: list[int] = []
    for attempt in attempts:
        barrier.wait(START_WITHIN)
        counts.append(await _wins(store, attempt, competitors))
    await store.aclose()
    return counts


async def _wins(store: Any, attempt: Attempt, competitors: int) -> int:  # noqa: ANN401  # either kind of store
    results: list[object] = []

    async def one() -> None:
        results.append(await getattr(store, attempt.method)(*attempt.arguments, **attempt.keywords))

    async with anyio.create_task_group() as group:
        for _ in range(competitors):
            group.start_soon(one)
    return sum(result is not None and result is not False for result in results)
