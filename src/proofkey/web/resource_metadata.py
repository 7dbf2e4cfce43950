"""Where an API describes itself: RFC 9728, in the inserted form and the bare one, as Starlette routes."""

import json
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from proofkey.protocol.metadata import (
    ProtectedResource,
    check_protected_resource,
    protected_resource_document,
    protected_resource_paths,
)
from proofkey.protocol.uri import split_uri
from proofkey.web.cors import ANY_ORIGIN, build_preflight_answer

MAX_AGE: Final = 3600
"""Seconds for which a client may keep the document."""
_METHODS: Final = ("GET", "HEAD", "OPTIONS")


def resource_metadata_routes(resource: ProtectedResource, *, public_url: str | None = None) -> list[Route]:
    """Routes for the document of `resource`: put them in front of an application's own.

    They answer at the well-known path with the identifier's path inserted (`…/oauth-protected-resource/orders`
    for `https://host/orders`) and at the bare one, each with or without a slash at the end. `public_url` is the
    address by which callers know the API, where that has another path than the identifier. The paths start at the
    root of the host: for an API that is mounted in another application, the routes go to the outermost one.
    The challenge names `protocol.metadata.resource_metadata_url(public_url or identifier)`.
    Raises: ConfigurationError when the document would not be one of RFC 9728.
    """
    check_protected_resource(resource)
    body = json.dumps(protected_resource_document(resource), separators=(",", ":")).encode()
    headers = {
        **ANY_ORIGIN,
        "Cache-Control": f"public, max-age={MAX_AGE}",
        "X-Content-Type-Options": "nosniff",
    }

    async def answer(request: Request) -> Response:
        if request.method == "OPTIONS":
            return build_preflight_answer(_METHODS)
        return Response(body, media_type="application/json", headers=headers)

    return [
        Route(path, answer, methods=list(_METHODS), include_in_schema=False)
        for path in _paths(resource, public_url)
    ]


def _paths(resource: ProtectedResource, public_url: str | None) -> list[str]:
    addresses = (resource.resource, *((public_url,) if public_url is not None else ()))
    bare = [path for address in addresses for path in protected_resource_paths(split_uri(address).path)]
    return list(dict.fromkeys(path + slash for path in bare for slash in ("", "/")))
