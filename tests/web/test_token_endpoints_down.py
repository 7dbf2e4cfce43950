"""Introspection and revocation over HTTP when nobody can tell, or when somebody asks too often."""

import json

import pytest

from proofkey.errors import InvalidClient, ProofkeyError, TooManyRequests, Unavailable
from proofkey.findings import Finding
from proofkey.web.server import Server
from tests.web.asgi import FORM, ask
from tests.web.fake_core import FakeCore


@pytest.mark.spec("7009-2-a", "7662-2.1-a", "threats §1.5")
@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        pytest.param(Unavailable(Finding.STORE_UNAVAILABLE), 503, True, id="store down"),
        pytest.param(TooManyRequests(retry_after=7, rule="introspection"), 429, True, id="too often"),
        pytest.param(InvalidClient(Finding.CLIENT_UNKNOWN), 401, False, id="not proven"),
    ],
)
async def test_it_is_neither_yes_nor_no(path: str, error: ProofkeyError, status: int, retry_after: bool) -> None:
    core = FakeCore()
    core.next = error
    server = Server(core)
    async with server.running():
        reply = await ask(server.asgi(), "POST", path, FORM, body=b"token=t")
    assert reply.status == status
    assert ("retry-after" in reply.headers) is retry_after
    assert json.loads(reply.body).keys() == {"error", "error_description"}
    assert reply.headers["cache-control"] == "no-store"
