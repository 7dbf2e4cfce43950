"""For a test that says what an application serves to strangers: `assert_open_routes(app, ["GET /health"])`."""

from collections.abc import Iterable
from typing import Final

from proofkey.fastapi.routes import OpenRoute, list_open_routes

_WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"


def assert_open_routes(app: object, expected: Iterable[str], *, documentation: bool = False) -> None:
    """Passes when the application serves exactly these without asking for a token: method and path each, as
    `OpenRoute` prints them.

    FastAPI's own pages count with `documentation` only; the API's metadata (RFC 9728), which are for strangers,
    never.
    Raises: AssertionError, which names what is open and should not be, and what should be and is not.
    """
    found = {str(route) for route in list_open_routes(app) if _counts(route, documentation=documentation)}
    wanted = set(expected)
    too_open, missing = sorted(found - wanted), sorted(wanted - found)
    if too_open or missing:
        raise AssertionError(
            "\n".join(
                [*(f"open to strangers: {line}" for line in too_open), *(f"not open: {line}" for line in missing)]
            )
        )


def _counts(route: OpenRoute, *, documentation: bool) -> bool:
    if route.declared and route.path.startswith(_WELL_KNOWN):
        return False
    return documentation or route.kind != "documentation"
