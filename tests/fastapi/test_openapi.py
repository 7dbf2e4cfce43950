import json
from typing import Annotated, Any

from fastapi import FastAPI, Security
from starlette.testclient import TestClient

from proofkey.fastapi import AccessToken, Protect
from proofkey.protocol.exchange import Answer
from tests.fastapi.api import World, build_app

SCOPES = {"orders:read": "Read orders", "orders:write": "Place orders"}


def document(client: TestClient) -> Any:
    return client.get("/openapi.json").json()


def test_the_document_has_one_scheme_with_the_issuers_endpoints_and_every_scope() -> None:
    world = World(scopes=SCOPES)
    with TestClient(world.app) as client:
        schemes = document(client)["components"]["securitySchemes"]
    assert schemes == {
        "oauth2": {
            "type": "oauth2",
            "description": "Access tokens of https://issuer.test, sent as bearer tokens.",
            "x-openid-connect-url": "https://issuer.test/.well-known/openid-configuration",
            "flows": {
                "authorizationCode": {
                    "authorizationUrl": "https://issuer.test/authorize",
                    "tokenUrl": "https://issuer.test/token",
                    "scopes": {**SCOPES, "admin": "", "users:read": ""},
                }
            },
        }
    }


def test_each_operation_lists_exactly_its_scopes() -> None:
    world = World()
    with TestClient(world.app) as client:
        paths = document(client)["paths"]
    listed = {
        f"{method} {path}": operation.get("security")
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    assert listed == {
        "get /open": None,
        "get /whoami": [{"oauth2": []}],
        "get /orders": [{"oauth2": ["orders:read"]}],
        "post /orders": [{"oauth2": ["orders:read", "orders:write"]}],
        "get /report": [{"oauth2": []}],
        "get /both": [{"oauth2": ["orders:read"]}],
        "get /mine": [{"oauth2": []}],
        "get /greeting": [{"oauth2": []}, {}],
        "get /admin/users": [{"oauth2": ["admin", "users:read"]}],
    }


def test_no_operation_takes_the_token_as_a_parameter() -> None:
    with TestClient(World().app) as client:
        parameters = document(client)["paths"]["/orders"]["get"].get("parameters", [])
    assert parameters == []


def test_the_endpoints_come_from_discovery_as_soon_as_the_issuer_answers() -> None:
    world = World()
    base = "https://issuer.test/oauth2/v1"
    world.wire.down = True

    def urls(client: TestClient) -> tuple[str, str]:
        flow = document(client)["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"]
        return flow["authorizationUrl"], flow["tokenUrl"]

    found = world.issuer.metadata | {"authorization_endpoint": f"{base}/a", "token_endpoint": f"{base}/t"}
    world.wire.answers["/openid-configuration"] = Answer(200, {}, json.dumps(found).encode())
    with TestClient(world.app) as client:
        assert urls(client) == ("https://issuer.test/authorize", "https://issuer.test/token")
        world.wire.down = False
        world.clock.turn(2)
        client.get("/orders", headers={"authorization": f"Bearer {world.issuer.token_for()}"})
        assert urls(client) == (f"{base}/a", f"{base}/t")


def test_two_schemes_stand_side_by_side_under_their_names() -> None:
    world, other = World(), World(scheme_name="partners")
    app = build_app(world.api)
    app.include_router(_partners(other.api).router)
    with TestClient(app) as client:
        schemes = document(client)["components"]["securitySchemes"]
    assert set(schemes) == {"oauth2", "partners"}


def _partners(api: Protect) -> FastAPI:
    app = FastAPI()

    @app.get("/partners")
    async def partners(token: Annotated[AccessToken, Security(api, scopes=["p"])]) -> str:
        return token.sub

    return app
