"""How the API describes itself: one OAuth 2.0 scheme, its endpoints from discovery, every scope that is used."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from fastapi import FastAPI
from fastapi.openapi.models import OAuth2, OAuthFlowAuthorizationCode, OAuthFlows
from fastapi.routing import RouteContext, iter_route_contexts

from proofkey.fastapi.routes import asks_for_token, is_guarded, list_open_routes, scopes_of
from proofkey.protocol.metadata import OPENID, ServerMetadata
from proofkey.protocol.text import Issuer
from proofkey.resource_server.sender_constraint import DpopMode, SenderPolicy
from proofkey.web.api_guard import GuardFactory

_SENDERS: Final[Mapping[DpopMode, str]] = {
    "off": "Access tokens of {issuer}, sent as bearer tokens.",
    "optional": "Access tokens of {issuer}, sent as bearer tokens or bound to a key (DPoP, RFC 9449).",
    "required": "Access tokens of {issuer}, bound to a key (DPoP, RFC 9449).",
}
_PROOF: Final = {
    "type": "http",
    "scheme": "DPoP",
    "description": "`Authorization: DPoP <token>`, and in the header `DPoP` a proof for each request (RFC 9449).",
}


class Described(Protocol):
    """What `complete_openapi` needs of a `Protect`."""

    scheme_name: str
    sender: SenderPolicy
    middleware: GuardFactory

    @property
    def metadata(self) -> ServerMetadata | None: ...

    @property
    def model(self) -> OAuth2: ...


def build_scheme(
    issuer: Issuer, metadata: ServerMetadata | None, scopes: Mapping[str, str], dpop: DpopMode = "off"
) -> OAuth2:
    """OpenAPI 3.1 §4.8.27: the authorization code flow. Before the metadata are known, Proofkey's own paths.

    The address of the metadata stands beside it, as `x-openid-connect-url`.
    """
    base = issuer.rstrip("/")
    authorization_url = (metadata and metadata.authorization_endpoint) or f"{base}/authorize"
    token_url = (metadata and metadata.token_endpoint) or f"{base}/token"
    flow = OAuthFlowAuthorizationCode(authorizationUrl=authorization_url, tokenUrl=token_url, scopes=dict(scopes))
    return OAuth2.model_validate(
        {
            "flows": OAuthFlows(authorizationCode=flow),
            "description": _SENDERS[dpop].format(issuer=issuer),
            "x-openid-connect-url": base + OPENID,
        }
    )


def complete_openapi(app: FastAPI, api: Described) -> None:
    """From now on the document says what each operation asks for, and follows the issuer's metadata."""
    generate = app.openapi
    seen: list[ServerMetadata | None] = []
    complete: list[dict[str, Any]] = []

    def openapi() -> dict[str, Any]:
        if seen != [api.metadata]:
            app.openapi_schema = None  # made before the endpoints were known
            seen[:] = [api.metadata]
        document = generate()
        if not (complete and complete[0] is document):
            _complete(document, app, api)
            complete[:] = [document]
        return document

    app.openapi = openapi  # type: ignore[method-assign] # the documented way to extend the document


def _complete(document: dict[str, Any], app: FastAPI, api: Described) -> None:
    name = api.scheme_name
    guarded = is_guarded(app, api.middleware)
    strangers = {(route.path, method) for route in list_open_routes(app) for method in route.methods}
    used: dict[str, str] = {}
    for route, key, operation in _operations(document, app):
        security: list[dict[str, list[str]]] = operation.get("security", [])
        own = next((needed for needed in security if name in needed), None)
        if own is None:
            if not guarded or security or key in strangers:
                continue
            own = {name: list[str]()}
            operation["security"] = security = [own]
        own[name] = list(dict.fromkeys((*own[name], *scopes_of(route, api))))
        used.update(dict.fromkeys(own[name], ""))
        _add_proofs(security, own, api)
        if not guarded and not asks_for_token(route, api):
            security.append({})  # OpenAPI 3.1 §4.8.30: the token may be left out
    if used or guarded:
        _declare(document, api, used)


def _operations(
    document: dict[str, Any], app: FastAPI
) -> Iterator[tuple[RouteContext, tuple[str, str], dict[str, Any]]]:
    """Each operation with its route, and its path and method."""
    paths: dict[str, dict[str, Any]] = document.get("paths", {})
    for route in iter_route_contexts(app.routes):
        path = route.path_format or ""
        for method in route.methods or ():
            operation = paths.get(path, {}).get(method.lower())
            if operation is not None and route.include_in_schema:
                yield route, (path, method), operation


def _add_proofs(security: list[dict[str, list[str]]], own: dict[str, list[str]], api: Described) -> None:
    proof = f"{api.scheme_name}-dpop"
    if any(proof in needed for needed in security):
        return
    if api.sender.dpop == "required":
        own[proof] = []
    elif api.sender.dpop == "optional":
        security.append({proof: []})


def _declare(document: dict[str, Any], api: Described, used: Mapping[str, str]) -> None:
    """The schemes themselves, and every scope that an operation uses."""
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    if api.scheme_name not in schemes:  # a guard alone
        schemes[api.scheme_name] = api.model.model_dump(by_alias=True, exclude_none=True, mode="json")
    scheme = schemes[api.scheme_name]
    declared: dict[str, str] = scheme["flows"]["authorizationCode"]["scopes"]
    declared.update((scope, text) for scope, text in used.items() if scope not in declared)
    if api.sender.offers_dpop:
        schemes[f"{api.scheme_name}-dpop"] = _PROOF
