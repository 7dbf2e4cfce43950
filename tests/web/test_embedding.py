"""`Server` inside an application: what it takes, what it refuses, and what a failing hook looks like over HTTP."""

from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from proofkey.authorization_server.throttles import SIGN_IN_BY_ACCOUNT, account_key
from proofkey.errors import ConfigurationError, Unavailable
from proofkey.runtime.clock import system_clock
from proofkey.runtime.settings import Settings
from proofkey.testing.server import write_server_config
from proofkey.web import Server
from tests.web.fake_core import FakeCore

SECRET = "the secret of the client, 32 characters"
ISSUER = "http://localhost:9000/idp"


def settings(folder: Path, **changes: Any) -> Settings:
    robot = {"client_id": "robot", "client_secret": SECRET, "grant_types": ["client_credentials"], "scope": ""}
    server = {"issuer": ISSUER, "store": "memory:", "clients": [{**robot, "response_types": []}], **changes}
    return Settings.load(write_server_config(folder, server))


@pytest.mark.spec("issue 4 embedding")
def test_a_failing_hook_is_a_503_with_retry_after(tmp_path: Path) -> None:
    def fails(question: object) -> dict[str, Any]:
        raise LookupError("the database password is hunter2")

    app = Starlette()
    Server(settings(tmp_path), claims=fails).mount(app, "/idp")
    with TestClient(app, base_url="http://localhost:9000") as client:
        answer = client.post("/idp/token", data={"grant_type": "client_credentials"}, auth=("robot", SECRET))
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("option", ["claims", "consent", "users", "signer"])
def test_what_belongs_to_a_core_is_not_given_beside_one(option: str) -> None:
    given: dict[str, Any] = {option: object()}
    with pytest.raises(ConfigurationError):
        Server(FakeCore(), **given)


def test_a_template_that_cannot_be_used_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "login.html").write_text("{{ nothing }}")
    with pytest.raises(ConfigurationError):
        Server(settings(tmp_path), templates=tmp_path)


async def test_an_account_that_failures_closed_is_opened_again(tmp_path: Path) -> None:
    server = Server(settings(tmp_path))
    with pytest.raises(Unavailable):
        await server.forget_failures("ann")
    async with server.running() as core:
        rule, account, now = SIGN_IN_BY_ACCOUNT, account_key("ann"), system_clock().now()
        for _ in range(rule.free):
            assert await core.store.take(rule, account, now) is None
        assert await core.store.take(rule, account, now) is not None
        await server.forget_failures(" ANN ")
        assert await core.store.take(rule, account, now) is None
    with pytest.raises(Unavailable):
        await server.forget_failures("ann")
