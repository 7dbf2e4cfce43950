"""How hooks are called: plain ones in threads, `async` ones here, both within a time limit, faults as 503."""

import threading
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from proofkey.authorization_server.hooks import ClaimsQuestion, Hooks
from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId
from proofkey.runtime.hooks import THREADS, build_hooks

QUESTION = ClaimsQuestion(
    place="id_token", client=ClientRegistration(client_id=ClientId("web")), person=None, scope=(), audience=()
)


async def asked(hooks: Hooks) -> object:
    assert hooks.claims is not None
    return await hooks.claims(QUESTION)


class Callable:
    """An object that is called, as a class of an application may be."""

    async def __call__(self, question: ClaimsQuestion) -> Mapping[str, Any]:
        return {"thread": threading.current_thread() is threading.main_thread()}


async def test_plain_functions_run_in_threads_and_async_ones_here() -> None:
    here = threading.current_thread()

    def plain(question: ClaimsQuestion) -> dict[str, Any]:
        return {"here": threading.current_thread() is here}

    async def later(question: ClaimsQuestion) -> dict[str, Any]:
        return {"here": threading.current_thread() is here}

    assert await asked(build_hooks(plain)) == {"here": False}
    assert await asked(build_hooks(later)) == {"here": True}
    assert await asked(build_hooks(lambda question: later(question))) == {"here": True}
    assert await asked(build_hooks(Callable())) == {"thread": True}


async def test_a_hook_that_never_answers_is_given_up() -> None:
    async def hangs(question: ClaimsQuestion) -> dict[str, Any]:
        await anyio.sleep_forever()
        return {}

    with anyio.fail_after(30), pytest.raises(Unavailable) as refused:
        await asked(build_hooks(hangs, seconds=0.01))
    assert refused.value.finding is Finding.HOOK_FAILED


async def test_plain_hooks_that_hang_hold_up_nobody_else() -> None:
    release = threading.Event()

    def hangs(question: ClaimsQuestion) -> dict[str, Any]:
        release.wait(30)
        return {}

    hooks = build_hooks(hangs, seconds=0.2)
    failures: list[Unavailable] = []

    async def ask() -> None:
        try:
            await asked(hooks)
        except Unavailable as error:
            failures.append(error)

    try:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                for _ in range(THREADS + 5):
                    group.start_soon(ask)
        assert len(failures) == THREADS + 5
        assert await asked(build_hooks(lambda _: {})) == {}
    finally:
        release.set()


async def test_a_fault_is_logged_by_its_type_alone(caplog: pytest.LogCaptureFixture) -> None:
    def fails(question: ClaimsQuestion) -> dict[str, Any]:
        raise ValueError("the password is hunter2")

    with caplog.at_level("INFO", "proofkey"), pytest.raises(Unavailable) as refused:
        await asked(build_hooks(fails))
    assert refused.value.facts == {"hook": "claims", "error": "ValueError"}
    assert refused.value.__context__ is None
    assert "hook.failed" in caplog.text
    assert "hunter2" not in caplog.text


async def test_a_request_that_is_given_up_gives_its_hook_up() -> None:
    started, ended = anyio.Event(), anyio.Event()

    async def hangs(question: ClaimsQuestion) -> dict[str, Any]:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return {}

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(asked, build_hooks(hangs))
            await started.wait()
            group.cancel_scope.cancel()
    assert ended.is_set()
