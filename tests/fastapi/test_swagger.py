import json
import re
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from proofkey.errors import ConfigurationError
from proofkey.fastapi import swagger
from proofkey.testing.issuer import AUDIENCE
from tests.fastapi.api import World

SCOPES = {"orders:read": "Read orders", "orders:write": "Place orders"}


@pytest.fixture
def world() -> World:
    return World(docs_client_id="docs", scopes=SCOPES)


def references(html: str) -> list[str]:
    return re.findall(r"""(?:src|href|url:|Url: window\.location\.origin \+)\s*=?\s*["']([^"']+)["']""", html)


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_a_page_refers_to_no_other_host_and_everything_it_names_is_there(world: World, page: str) -> None:
    with TestClient(world.app) as client:
        html = client.get(page).text
        found = references(html)
        assert len(found) >= 2
        assert not re.search(r"https?://", html.replace(AUDIENCE, "").replace("http://www.w3.org", ""))
        for reference in found:
            assert not urlsplit(reference).netloc
            assert client.get(reference).status_code == 200, reference


def test_the_page_signs_in_with_pkce_for_this_api(world: World) -> None:
    with TestClient(world.app) as client:
        html = client.get("/docs").text
    found = re.search(r"initOAuth\((.*?)\)\s", html)
    assert found is not None
    assert json.loads(found[1]) == {
        "clientId": "docs",
        "usePkceWithAuthorizationCodeGrant": True,
        "scopes": "orders:read orders:write",
        "additionalQueryStringParams": {"resource": AUDIENCE},
    }


def test_the_return_page_answers_by_a_channel_and_needs_no_opener(world: World) -> None:
    world.api.install(world.app)
    client = TestClient(world.app)

    answer = client.get("/docs/oauth2-redirect")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "BroadcastChannel" in answer.text
    assert "opener" not in answer.text
    assert "BroadcastChannel" in client.get("/docs").text


def test_below_a_prefix_every_reference_has_it(world: World) -> None:
    world.api.install(world.app)
    outer = FastAPI()
    outer.mount("/v1", world.app)
    client = TestClient(outer)
    html = client.get("/v1/docs").text
    for reference in references(html):
        assert reference.startswith("/v1/")
        assert client.get(reference).status_code == 200


def test_a_provider_that_wants_another_parameter_gets_it(world: World) -> None:
    app = FastAPI(docs_url="/try")
    world.api.swagger(app, client_id="d", authorization_parameters={"audience": AUDIENCE})
    html = TestClient(app).get("/try").text
    assert '"additionalQueryStringParams": {"audience": "https://api.test"}' in html
    assert TestClient(app).get("/try/oauth2-redirect").status_code == 200


def test_installing_twice_changes_nothing(world: World) -> None:
    before = len(world.app.router.routes)
    world.api.install(world.app)
    world.api.publish(world.app)
    added = len(world.app.router.routes)
    with TestClient(world.app):
        assert len(world.app.router.routes) == added > before


def test_without_a_client_the_pages_stay_as_they_are() -> None:
    world = World()
    with TestClient(world.app) as client:
        assert "initOAuth" not in client.get("/docs").text


def test_a_missing_package_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swagger, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"proofkey\[fastapi\]"):
        world.api.install(world.app)
