"""What a login does beside its requests: the clean-up of its store."""

import asyncio
from typing import Final

from proofkey.errors import ProofkeyError
from proofkey.runtime import events
from proofkey.runtime.login_core import LoginCore

PURGE_EVERY: Final = 60.0
"""Seconds between two clean-ups of the store."""


async def purge_for_ever(core: LoginCore) -> None:
    """Deletes what is over, again and again, until it is cancelled."""
    while True:
        try:
            await core.purge()
        except ProofkeyError as error:
            events.refused("login.purge_failed", error)
        except Exception as error:  # noqa: BLE001 - an upkeep that ends would let the store grow for ever
            events.internal_error("login.purge_broken", error)
        await asyncio.sleep(PURGE_EVERY)
