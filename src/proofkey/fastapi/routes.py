"""What an application serves, and which of it no `Protect` stands before."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeVar

from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Host, Match, Mount, Router
from starlette.types import Scope

from proofkey.errors import ConfigurationError
from proofkey.fastapi.guards import ApiDependency
from proofkey.findings import Finding
from proofkey.resource_server.authorization import check_scope_name
from proofkey.web.api_guard import ApiGuard, GuardFactory

EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])
_MARK: Final = "__proofkey_public__"
_MAKERS: Final = frozenset({"permission", "require", "role", "roles", "step_up", "users"})
_NAMES_DOCUMENTATION: Final = ("openapi_url", "docs_url", "redoc_url", "swagger_ui_oauth2_redirect_url")
Kind = Literal["http", "websocket", "mount", "documentation"]


def public(endpoint: EndpointT) -> EndpointT:
    """Marks an operation as one that takes strangers: a guard lets them through, a listing calls it declared."""
    setattr(endpoint, _MARK, True)
    return endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRoute:
    """Something that an application serves without asking for a token."""

    path: str
    methods: tuple[str, ...] = ()
    """Sorted; none for a websocket, and where every method is taken."""
    name: str = ""
    kind: Kind = "http"
    """`mount`: what cannot be looked into. `documentation`: FastAPI's own pages and its OpenAPI document."""
    declared: bool = False
    """Somebody has said that it is public: by `@public`, or by a path of a guard."""

    def __str__(self) -> str:
        what = "WEBSOCKET" if self.kind == "websocket" else " ".join(self.methods) or "*"
        return f"{what} {self.path}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a walk over the routes is."""

    prefix: str = ""
    guards: tuple[tuple[Scope, ...], ...] = ()
    """For each guard around, a request to each of its public paths, as far as it comes to this place."""
    overrides: Mapping[Any, Any] = field(default_factory=dict[Any, Any])
    documentation: frozenset[str] = frozenset()


def list_open_routes(app: object) -> list[OpenRoute]:
    """Every route of the application that no `Protect` refuses strangers at, in the order of the routes.

    Mounted applications and websockets are looked into, and what a router or the application adds to each of its
    routes is counted in. `optional` protects nothing, and neither does a dependency that is overridden. What
    cannot be looked into (static files, a foreign ASGI application) is one entry of the kind `mount`.
    """
    return list(_walk(app, _Place()))


def find_operation(scope: Scope, served: object = None) -> RouteContext | None:
    """The operation that will run for this request, by the routes of `served`, else of the application in `scope`.

    A guard names what stands behind it: in the middle of a mount, the paths of `scope` are no longer those of the
    application in `scope`.
    """
    try:
        return _find(scope.get("app") if served is None else served, {**scope, "fastapi": {}})
    except Exception:  # noqa: BLE001 - a route's own way to match may raise anything; then nothing is known of it
        return None


def is_marked(operation: RouteContext | None) -> bool:
    """Whether the operation itself is marked by `public`; a class has no mark of the class that it extends."""
    endpoint: object = None if operation is None else operation.endpoint
    marks: dict[str, Any] = getattr(getattr(endpoint, "__func__", endpoint), "__dict__", {})
    return marks.get(_MARK) is True


def check_operations(app: Starlette, api: object) -> None:
    """What would protect nothing, and what no token could satisfy.

    Raises: ConfigurationError for a method of `api` that makes a rule and was not called, as `Depends(api.role)`,
    and for a scope that is none, or several in one text.
    """
    for operation in iter_route_contexts(app.routes):
        for step in _steps_of(operation):
            maker: str = getattr(step.call, "__name__", "")
            if getattr(step.call, "__self__", None) is api and maker in _MAKERS:
                reason = f"api.{maker} makes a rule and is none: call it"
                raise ConfigurationError(Finding.CONFIG_VALUE, key=operation.path or "", reason=reason)
        for scope in scopes_of(operation, api):
            check_scope_name(scope, f"scopes of {operation.path}")


def scopes_of(operation: RouteContext | None, api: object) -> tuple[str, ...]:
    """Every scope that `api` asks of that operation, of all its dependencies together."""
    found: dict[str, None] = {}
    for dependency, asked in _dependencies_of(operation):
        if dependency.api is api:
            found.update(dict.fromkeys((*asked, *dependency.own_scopes)))
    return tuple(found)


def scopes_in(app: Starlette, api: object) -> tuple[str, ...]:
    """Every scope that `api` asks for anywhere in the application; mounted ones are not looked into."""
    operations = iter_route_contexts(app.routes)
    return tuple(dict.fromkeys(scope for operation in operations for scope in scopes_of(operation, api)))


def asks_for_token(operation: RouteContext, api: object) -> bool:
    """Whether one of its dependencies is of `api` and refuses strangers."""
    return any(found.api is api and found.protects for found, _ in _dependencies_of(operation))


def is_guarded(app: Starlette, guard: GuardFactory) -> bool:
    """Whether the application has that guard around it."""
    made: list[object] = [middleware.cls for middleware in app.user_middleware]
    return any(each is guard for each in made)


def _find(app: object, scope: Scope) -> RouteContext | None:
    served = _unwrapped(app)
    while isinstance(served, ApiGuard):
        served = _unwrapped(served.app)
    if not isinstance(served, Starlette | Router):
        return None
    root_path: str = getattr(served, "root_path", "")
    if root_path:  # as the application itself does when the request comes to it
        scope = {**scope, "root_path": root_path}
    for context in iter_route_contexts(served.routes):
        match, child = context.matches(scope)
        if match is Match.FULL:
            route = context.original_route
            if isinstance(route, Host):
                return None
            return _find(route.app, {**scope, **child}) if isinstance(route, Mount) else context
    return None


