"""The application's own user: found by (iss, sub), refused where there is none, and never by accident."""

import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from fastapi import Depends, HTTPException, Security
from starlette.requests import Request
from starlette.testclient import TestClient

from proofkey.errors import InsufficientScope
from proofkey.fastapi import AccessToken
from proofkey.fastapi.guards import Users
from proofkey.findings import Finding
from proofkey.testing.tokens_for import bearer
from tests.fastapi.api import World


@dataclass
class User:
    name: str
    disabled: bool = False


USERS = {"ann": User("Ann"), "bob": User("Bob", disabled=True)}
THREADS: list[str] = []
CALLS: list[tuple[str, str]] = []


def find(token: AccessToken[Any]) -> User | None:
    CALLS.append(token.user_key)
    THREADS.append(threading.current_thread().name)
    match token.sub:
        case "breaks":
            raise KeyError("canary-secret")
        case "teapot":
            raise HTTPException(418, "no coffee")
        case "scope":
            raise InsufficientScope(Finding.SCOPE_INSUFFICIENT, scope=("more",))
    user = USERS.get(token.sub)
    return None if user is None or user.disabled else user


async def find_async(token: AccessToken[Any]) -> User | None:
    return find(token)


Loader = Callable[[AccessToken[Any]], Awaitable[User | None] | User | None]


def world_with(load: Loader, *, in_thread: bool = False) -> World:
    world = World()
    users: Users[User] = world.api.users(load, in_thread=in_thread)  # type: ignore[arg-type] # either kind

    @world.app.get("/me")
    async def me(user: Annotated[User, Security(users, scopes=["a"])]) -> str:
        return user.name

    @world.app.get("/twice")
    async def twice(
        one: Annotated[User, Depends(users)], two: Annotated[User, Security(users, scopes=["a"])]
    ) -> bool:
        return one is two

    return world


CASES = [
    ("ann", "a", 200, "Ann"),
    ("bob", "a", 401, "invalid_token"),
    ("eve", "a", 401, "invalid_token"),
    ("ann", "b", 403, "insufficient_scope"),
    ("breaks", "a", 503, "temporarily_unavailable"),
    ("scope", "a", 403, "insufficient_scope"),
    ("app", "a", 403, "insufficient_scope"),
]


@pytest.mark.spec("X-failclosed", "9068-2.2", "V10-10.3.3")
@pytest.mark.parametrize("load", [find, find_async], ids=["plain", "async"])
@pytest.mark.parametrize(("sub", "scope", "status", "told"), CASES)
def test_the_handler_gets_the_user_or_nobody_does(
    caplog: pytest.LogCaptureFixture, load: Loader, sub: str, scope: str, status: int, told: str
) -> None:
    caplog.set_level(logging.DEBUG)
    world = world_with(load)
    answer = TestClient(world.app).get("/me", headers=bearer(world.issuer.token_for(sub=sub, scope=scope)))
    assert (answer.status_code, told in answer.text) == (status, True)
    assert "canary-secret" not in caplog.text + answer.text


def test_a_user_that_is_disabled_has_a_finding_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = world_with(find)
    TestClient(world.app).get("/me", headers=bearer(world.issuer.token_for(sub="bob", scope="a")))
    assert "RS-16" in caplog.text


def test_the_function_may_answer_in_its_own_way() -> None:
    world = world_with(find_async)
    answer = TestClient(world.app).get("/me", headers=bearer(world.issuer.token_for(sub="teapot", scope="a")))
    assert (answer.status_code, answer.json()) == (418, {"detail": "no coffee"})


@pytest.mark.parametrize("in_thread", [True, False])
def test_a_plain_function_runs_in_a_thread_only_where_that_is_said(in_thread: bool) -> None:
    world = world_with(find, in_thread=in_thread)
    with TestClient(world.app) as client:
        THREADS.clear()
        client.get("/me", headers=bearer(world.issuer.token_for(sub="ann", scope="a")))
        client.portal.call(_note_thread)  # type: ignore[union-attr] # it has one while it is entered
    loader, loop = THREADS
    assert (loader != loop) is in_thread


async def _note_thread() -> None:
    THREADS.append(threading.current_thread().name)


def test_one_request_asks_once_and_by_issuer_and_subject() -> None:
    world = world_with(find_async)
    CALLS.clear()
    headers = bearer(world.issuer.token_for(sub="ann", scope="a"))
    assert TestClient(world.app).get("/twice", headers=headers).json() is True
    assert [(world.issuer.url, "ann")] == CALLS


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize("remember", [0, 10])
def test_a_configured_hook_counts_for_every_request_and_remembered_tokens_too(remember: int) -> None:
    active = {"ann"}

    async def load(token: AccessToken[Any]) -> User | None:
        return User(token.sub) if token.sub in active else None

    world = World(load_user=load, remember_tokens=remember)

    @world.app.get("/user")
    async def user(
        request: Request,
        token: Annotated[AccessToken, Security(world.api)],
        user: Annotated[Any, Depends(world.api.app_user)],
    ) -> str:
        return "a client" if user is None else str(user.name)

    client = TestClient(world.app)
    headers = bearer(world.issuer.token_for(sub="ann", scope="orders:read"))
    assert client.get("/user", headers=headers).json() == "ann"
    assert client.get("/orders", headers=headers).status_code == 200
    active.clear()
    assert client.get("/orders", headers=headers).status_code == 401
    assert client.get("/greeting", headers=headers).status_code == 401
    own = bearer(world.issuer.token_for(sub="app", client_id="app"))
    assert client.get("/user", headers=own).json() == "a client"
