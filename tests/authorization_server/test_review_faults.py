"""A store that fails at any one of its calls: an error each time, never an answer, and nothing half done."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proofkey.authorization_server.answers import Answer, Page, Redirect
from proofkey.errors import InteractionClosed, InvalidGrant, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId, Subject
from proofkey.store.memory import MemoryServerStore
from tests.authorization_server.driver import (
    CALLBACK,
    PASSWORDS,
    PEER,
    SECRET,
    VERIFIER,
    Desk,
    Visitor,
    credentials,
    interaction_of,
    open_desk,
    sent_back,
)


class FailingStore:
    """Passes every call on, but the one with the number `fails_at` (from 0) and those of the name `fails_on`: they
    raise, and do nothing."""

    def __init__(self) -> None:
        self.inner = MemoryServerStore()
        self.fails_at: int | None = None
        self.fails_on: str | None = None
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self.inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            if len(self.calls) - 1 == self.fails_at or name == self.fails_on:
                raise Unavailable(Finding.STORE_UNAVAILABLE, reason="SQLITE_FULL")
            return await inner(*args, **kwargs)

        return call if callable(inner) and not name.startswith("_") else inner


Operation = Callable[[], Awaitable[Answer]]
Prepare = Callable[[Desk, Visitor], Awaitable[Operation]]


async def _silent(desk: Desk, visitor: Visitor) -> Operation:
    await visitor.walk()
    return lambda: visitor.authorize(prompt="none")


async def _page(desk: Desk, visitor: Visitor) -> Operation:
    return visitor.authorize


async def _look(desk: Desk, visitor: Visitor) -> Operation:
    await visitor.walk("first")
    id_ = interaction_of(await visitor.authorize())
    return lambda: visitor.look(id_)


async def _sign_in(desk: Desk, visitor: Visitor) -> Operation:
    id_ = interaction_of(await visitor.authorize("first"))
    return lambda: visitor.log_in(id_, "ann", PASSWORDS["ann"])


async def _consent(desk: Desk, visitor: Visitor) -> Operation:
    id_ = interaction_of(await visitor.authorize())
    await visitor.log_in(id_)
    await visitor.look(id_)
    return lambda: visitor.decide(id_)


async def _redeem(desk: Desk, visitor: Visitor) -> Operation:
    code = (await visitor.walk())["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "redirect_uri": CALLBACK}
    authorization, pairs = credentials("web", SECRET)
    return lambda: desk.core.token((*pairs, *form.items()), authorization, PEER)


async def _refresh(desk: Desk, visitor: Visitor) -> Operation:
    form = {"grant_type": "refresh_token", "refresh_token": (await visitor.tokens(desk))["refresh_token"]}
    authorization, pairs = credentials("web", SECRET)
    return lambda: desk.core.token((*pairs, *form.items()), authorization, PEER)


async def _revoke(desk: Desk, visitor: Visitor) -> Operation:
    token = (await visitor.tokens(desk))["refresh_token"]
    authorization, pairs = credentials("web", SECRET)
    return lambda: desk.core.revoke((*pairs, ("token", token)), authorization, PEER)


async def _userinfo(desk: Desk, visitor: Visitor) -> Operation:
    token = (await visitor.tokens(desk))["access_token"]
    return lambda: desk.core.userinfo((f"Bearer {token}",), ())


async def _log_out(desk: Desk, visitor: Visitor) -> Operation:
    hint = (await visitor.tokens(desk))["id_token"]
    return lambda: desk.core.end_session((("id_token_hint", hint),), visitor.browser)


async def _confirm(desk: Desk, visitor: Visitor) -> Operation:
    await visitor.walk()
    page = visitor.keep(await desk.core.end_session((), visitor.browser))
    assert isinstance(page, Page)
    id_ = page.context["action"].rpartition("/")[2]
    return lambda: desk.core.confirm_end_session(id_, (("decision", "allow"),), visitor.browser)


OPERATIONS: list[Prepare] = [
    _silent, _page, _look, _sign_in, _consent, _redeem, _refresh, _revoke, _userinfo, _log_out, _confirm,
]  # fmt: skip
NO_SECOND_TRY = {_sign_in, _consent, _confirm}
"""A page is used up by the write that decides who wins: whoever fails after it starts again from the client."""


async def _begun(prepare: Prepare) -> tuple[Desk, FailingStore, Operation]:
    store = FailingStore()
    desk = await open_desk(store=store)
    operation = await prepare(desk, Visitor(desk.core))
    store.calls.clear()
    return desk, store, operation


@pytest.mark.spec("threats §2.9", "threats §2.16", "threats §3.20", "7009-2-a")
@pytest.mark.parametrize("prepare", OPERATIONS, ids=lambda prepare: prepare.__name__.strip("_"))
async def test_wherever_the_store_fails_there_is_no_answer(prepare: Prepare) -> None:
    _, store, operation = await _begun(prepare)
    await operation()
    calls = list(store.calls)
    for number, name in enumerate(calls):
        if name in ("list_signing_keys", "list_logouts"):
            continue  # the keys that are there go on; the sign-in has ended, and clients are told later
        _, store, operation = await _begun(prepare)
        store.fails_at = number
        with pytest.raises(Unavailable):
            await operation()
        store.fails_at = None
        codes = sum(event.name == "code.issued" for event in store.inner.events)
        try:
            again = await operation()
        except (InteractionClosed, InvalidGrant):
            assert prepare in NO_SECOND_TRY, (name, number)
            assert codes == sum(event.name == "code.issued" for event in store.inner.events)
        else:
            assert not isinstance(again, Redirect) or "error=" not in again.url, (name, number)


@pytest.mark.spec("threats §3.20")
async def test_a_revocation_that_failed_is_done_the_second_time() -> None:
    store = FailingStore()
    desk = await open_desk(store=store)
    tokens = await Visitor(desk.core).tokens(desk)
    store.fails_on = "revoke"
    with pytest.raises(Unavailable):
        await desk.revoke(tokens["refresh_token"])
    assert await desk.userinfo(tokens["access_token"])
    store.fails_on = None
    await desk.revoke(tokens["refresh_token"])
    with pytest.raises(InvalidToken):
        await desk.userinfo(tokens["access_token"])


async def test_a_consent_that_failed_half_way_gives_no_code() -> None:
    """The person has said yes; the code is for the next request, which needs no page any more."""
    store = FailingStore()
    desk = await open_desk(store=store)
    visitor = Visitor(desk.core)
    id_ = interaction_of(await visitor.authorize())
    await visitor.log_in(id_)
    store.fails_on = "insert_authorization"
    with pytest.raises(Unavailable):
        await visitor.decide(id_)
    store.fails_on = None
    assert await store.inner.find_consent(Subject("u1"), ClientId("web"))
    assert "code.issued" not in [event.name for event in store.inner.events]
    assert "code" in sent_back(await visitor.authorize())
