"""`proofkey purge`: deletes what is over."""

import sys
from collections.abc import Awaitable, Callable
from typing import Final

from proofkey.cli.db import configured_stores, has_schema
from proofkey.cli.output import Json, new_app, print_data, print_json, say
from proofkey.cli.store_access import Config
from proofkey.protocol.text import Instant
from proofkey.runtime.clock import system_clock
from proofkey.runtime.entropy import system_bytes
from proofkey.runtime.portal import Portal
from proofkey.runtime.settings import Settings
from proofkey.store.open import MEMORY, open_server_store, open_session_store
from proofkey.store.sealed import Sealer

app = new_app()

_SHOWN_EVERY: Final = 10_000
"""Rows between two lines of progress where there is no terminal."""


@app.command()
def purge(config: Config = None, json: Json = False) -> None:
    """Delete expired rows of the configured databases in batches, also while servers run; prints how many.

    The server does the same from time to time.
    """
    urls = [url for url in configured_stores(Settings.load(config)) if url != MEMORY]
    count = sum(Portal.own().call(_purge_store, url) for url in urls)
    if json:
        print_json({"purged": count})
        return
    print_data(str(count))
    if not urls:
        say("No database is configured: memory stores clean up by themselves.")


async def _purge_store(url: str) -> int:
    """Both kinds of tables: one database may hold both. Redis holds sessions alone."""
    now = system_clock().now()
    server = open_server_store(url if has_schema(url) else MEMORY)
    sessions = open_session_store(url, Sealer(system_bytes(32)))  # nothing is unsealed here
    try:
        gone = await _until_none(server.purge, now, 0)
        return await _until_none(sessions.purge_sessions, now, gone)
    finally:
        await server.aclose()
        await sessions.aclose()


async def _until_none(batch: Callable[[Instant], Awaitable[int]], now: Instant, gone: int) -> int:
    """Shows progress: on a terminal in one line, else now and then."""
    terminal = sys.stderr.isatty()
    shown = gone
    while count := await batch(now):
        gone += count
        if terminal:
            sys.stderr.write(f"\r{gone} rows deleted")
        elif gone - shown >= _SHOWN_EVERY:
            shown = gone
            say(f"{gone} rows deleted")
    if terminal and gone:
        say("")
    return gone
