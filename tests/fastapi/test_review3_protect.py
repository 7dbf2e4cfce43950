"""What an author of an API gets wrong once, and what the library makes of it."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Security
from starlette.testclient import TestClient

from proofkey.errors import ConfigurationError
from proofkey.fastapi import AccessToken, Protect
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.tokens_for import TokensFor, bearer
from tests.fastapi.api import World


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize("hook", ["load_user", "users"])
def test_a_user_that_is_false_is_no_user(hook: str) -> None:
    """`known and known.active` is what many write first."""

    def load(token: AccessToken[Any]) -> Any:
        return token.sub == "ann"

    world = World(load_user=load) if hook == "load_user" else World()
    dependency: Any = world.api if hook == "load_user" else world.api.users(load)

    @world.app.get("/me")
    async def me(user: Annotated[Any, Security(dependency)]) -> str:
        return "in"

    client = TestClient(world.app)
    assert client.get("/me", headers=bearer(world.issuer.token_for(sub="ann"))).status_code == 200
    assert client.get("/me", headers=bearer(world.issuer.token_for(sub="bob"))).status_code == 401


@pytest.mark.parametrize("scope", ["orders:read orders:write", 'a"b', "ä"])
def test_a_text_that_no_scope_can_equal_is_refused_when_the_rule_is_made(scope: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        World().api.require(scopes=["orders:read", scope])
    assert (caught.value.facts["key"], caught.value.facts["value"]) == ("scopes", scope)


@pytest.mark.parametrize("options", [{"docs_url": None}, {"openapi_url": None}], ids=["pages", "document"])
def test_documentation_that_the_application_has_not_is_not_brought_back(options: dict[str, Any]) -> None:
    world = World(docs_client_id="docs")
    with TestClient(FastAPI(lifespan=world.api.lifespan, **options)) as client:
        assert client.get("/docs").status_code == 404
        assert client.get("/docs/oauth2-redirect").status_code == 404


ENTRA = Protect(
    issuer="https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0",
    audience="6e74172b-be56-4843-9ff4-e66a39bb12e3",
)


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("/orders", {}, 403),
        ("/orders", {"scope": "orders:read"}, 200),
        ("/report", {"roles": ["admin"]}, 200),
        ("/report", {"roles": ["admin"], "client_only": True}, 200),
        ("/payout", {}, 401),
        ("/payout", {"auth_time": 1_800_000_000}, 200),
    ],
)
def test_tokens_as_entra_writes_them_are_never_malformed(path: str, asked: dict[str, Any], status: int) -> None:
    app = FastAPI()
    app.get("/orders", dependencies=[Security(ENTRA, scopes=["orders:read"])])(lambda: 1)
    app.get("/report", dependencies=[Depends(ENTRA.role("admin"))])(lambda: 1)
    app.get("/payout", dependencies=[Depends(ENTRA.step_up(max_age=60))])(lambda: 1)
    issuer = LocalIssuer(dialect="entra", clock=World().clock)
    with issuer.stand_in_for(ENTRA):
        assert TestClient(app).get(path, headers=TokensFor(issuer)(**asked)).status_code == status


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize("name", ["role", "roles", "permission", "require", "step_up", "users"])
def test_a_rule_that_was_never_made_ends_the_start(name: str) -> None:
    """`Depends(api.role)` would take the role from the query and let everybody in."""
    world = World()
    world.app.get("/x/{y}", dependencies=[Depends(getattr(world.api, name))], response_model=None)(lambda: 1)
    with pytest.raises(ConfigurationError) as caught, TestClient(world.app):
        pytest.fail("it started")
    assert caught.value.facts["key"] == "/x/{y}"
    assert f"api.{name}" in caught.value.facts["reason"]


@pytest.mark.parametrize("scope", ["orders:read orders:write", 'a"b'])
def test_a_scope_that_no_token_can_have_ends_the_start(scope: str) -> None:
    world = World()
    world.app.get("/x", dependencies=[Security(world.api, scopes=[scope])])(lambda: 1)
    with pytest.raises(ConfigurationError) as caught, TestClient(world.app):
        pytest.fail("it started")
    assert caught.value.facts["value"] == scope


@pytest.mark.parametrize("names", [["admin", "auditor"], [5]])
def test_a_list_in_the_place_of_a_name_is_told(names: Any) -> None:
    with pytest.raises(ConfigurationError, match="each name is a text"):
        World().api.roles(names)


@pytest.mark.parametrize("max_age", [1.5, True, -1, "5"])
def test_an_age_is_whole_seconds(max_age: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_age"):
        World().api.step_up(max_age=max_age)
