"""`docs/protect-an-api.md`: the program that it builds does what its text says."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

from proofkey.runtime.entropy import system_entropy
from proofkey.testing.clock import TurnedClock
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.tokens_for import TokensFor
from tests.docs.pages import page_blocks, read_page, run_page

PAGE = "protect-an-api.md"
MFA = "urn:example:mfa"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, issuer: LocalIssuer) -> Iterator[ModuleType]:
    """The page's module; every `Protect` in it trusts the issuer of the tests."""
    for name in ("introspection.secret", "exchange.secret"):
        (tmp_path / name).write_text(system_entropy() + "\n")
    monkeypatch.chdir(tmp_path)
    module = run_page(PAGE)
    vars(module)["USERS"] = {}
    with ExitStack() as stack:
        for api in (module.api, module.typed):
            stack.enter_context(issuer.stand_in_for(api))
        yield module


@pytest.fixture
def client(page: ModuleType) -> TestClient:
    return TestClient(page.app)


@pytest.mark.parametrize(
    ("method", "path", "claims", "status"),
    [
        ("GET", "/orders", {"scope": "orders:read"}, 200),
        ("GET", "/orders", {"scope": "orders:admin"}, 200),
        ("GET", "/orders", {"scope": "orders:write"}, 403),
        ("POST", "/orders", {"scope": "orders:read orders:write"}, 200),
        ("POST", "/orders", {"scope": "orders:admin"}, 200),
        ("POST", "/orders", {"scope": "orders:write"}, 403),
        ("GET", "/report", {"roles": ["admin"]}, 200),
        ("GET", "/report", {"roles": ["clerk"]}, 403),
        ("POST", "/import", {"scope": "orders:write", "client_only": True}, 200),
        ("POST", "/import", {"scope": "orders:write"}, 403),
        ("GET", "/plan", {"tenant": "acme"}, 200),
        ("GET", "/plan", {"tenant": 3}, 401),
        ("GET", "/plan", {}, 401),
        ("GET", "/greeting", {}, 200),
        ("GET", "/admin/users", {"scope": "orders:admin"}, 200),
        ("GET", "/admin/users", {"scope": "orders:read"}, 403),
    ],
)
def test_an_operation_asks_for_what_the_page_says(
    client: TestClient, token_for: TokensFor, method: str, path: str, claims: dict[str, Any], status: int
) -> None:
    assert client.request(method, path, headers=token_for(**claims)).status_code == status


@pytest.mark.parametrize(("permission", "status"), [("orders:cancel", 200), ("orders:see", 403)])
def test_permissions_as_auth0_writes_them(
    page: ModuleType, client: TestClient, clock: TurnedClock, permission: str, status: int
) -> None:
    auth0 = LocalIssuer(dialect="auth0", clock=clock)
    with auth0.stand_in_for(page.at_auth0):
        headers = TokensFor(auth0)(permissions=[permission])
        assert client.delete("/orders/3", headers=headers).status_code == status


def test_a_stranger_is_greeted_and_a_bad_token_is_not(client: TestClient, token_for: TokensFor) -> None:
    assert client.get("/greeting").json() == "Hello, stranger"
    assert client.get("/greeting", headers=token_for(sub="ann")).json() == "Hello, ann"
    assert client.get("/greeting", headers={"authorization": "Bearer x"}).status_code == 401


def test_a_payout_needs_a_recent_and_strong_sign_in(
    client: TestClient, issuer: LocalIssuer, clock: TurnedClock
) -> None:
    def pay(age: int, acr: str) -> Any:
        token = issuer.token_for(auth_time=clock.now() - age, acr=acr)
        return client.post("/payout", headers={"authorization": f"Bearer {token}"})

    assert pay(60, MFA).status_code == 200
    for answer in (pay(600, MFA), pay(60, "password")):
        assert answer.status_code == 401
        challenge = answer.headers["www-authenticate"]
        assert 'error="insufficient_user_authentication"' in challenge
        assert 'max_age="300"' in challenge
        assert f'acr_values="{MFA}"' in challenge


def test_the_application_s_own_user_is_there_or_nobody_gets_in(
    page: ModuleType, client: TestClient, issuer: LocalIssuer, token_for: TokensFor
) -> None:
    page.USERS[issuer.url, "u1"] = page.User("Ann")
    page.USERS[issuer.url, "u2"] = page.User("Bob", active=False)
    assert client.get("/me", headers=token_for(sub="u1")).json() == "Ann"
    assert client.get("/me", headers=token_for(sub="u2")).status_code == 401
    assert client.get("/me", headers=token_for(sub="u3")).status_code == 401


def test_a_websocket(client: TestClient, token_for: TokensFor) -> None:
    with client.websocket_connect("/ws", headers=token_for(scope="orders:read", sub="ann")) as socket:
        assert socket.receive_json() == {"sub": "ann"}


def test_the_guarded_shop(page: ModuleType, token_for: TokensFor) -> None:
    client = TestClient(page.shop)
    assert client.get("/health").json() == "ok"
    assert client.get("/prices").json() == [3, 5]
    assert client.get("/cart").status_code == 401
    assert client.get("/nowhere").status_code == 401
    assert client.get("/cart", headers=token_for(sub="ann")).json() == "ann"


def test_the_tests_that_it_shows_pass(
    page: ModuleType, issuer: LocalIssuer, token_for: TokensFor, clock: TurnedClock
) -> None:
    page.test_what_strangers_may_see()
    page.test_scopes(issuer, token_for, clock)
    page.test_permissions(clock)


def test_every_operation_of_the_page_is_walked_above(page: ModuleType) -> None:
    walked = Path(__file__).read_text(encoding="utf-8").partition("def test_every_operation")[0]
    paths = [path for app in (page.app, page.shop) for path in app.openapi()["paths"]]
    assert len(paths) >= 12
    not_walked = {path for path in paths if f'"{path.replace("{number}", "3")}"' not in walked}
    assert not_walked == {
        "/stock"
    }  # an exchange needs an issuer that does it: tests/runtime/test_token_exchange.py


def test_the_fields_of_the_log_are_those_that_there_are() -> None:
    from proofkey.runtime import api_events

    assert api_events.__doc__ is not None
    section = read_page(PAGE).partition("## What the log says")[2].partition("\n## ")[0]
    for name in (
        "finding",
        "reason",
        "method",
        "path",
        "peer",
        "client_id",
        "issuer",
        "sub",
        "scope",
        "jti",
        "bound",
    ):
        assert f"`{name}`" in section
        assert f"`{name}`" in api_events.__doc__


def test_it_says_what_telemetry_says() -> None:
    from proofkey.runtime import telemetry

    text = read_page(PAGE)
    told = (telemetry.OUTCOME, telemetry.FINDING, telemetry.CLIENT_ID, telemetry.ISSUER, telemetry.USER)
    for name in (*told, telemetry.REFUSALS, telemetry.ADMISSIONS):
        assert f"`{name}`" in text


def test_it_has_code_in_every_part_that_shows_some() -> None:
    assert len(page_blocks(PAGE, "python")) >= 14
