"""A form that another site posts to us comes without cookies; what it asks for is asked again with them."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
from starlette.types import ASGIApp

from proofkey.web.server import Server
from tests.web.asgi import FORM, ask
from tests.web.fake_core import FakeCore

OTHER_SITE = (b"sec-fetch-site", b"cross-site")
SIGNED_IN = (b"cookie", b"__Host-proofkey-sign-in=" + b"a" * 43)


@pytest.fixture
def core() -> FakeCore:
    return FakeCore()


@pytest.fixture
async def app(core: FakeCore) -> AsyncIterator[ASGIApp]:
    server = Server(core)
    async with server.running():
        yield server.asgi()


@pytest.mark.spec("OC-3.1.2.1-a", "RP-Initiated Logout §2")
@pytest.mark.parametrize("path", ["/authorize", "/end-session"])
async def test_it_is_asked_again_by_get(app: ASGIApp, core: FakeCore, path: str) -> None:
    body = urlencode({"client_id": "web", "state": "ü&1"}).encode()
    reply = await ask(app, "POST", path, FORM, OTHER_SITE, body=body)
    assert (reply.status, reply.headers["location"]) == (303, f"https://op.test{path}?{body.decode()}")
    assert not core.asked


@pytest.mark.parametrize("path", ["/authorize", "/end-session"])
@pytest.mark.parametrize("headers", [(OTHER_SITE, SIGNED_IN), ()], ids=["cookies came along", "our own form"])
async def test_nothing_is_asked_again_that_gains_nothing(
    app: ASGIApp, core: FakeCore, path: str, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    await ask(app, "POST", path, FORM, *headers, body=b"client_id=web")
    assert [name for name, _ in core.asked] == [path[1:].replace("-", "_")]


async def test_a_request_that_fits_into_no_address_is_answered_as_it_came(app: ASGIApp, core: FakeCore) -> None:
    await ask(app, "POST", "/authorize", FORM, OTHER_SITE, body=b"request=" + b"a" * 6000)
    assert [name for name, _ in core.asked] == ["authorize"]
