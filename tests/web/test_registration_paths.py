"""`/register` is a likely address of an application's own: the server takes it only where registration is on."""

from dataclasses import replace

import pytest
from fastapi import FastAPI

from proofkey.authorization_server.answers import Empty
from proofkey.web.server import Server
from tests.web.asgi import Reply, ask
from tests.web.fake_core import FakeCore

JSON = (b"content-type", b"application/json")


async def answer(path: str, method: str = "POST", *, on: bool, prefix: str = "") -> Reply:
    """What an application that has such an address says, with a server in it."""
    core = FakeCore(f"https://op.test{prefix}")
    if on:
        core.policy = replace(core.policy, features=core.policy.features | {"registration"})
    host = FastAPI()

    @host.post("/register")
    @host.get("/register/{rest}")
    async def own() -> dict[str, str]:
        return {"own": "the application's"}

    Server(core).mount(host, prefix)
    async with host.router.lifespan_context(host):
        return await ask(host, method, path, JSON, body=b"{}")


@pytest.mark.parametrize(("path", "method"), [("/register", "POST"), ("/register/abc", "GET")])
async def test_an_application_keeps_its_own_address(path: str, method: str) -> None:
    assert "own" in (await answer(path, method, on=False)).text
    assert "own" in (await answer(path, method, on=True, prefix="/idp")).text
    assert "client_id" in (await answer(path, method, on=True)).text
    assert "client_id" in (await answer(f"/idp{path}", method, on=True, prefix="/idp")).text
    assert (await answer(f"/idp{path}", method, on=False, prefix="/idp")).status == 404


@pytest.mark.spec("7592 †")
async def test_what_was_deleted_leaves_nothing_to_say() -> None:
    core = FakeCore()
    core.policy = replace(core.policy, features=frozenset({"registration"}))
    server = Server(core)
    async with server.running():
        core.next = Empty()
        reply = await ask(server.asgi(), "DELETE", "/register/abc")
    assert (reply.status, reply.body, reply.headers["cache-control"]) == (204, b"", "no-store")
    assert "content-type" not in reply.headers
    (asked,) = core.asked
    assert asked[1][:3] == ("DELETE", "abc", {})
