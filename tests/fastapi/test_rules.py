"""What dependencies ask of a token beside its scopes: written as users write them, judged by the answer."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from starlette.testclient import TestClient

from proofkey.errors import ConfigurationError
from proofkey.fastapi import AccessToken, Protect
from proofkey.testing.clock import TurnedClock
from proofkey.testing.issuer import AUDIENCE, LocalIssuer
from proofkey.testing.tokens_for import bearer
from tests.fastapi.api import World

HIERARCHY = {"orders:admin": ["orders:write"], "orders:write": ["orders:read"]}
LACKING = "The token lacks a permission that this operation needs"


def client_of(world: World) -> TestClient:
    api = world.api
    app = FastAPI()
    rules = {
        "/role": api.role("admin"),
        "/any": api.roles("admin", "auditor"),
        "/all": api.require(all_roles=["admin", "auditor"]),
        "/user": api.user,
        "/client": api.client,
        "/fresh": api.step_up(max_age=300),
        "/strong": api.step_up(acr_values=("gold", "silver")),
        "/both": api.step_up(max_age=300, acr_values="gold"),
        "/everything": api.require(scopes=["orders:read"], roles=["admin"], user=True, max_age=300),
        "/sum": api.role("admin") & api.step_up(max_age=300),
    }
    for path, guard in rules.items():
        app.get(path)(_handler(guard))

    @app.get("/scoped")
    async def scoped(token: Annotated[AccessToken, Security(api.role("admin"), scopes=["orders:read"])]) -> str:
        return token.sub

    return TestClient(app)


def _handler(guard: Any) -> Any:
    async def handler(token: Annotated[AccessToken, Depends(guard)]) -> str:
        return token.sub

    return handler


SIGN_IN = "The sign-in is too old or too weak for this."
ROLE = "The user lacks a role that this operation needs: admin."
USER = "This operation needs a user; the token is a client's own."
ALLOWED: list[tuple[str, dict[str, Any]]] = [
    ("/role", {"roles": ["admin"]}),
    ("/any", {"roles": ["auditor"]}),
    ("/all", {"roles": ["auditor", "x", "admin"]}),
    ("/user", {}),
    ("/client", {"sub": "app", "client_id": "app"}),
    ("/fresh", {"auth_time": -10}),
    ("/strong", {"acr": "silver"}),
    ("/both", {"auth_time": -10, "acr": "gold"}),
    ("/everything", {"scope": "orders:admin", "roles": ["admin"], "auth_time": 0}),
    ("/sum", {"roles": ["admin"], "auth_time": -300}),
    ("/scoped", {"roles": ["admin"], "scope": "orders:read"}),
]
REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("/role", {"roles": ["Admin"]}, 403, ROLE),
    ("/any", {"roles": ["user"]}, 403, "The user lacks a role that this operation needs: admin or auditor."),
    ("/all", {"roles": ["admin"]}, 403, "The user lacks a role that this operation needs: admin and auditor."),
    ("/user", {"sub": "app", "client_id": "app"}, 403, USER),
    ("/client", {}, 403, "This operation is for clients; a user stands behind the token."),
    ("/fresh", {"auth_time": -400}, 401, SIGN_IN),
    ("/fresh", {}, 401, SIGN_IN),
    ("/fresh", {"sub": "app", "client_id": "app"}, 403, USER),
    ("/strong", {"acr": "bronze"}, 401, SIGN_IN),
    ("/both", {"auth_time": -10}, 401, SIGN_IN),
    ("/everything", {"roles": ["admin"], "auth_time": 0}, 403, "The access token does not allow this."),
    ("/everything", {"scope": "orders:read", "auth_time": 0}, 403, ROLE),
    ("/everything", {"scope": "orders:read", "roles": ["admin"]}, 401, SIGN_IN),
    ("/sum", {"auth_time": 0}, 403, ROLE),
    ("/sum", {"roles": ["admin"]}, 401, SIGN_IN),
    ("/scoped", {"roles": ["admin"]}, 403, "The access token does not allow this."),
    ("/scoped", {"scope": "orders:read"}, 403, ROLE),
]  # fmt: skip


def token_of(world: World, claims: dict[str, Any]) -> dict[str, str]:
    made = dict(claims)
    if "auth_time" in made:
        made["auth_time"] = int(world.clock.now()) + made["auth_time"]
    return bearer(world.issuer.token_for(**made))


@pytest.fixture(scope="module")
def world() -> World:
    return World(scope_hierarchy=HIERARCHY)


@pytest.fixture(scope="module")
def client(world: World) -> TestClient:
    return client_of(world)


@pytest.mark.spec("V10-10.3.2", "V10-10.3.3", "V10-10.3.4", "9068-2.2")
@pytest.mark.parametrize(("path", "claims"), ALLOWED, ids=str)
def test_who_meets_the_rule_comes_in(world: World, client: TestClient, path: str, claims: dict[str, Any]) -> None:
    assert client.get(path, headers=token_of(world, claims)).status_code == 200


@pytest.mark.spec("V10-10.3.2", "V10-10.3.3", "V10-10.3.4", "9068-2.2", "9470-3-a")
@pytest.mark.parametrize(("path", "claims", "status", "text"), REFUSED, ids=str)
def test_who_does_not_is_told_what_was_needed(
    world: World, client: TestClient, path: str, claims: dict[str, Any], status: int, text: str
) -> None:
    answer = client.get(path, headers=token_of(world, claims))
    assert (answer.status_code, answer.json()["error_description"]) == (status, text)
    expected = "insufficient_scope" if status == 403 else "insufficient_user_authentication"
    assert answer.json()["error"] == expected
    assert f'error="{expected}"' in answer.headers["www-authenticate"]


@pytest.mark.spec("9470-3-a")
@pytest.mark.parametrize(
    ("path", "demand"),
    [
        ("/fresh", ['max_age="300"']),
        ("/strong", ['acr_values="gold silver"']),
        ("/both", ['acr_values="gold"', 'max_age="300"']),
    ],
)
def test_a_step_up_challenge_names_everything_that_one_new_sign_in_has_to_bring(
    world: World, client: TestClient, path: str, demand: list[str]
) -> None:
    answer = client.get(path, headers=token_of(world, {}))
    header = answer.headers["www-authenticate"]
    assert header.startswith('Bearer error="insufficient_user_authentication"')
    assert all(part in header for part in demand)
    assert header.count("max_age") + header.count("acr_values") == len(demand)


@pytest.mark.spec("9470-3-a")
def test_a_token_grows_too_old_while_it_is_used(world: World, client: TestClient) -> None:
    headers = token_of(world, {"auth_time": -200})
    assert client.get("/fresh", headers=headers).status_code == 200
    world.clock.turn(150)
    assert client.get("/fresh", headers=headers).status_code == 401
    assert client.get("/user", headers=headers).status_code == 200


@pytest.mark.spec("MCP26-scopes")
@pytest.mark.parametrize(
    ("scope", "status"),
    [("orders:read", 200), ("orders:write", 200), ("orders:admin", 200), ("orders", 403), ("orders:admin2", 403)],
)
def test_a_scope_that_includes_the_needed_one_opens_the_operation(scope: str, status: int) -> None:
    world = World(scope_hierarchy=HIERARCHY)
    answer = TestClient(world.app).get("/orders", headers=bearer(world.issuer.token_for(scope=scope)))
    assert answer.status_code == status


@pytest.mark.spec("MCP26-scopes")
def test_one_challenge_names_all_scopes_of_the_operation_whichever_dependency_asks() -> None:
    world = World()
    api = world.api
    app = FastAPI(dependencies=[Security(api, scopes=["app"])])
    router = APIRouter(prefix="/r", dependencies=[Security(api, scopes=["router", "offline_access"])])

    @router.get("/x/{id}")
    async def x(
        id: int, token: Annotated[AccessToken, Security(api.require(scopes="rule", roles="r"), scopes=["own"])]
    ) -> str:
        return token.sub

    app.include_router(router)
    client = TestClient(app)
    told = 'scope="app router own rule"'
    assert told in client.get("/r/x/5").headers["www-authenticate"]
    answer = client.get("/r/x/5", headers=bearer(world.issuer.token_for(scope="app router offline_access")))
    assert answer.status_code == 403
    assert told in answer.headers["www-authenticate"]


def test_every_rule_costs_one_dependency_and_one_verification() -> None:
    world = World()
    verified: list[str] = []
    verify = world.api.verifier.verify_now

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(world_verifier, name)

        def verify_now(self, token: str, *, bound: bool = False) -> Any:
            verified.append(token)
            return verify(token, bound=bound)

    world_verifier = world.api.verifier
    world.api.verifier = Counting()  # type: ignore[assignment] # a verifier that counts
    headers = bearer(world.issuer.token_for(scope="orders:read", roles=["admin"]))
    client = TestClient(world.app)
    assert client.get("/both", headers=headers).json() is True  # the keys are fetched
    verified.clear()
    assert client.get("/both", headers=headers).json() is True
    assert len(verified) == 1


@pytest.mark.parametrize("permissions", [["read:orders"], ["read:orders", "read:users"], []])
def test_permissions_are_what_the_provider_writes(permissions: list[str]) -> None:
    clock = TurnedClock()
    issuer = LocalIssuer(dialect="auth0", clock=clock)
    api = Protect(issuer=issuer.url, audience=AUDIENCE, transport=issuer.transport, clock=clock)
    app = FastAPI()

    @app.get("/orders", dependencies=[Depends(api.permission("read:orders", "read:users"))])
    async def orders() -> str:
        return "orders"

    answer = TestClient(app).get("/orders", headers=bearer(issuer.token_for(permissions=permissions)))
    if len(permissions) == 2:
        assert answer.status_code == 200
        return
    assert answer.status_code == 403
    assert answer.json()["error_description"] == f"{LACKING}: read:orders and read:users."


@pytest.mark.spec("X-failclosed")
def test_rules_that_ask_for_nothing_or_contradict_are_refused_when_they_are_written() -> None:
    api = World().api
    with pytest.raises(ConfigurationError):
        api.roles()
    with pytest.raises(ConfigurationError):
        api.step_up()
    with pytest.raises(ConfigurationError):
        api.require(permissions=[])
    with pytest.raises(ConfigurationError):
        _ = api.user & api.client
    with pytest.raises(ConfigurationError):
        _ = api.user & World().api.user


def test_a_handler_can_ask_about_single_objects() -> None:
    world = World(scope_hierarchy=HIERARCHY)
    token = world.api.verifier.verify_sync(world.issuer.token_for(scope="orders:write a"))
    assert world.api.allows(token, "orders:read", "a")
    assert not world.api.allows(token, "orders:admin")
    assert world.api.allows(token)
