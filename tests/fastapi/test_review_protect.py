"""A proven token counts for the API that proved it and for the request that brought it."""

import gc

import httpx2
import pytest
from fastapi import FastAPI, Security
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from proofkey.fastapi import AccessToken, Protect, Refused
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer
from tests.fastapi.api import World


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def scope_with(token: str) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer " + token.encode())],
    }


def api_for(world: World, audience: str) -> Protect:
    return Protect(issuer=ISSUER, audience=audience, transport=world.wire, clock=world.clock)


@pytest.mark.spec("8725b-3.9-a")
async def test_a_proof_is_known_by_the_api_itself_and_not_by_its_address_in_memory() -> None:
    """The address of an object that is gone is used again: the next API there must not take the token unproven."""
    world = World()
    connection = HTTPConnection(scope_with(world.issuer.token_for()))
    for _ in range(20):
        api = api_for(world, AUDIENCE)
        await api.admit(connection)
        del api
        gc.collect()
        other = api_for(world, "https://other.test")
        with pytest.raises(Refused, match="401"):
            await other.admit(connection)
        del other


@pytest.mark.spec("8725b-3.9-a")
async def test_an_inner_application_with_another_audience_proves_the_token_anew() -> None:
    world = World()
    outer, inner = world.api, api_for(world, "https://inner.test")
    connection = HTTPConnection(scope_with(world.issuer.token_for()))
    await outer.admit(connection)
    with pytest.raises(Refused, match="401"):
        await inner.admit(connection)
    assert (await outer.admit(connection)).sub


async def test_a_header_that_was_changed_on_the_way_is_read_anew() -> None:
    world = World()
    issuer: LocalIssuer = world.issuer
    scope = scope_with(issuer.token_for(sub="ann"))
    assert (await world.api.admit(HTTPConnection(scope))).sub == "ann"
    changed = {**scope, "headers": scope_with(issuer.token_for(sub="bob"))["headers"]}
    assert (await world.api.admit(HTTPConnection(changed))).sub == "bob"


async def test_a_mounted_application_below_a_middleware_is_protected() -> None:
    world = World()
    inner = FastAPI()

    @inner.get("/x")
    async def x(token: AccessToken = Security(world.api, scopes=["orders:read"])) -> str:  # noqa: B008
        return token.sub

    class Passing:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app({**scope}, receive, send)

    world.app.add_middleware(Passing)
    world.app.mount("/inner", inner)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(world.app), base_url="https://api.test"
    ) as client:
        for headers, status in (
            ({}, 401),
            ({"authorization": f"Bearer {world.issuer.token_for(scope='x')}"}, 403),
            ({"authorization": f"Bearer {world.issuer.token_for(scope='orders:read')}"}, 200),
        ):
            answer = await client.get("/inner/x", headers=headers)
            assert answer.status_code == status
            assert status == 200 or answer.headers["www-authenticate"].startswith("Bearer")
