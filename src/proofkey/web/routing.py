"""The server's addresses inside an application, as one route."""

from typing import Final

from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from proofkey.protocol.metadata import well_known_paths
from proofkey.web.dispatch import Dispatcher
from proofkey.web.endpoints import BELOW, PATHS, REGISTER
from proofkey.web.headers import SecurityHeaders

_WELL_KNOWN: Final = "/.well-known/"


class ServerRoute(BaseRoute):
    """What lies below `prefix`, and the well-known paths at the root (RFC 8414 §3, OpenID Discovery §4).

    Being one route, it leaves none of its addresses to the host's own 404, 405 and slash redirects. `everything`
    takes all other addresses as well, for a server that stands alone.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        prefix: str,
        issuer_path: str,
        https: bool,
        everything: bool,
        registers: bool = False,
    ) -> None:
        """`registers`: the registration endpoint is on."""
        self._dispatcher = dispatcher
        self._app = SecurityHeaders(self._dispatch, https=https)
        self._prefix = prefix
        self._everything = everything
        self._paths = PATHS | {REGISTER} if registers else PATHS
        self._below = (*BELOW, f"{REGISTER}/") if registers else BELOW
        at_root = [path for path in well_known_paths(issuer_path) if path.startswith(_WELL_KNOWN)]
        self._documents = frozenset([*at_root, *(prefix + path for path in well_known_paths(""))])

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        mine = scope["type"] == "http" and self._is_mine(path_of(scope))
        return (Match.FULL if mine else Match.NONE), {}

    def _is_mine(self, path: str) -> bool:
        if self._everything or path.rstrip("/") in self._documents:
            return True
        if self._prefix:
            return path.startswith(f"{self._prefix}/")
        return path.rstrip("/") in self._paths or path.startswith(self._below)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = path_of(scope)
        if path in self._documents:
            await self._dispatcher.dispatch(None, scope, receive, send)
            return
        below = path[len(self._prefix) :] if path.startswith(f"{self._prefix}/") else "/"
        await self._dispatcher.dispatch(below, scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: object) -> URLPath:
        raise NoMatchFound(name, path_params)


def path_of(scope: Scope) -> str:
    """The path below the application's own root path."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path
