"""Readiness: whether the process can do its work now."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proofkey.errors import ProofkeyError
from proofkey.findings import Finding
from proofkey.runtime.events import internal_error, refused

Check = Callable[[], Awaitable[None]]
"""Raises a ProofkeyError when its part is not ready."""

DEADLINE: Final = 2.0
"""Seconds for all checks together."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """`failed` names each part that is not ready, with its finding."""

    failed: Mapping[str, Finding] = field(default_factory=dict[str, Finding])

    @property
    def ready(self) -> bool:
        return not self.failed

    def document(self) -> dict[str, object]:
        """For the body of /ready: 200 when ready, else 503."""
        if self.ready:
            return {"ready": True}
        return {"ready": False, "failed": {name: finding.id for name, finding in self.failed.items()}}


async def check_readiness(checks: Mapping[str, Check], *, deadline: float = DEADLINE) -> Readiness:
    """Runs the checks side by side; a check that takes longer than the deadline (seconds) has failed."""
    outcomes = await asyncio.gather(*(_outcome(name, check, deadline) for name, check in checks.items()))
    return Readiness(
        {name: finding for name, finding in zip(checks, outcomes, strict=True) if finding is not None}
    )


async def _outcome(name: str, check: Check, deadline: float) -> Finding | None:
    try:
        async with asyncio.timeout(deadline):
            await check()
    except ProofkeyError as error:
        refused("health.not_ready", error, part=name)
        return error.finding
    except Exception as error:  # noqa: BLE001 - a health check answers whatever breaks
        internal_error("health.broken", error, part=name)
        return Finding.INTERNAL
    return None
