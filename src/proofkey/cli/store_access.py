"""What the administration commands share: the configuration, its store, instants for people, tables."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from proofkey.authorization_server.stores import ServerStore
from proofkey.cli.output import clean, paint, print_data
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.text import Instant
from proofkey.runtime.clock import system_clock
from proofkey.runtime.portal import Portal
from proofkey.runtime.settings import ServerSettings, Settings
from proofkey.store.open import MEMORY, open_server_store

T = TypeVar("T")

Config = Annotated[Path | None, typer.Option("--config", help="The configuration; else ./proofkey.toml.")]


def on_store(config: Path | None, work: Callable[[ServerStore, ServerSettings, Instant], Awaitable[T]]) -> T:
    """Runs `work` on the server's store, also while a server runs on it.

    Raises: ConfigurationError when it lives in the server's memory or cannot be opened; Unavailable.
    """
    settings = Settings.load(config).server
    if settings.store == MEMORY:
        reason = "it lives in the server's process"
        raise ConfigurationError(Finding.STORE_NOT_SHARED, store=MEMORY, reason=reason)

    async def run() -> T:
        store = open_server_store(settings.store)
        try:
            return await work(store, settings, system_clock().now())
        finally:
            await store.aclose()

    return Portal.own().call(run)


def shown_instant(instant: Instant | None) -> str:
    """ISO 8601 in UTC, to the second; a dash for none."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if instant is not None else "-"


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under a head; nothing when there are no rows."""
    if not rows:
        return
    cells = [[clean(cell) or "-" for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in (head, *cells)) for place in range(len(head))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    print_data(paint(line(head), "bold"))
    for row in cells:
        print_data(line(row))
