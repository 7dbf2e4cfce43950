"""How the API describes itself: one OAuth 2.0 scheme, its endpoints from discovery, every scope that is used."""

from collections.abc import Mapping
from typing import Any, Protocol, cast

from fastapi import FastAPI
from fastapi.openapi.models import OAuth2, OAuthFlowAuthorizationCode, OAuthFlows

from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import Issuer


class Described(Protocol):
    """What `complete_openapi` needs of a `Protect`."""

    scheme_name: str

    @property
    def metadata(self) -> ServerMetadata | None: ...


def build_scheme(issuer: Issuer, metadata: ServerMetadata | None, scopes: Mapping[str, str]) -> OAuth2:
    """OpenAPI 3.1 §4.8.27: the authorization code flow. Before the metadata are known, Proofkey's own paths."""
    base = issuer.rstrip("/")
    authorization_url = (metadata and metadata.authorization_endpoint) or f"{base}/authorize"
    token_url = (metadata and metadata.token_endpoint) or f"{base}/token"
    flow = OAuthFlowAuthorizationCode(authorizationUrl=authorization_url, tokenUrl=token_url, scopes=dict(scopes))
    return OAuth2(flows=OAuthFlows(authorizationCode=flow))


def complete_openapi(app: FastAPI, api: Described) -> None:
    """From now on the document lists every scope that an operation needs, and follows the issuer's metadata."""
    generate = app.openapi
    seen: list[ServerMetadata | None] = []

    def openapi() -> dict[str, Any]:
        if seen != [api.metadata]:
            app.openapi_schema = None  # made before the endpoints were known
            seen[:] = [api.metadata]
        document = generate()
        _declare_scopes(document, api.scheme_name)
        return document

    app.openapi = openapi  # type: ignore[method-assign] # the documented way to extend the document


def _declare_scopes(document: dict[str, Any], scheme_name: str) -> None:
    scheme = document.get("components", {}).get("securitySchemes", {}).get(scheme_name)
    if scheme is None:
        return
    declared: dict[str, str] = scheme["flows"]["authorizationCode"]["scopes"]
    paths: dict[str, dict[str, object]] = document.get("paths", {})
    for operation in (operation for path in paths.values() for operation in path.values()):
        if isinstance(operation, dict):
            for needed in cast("dict[str, list[dict[str, list[str]]]]", operation).get("security", []):
                declared.update((scope, "") for scope in needed.get(scheme_name, []) if scope not in declared)