def _dependencies_of(operation: RouteContext | None) -> Iterator[tuple[ApiDependency, tuple[str, ...]]]:
    """Each with the scopes that it is asked with."""
    for step in _steps_of(operation):
        if isinstance(step.call, ApiDependency):
            yield step.call, (*(step.parent_oauth_scopes or ()), *(step.own_oauth_scopes or ()))


def _steps_of(operation: RouteContext | None) -> Iterator[Dependant]:
    dependant: Dependant | None = getattr(operation, "dependant", None) if operation is not None else None
    left = [dependant] if dependant is not None else []
    while left:
        step = left.pop(0)
        left[:0] = step.dependencies
        yield step


def _walk(app: object, place: _Place) -> Iterator[OpenRoute]:
    while isinstance(app, ApiGuard):
        place, app = _behind(place, app.public), app.app
    served = _unwrapped(app)
    if isinstance(served, Starlette):
        for middleware in served.user_middleware:
            if isinstance(middleware.cls, GuardFactory):
                named: Any = middleware.kwargs.get("public", ())
                place = _behind(place, middleware.cls.paths(named))
        own: Mapping[Any, Any] = getattr(served, "dependency_overrides", {})
        pages = frozenset(str(getattr(served, name, None)) for name in _NAMES_DOCUMENTATION)
        place = replace(place, overrides=own, documentation=pages)
        yield from _walk_routes(iter_route_contexts(served.routes), place)
        yield from _walk_frontend(served.router, place)
    elif isinstance(served, Router):
        yield from _walk_routes(iter_route_contexts(served.routes), replace(place, documentation=frozenset()))
        yield from _walk_frontend(served, place)
    else:
        yield from _entry(place, "/{path}", kind="mount", declared=bool(place.guards))


def _walk_routes(contexts: Iterable[RouteContext], place: _Place) -> Iterator[OpenRoute]:
    for context in contexts:
        inner = _reached(place, context)
        route = context.original_route
        if isinstance(route, Mount | Host):
            path = context.path if isinstance(route, Mount) else f"//{route.host}"
            app: object = route.app
            yield from _walk(app, replace(inner, prefix=place.prefix + (path or "")))
            continue
        declared = is_marked(context)
        if _is_protected(context, place) or (not declared and not all(inner.guards)):
            continue
        websocket = context.methods is None and _is_websocket(route)
        yield from _entry(
            place,
            context.path_format or context.path or "",
            methods=tuple(sorted(context.methods or ())),
            name=context.name or "",
            kind="websocket" if websocket else "http",
            declared=declared or bool(place.guards),
        )


def _entry(
    place: _Place, path: str, *, kind: Kind, declared: bool, methods: tuple[str, ...] = (), name: str = ""
) -> Iterator[OpenRoute]:
    if kind == "mount" and not all(place.guards):
        return
    shown = "documentation" if kind == "http" and path in place.documentation else kind
    yield OpenRoute(path=place.prefix + path, methods=methods, name=name, kind=shown, declared=declared)


def _is_protected(context: RouteContext, place: _Place) -> bool:
    if getattr(context.endpoint, "protects_itself", False) is True:  # an ASGI application with a guard inside
        return True
    return any(found.protects and found not in place.overrides for found, _ in _dependencies_of(context))


def _behind(place: _Place, public_paths: frozenset[str]) -> _Place:
    """Behind one more guard."""
    requests: tuple[Scope, ...] = tuple(
        {"type": kind, "method": "GET", "path": path, "root_path": "", "headers": [], "path_params": {}}
        for path in sorted(public_paths)
        for kind in ("http", "websocket")
    )
    return replace(place, guards=(*place.guards, requests))


def _reached(place: _Place, context: RouteContext) -> _Place:
    """The requests to public paths that come to that route; of a `Host` nobody knows."""
    if isinstance(context.original_route, Host):
        return place
    guards: list[tuple[Scope, ...]] = []
    for requests in place.guards:
        matched = ((request, *context.matches({**request, "fastapi": {}})) for request in requests)
        guards.append(tuple({**scope, **child} for scope, match, child in matched if match is not Match.NONE))
    return replace(place, guards=tuple(guards))


def _walk_frontend(router: object, place: _Place) -> Iterator[OpenRoute]:
    """The built frontends that FastAPI serves where no route matches, of the application and of its routers."""
    groups: Iterable[Any] = getattr(router, "_iter_low_priority_routes", lambda: ())()
    for group in groups:
        context = group if isinstance(group, RouteContext) else RouteContext(*_original_and_context(group))
        inner = _reached(place, context)
        if _is_protected(context, place):
            continue
        prefix = getattr(group, "frontend_prefix", "")
        for route in getattr(context.original_route, "routes", ()):
            path = f"{place.prefix}{prefix}{route.path}".rstrip("/") + "/{path}"
            if all(inner.guards):
                yield OpenRoute(path=path, methods=("GET", "HEAD"), kind="mount", declared=bool(place.guards))


def _original_and_context(group: Any) -> tuple[BaseRoute, Any]:  # noqa: ANN401 - FastAPI's own, unnamed types
    original = getattr(group, "original_route", None)
    return (group, None) if original is None else (original, group)


def _is_websocket(route: BaseRoute) -> bool:
    return "WebSocket" in type(route).__name__


def _unwrapped(app: object) -> object:
    """What is inside of middleware that was put around an application by hand."""
    for _ in range(20):
        inner: object = None if isinstance(app, Starlette | Router | ApiGuard) else getattr(app, "app", None)
        if inner is None:
            break
        app = inner
    return app
