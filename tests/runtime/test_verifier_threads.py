"""One verifier for many threads, and for processes that fork."""

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faulty_issuer import faulty_issuer
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer

SCRIPT = Path(__file__).with_name("forking_worker.py")


@pytest.mark.spec("X-jwks-b", "threats §2 row 3")
@pytest.mark.parametrize("remembered", [0, 50])
def test_many_threads_verify_while_keys_rotate(remembered: int) -> None:
    clock = TurnedClock()
    issuer = LocalIssuer(clock=clock)
    issuer.cache_control = "max-age=86400"
    verifier = Verifier(
        issuer=ISSUER,
        audience=AUDIENCE,
        transport=issuer.transport,
        clock=clock,
        remember_tokens=remembered,
    )
    tokens = [issuer.token_for(sub="k0", expires_in=10_000)]
    verifier.verify_sync(tokens[0])
    failures: list[BaseException] = []
    seen: set[str] = set()
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.is_set():
                for token in list(tokens):
                    seen.add(verifier.verify_sync(token).sub)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for number in range(1, 9):
        clock.turn(31)
        issuer.rotate()
        tokens.append(issuer.token_for(sub=f"k{number}", expires_in=10_000))
        while f"k{number}" not in seen and not failures:
            stop.wait(0.001)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert seen == {f"k{number}" for number in range(9)}
    assert issuer.fetches() == 9


async def test_after_a_fork_keys_and_fetches_work_in_parent_and_children() -> None:
    """What gunicorn does with --preload: everything is made, used and even busy before the workers are forked."""
    clock = TurnedClock()
    async with faulty_issuer(clock) as sound, faulty_issuer(clock) as slow:
        old = sound.issuer.token_for()
        sound.issuer.cache_control = "max-age=86400"
        slow.fault = "hangs"
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SCRIPT),
            sound.issuer.url,
            slow.issuer.url,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(f"{old}\n".encode())
        assert await worker.stdout.readline() == b"used\n"
        await slow.hung.wait()
        slow.fault = None
        sound.issuer.rotate()
        worker.stdin.write(f"{sound.issuer.token_for()}\n{slow.issuer.token_for()}\n".encode())
        out, _ = await worker.communicate()
        slow.release.set()
    assert worker.returncode == 0, out.decode()
    assert sound.asked["jwks"] == 1 + 3, "the old keys came along; each process fetched the new one itself"
    assert slow.asked["jwks"] == 1 + 2, "the parent's fetch hangs; each child began its own"
