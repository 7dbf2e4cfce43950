"""What a second review thought of: strangers whose names are answered slowly, or never."""

import threading

import anyio
import pytest

from proofkey.errors import Unavailable
from proofkey.protocol.exchange import Ask
from proofkey.transport import foreign
from proofkey.transport.foreign import ForeignTransport, SystemResolver


@pytest.mark.spec("CIMD-6.5-a", "threats 2 row 36")
async def test_names_that_nobody_answers_keep_no_other_name_from_being_found(monkeypatch: pytest.MonkeyPatch):
    """A thread asks for longer than its exchange may take; one address cannot keep all of them busy."""
    answered = threading.Event()

    def look_up(host: str, port: int) -> list[str]:
        if host.startswith("slow"):
            answered.wait(60)
        return ["10.0.0.1"]

    monkeypatch.setattr(foreign, "_look_up", look_up)
    names = SystemResolver()
    impatient, patient = (ForeignTransport(timeout=seconds, resolve=names) for seconds in (0.05, 30))

    async def ask(transport: ForeignTransport, host: str) -> str:
        with pytest.raises(Unavailable) as refused:
            await transport.send(Ask("GET", f"https://{host}/"))
        return refused.value.facts["reason"]

    try:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                for number in range(60):
                    group.start_soon(ask, impatient, f"slow{number}.test")
            assert await ask(patient, "quick.test") == "a private or otherwise special address"
    finally:
        answered.set()
        names.close()
