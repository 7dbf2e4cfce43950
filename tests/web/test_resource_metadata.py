"""RFC 9728 over HTTP, in every place where a client looks."""

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from proofkey.errors import ConfigurationError
from proofkey.protocol.metadata import ProtectedResource, resource_metadata_url
from proofkey.protocol.text import Issuer
from proofkey.web.resource_metadata import resource_metadata_routes

BARE = "/.well-known/oauth-protected-resource"


def a_resource(resource: str = "https://api.test", **values: Any) -> ProtectedResource:
    return ProtectedResource(resource=resource, authorization_servers=(Issuer("https://op.test"),), **values)


def client_of(resource: ProtectedResource, public_url: str | None = None) -> TestClient:
    app = FastAPI(routes=[*resource_metadata_routes(resource, public_url=public_url)])

    @app.get("/{path:path}")
    async def catch_all(path: str) -> str:
        return path

    return TestClient(app, base_url="https://api.test", follow_redirects=False)


@pytest.mark.spec("9728-3.1-a")
@pytest.mark.parametrize(
    ("identifier", "paths"),
    [
        ("https://api.test", [BARE, f"{BARE}/"]),
        ("https://api.test/", [BARE, f"{BARE}/"]),
        ("https://api.test/mcp", [BARE, f"{BARE}/mcp", f"{BARE}/mcp/"]),
        ("https://api.test/a/b/", [BARE, f"{BARE}/a/b", f"{BARE}/a/b/"]),
    ],
)
def test_every_form_answers_with_the_same_identifier(identifier: str, paths: list[str]) -> None:
    client = client_of(a_resource(identifier))
    for path in [*paths, resource_metadata_url(identifier)]:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {
            "resource": identifier,
            "authorization_servers": ["https://op.test"],
            "bearer_methods_supported": ["header"],
        }


def test_other_paths_are_left_to_the_application() -> None:
    assert client_of(a_resource("https://api.test/mcp")).get(f"{BARE}/other").json() == f"{BARE[1:]}/other"


@pytest.mark.spec("9728-3.1-a")
def test_a_public_url_with_another_path_answers_too() -> None:
    client = client_of(a_resource("https://api.acme.io"), public_url="https://api.test/orders")
    answer = client.get(resource_metadata_url("https://api.test/orders"))
    assert answer.json()["resource"] == "https://api.acme.io"


@pytest.mark.spec("9728-3.1-a")
def test_an_api_that_is_mounted_is_described_at_the_root_of_the_host() -> None:
    mounted = FastAPI()
    outer = FastAPI(routes=[*resource_metadata_routes(a_resource("https://api.test/v1"))])
    outer.mount("/v1", mounted)
    client = TestClient(outer, base_url="https://api.test")
    assert client.get(resource_metadata_url("https://api.test/v1")).json()["resource"] == "https://api.test/v1"
    assert client.get(BARE).json()["resource"] == "https://api.test/v1"


def test_head_has_the_headers_alone() -> None:
    answer = client_of(a_resource()).head(BARE)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 50


def test_browsers_of_any_origin_may_read_it_and_keep_it() -> None:
    answer = client_of(a_resource()).get(BARE, headers={"origin": "https://inspector.test"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.spec("MCP25")
def test_a_browser_may_send_the_header_of_mcp() -> None:
    asked = {
        "origin": "https://inspector.test",
        "access-control-request-method": "GET",
        "access-control-request-headers": "mcp-protocol-version",
    }
    answer = client_of(a_resource()).options(BARE, headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert "mcp-protocol-version" in answer.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_told_which_ones_there_are(method: str) -> None:
    app = FastAPI(routes=[*resource_metadata_routes(a_resource())])
    answer = TestClient(app).request(method, BARE)
    assert answer.status_code == 405
    assert sorted(answer.headers["allow"].split(", ")) == ["GET", "HEAD", "OPTIONS"]


def test_it_is_no_operation_of_the_api() -> None:
    app = FastAPI(routes=[*resource_metadata_routes(a_resource())])
    assert app.openapi()["paths"] == {}


def test_a_resource_that_rfc_9728_does_not_know_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="api://orders"):
        resource_metadata_routes(a_resource("api://orders"))
