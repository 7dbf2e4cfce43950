"""What `Protect` adds to an application beside checks: its metadata, and new nonces in answers."""

from starlette.applications import Starlette

from proofkey.fastapi.routes import public
from proofkey.protocol.metadata import ProtectedResource
from proofkey.web.nonce_header import NonceHeader
from proofkey.web.resource_metadata import resource_metadata_routes


def publish_resource(app: Starlette, resource: ProtectedResource, public_url: str | None) -> None:
    """Serves the metadata (RFC 9728 §3), before every other route. Raises: ConfigurationError."""
    routes = resource_metadata_routes(resource, public_url=public_url)
    for route in routes:
        public(route.endpoint)
    app.router.routes[:0] = routes


def metadata_paths(resource: ProtectedResource, public_url: str | None) -> frozenset[str]:
    """Where they stand. Raises: ConfigurationError."""
    return frozenset(route.path for route in resource_metadata_routes(resource, public_url=public_url))


def bring_nonces(app: Starlette) -> None:
    """From now on the application's answers bring what clients need next (RFC 9449 §8.2)."""
    if app.middleware_stack is None:
        app.add_middleware(NonceHeader)
    else:  # the application has started: its lifespan runs inside of its middleware
        app.middleware_stack = NonceHeader(app.middleware_stack)
