"""CORS for the endpoints that browser-based clients call: any origin, never with credentials.

The authorization endpoint and the pages have none of it (RFC 9700 §2.6).
"""

from typing import Final

from starlette.responses import Response

ANY_ORIGIN: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "DPoP-Nonce, Retry-After, WWW-Authenticate",
}


def build_preflight_answer(methods: tuple[str, ...]) -> Response:
    """What a browser may send to an endpoint that takes `methods` (Fetch §3.3.3)."""
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": (
                "Authorization, Content-Type, DPoP, MCP-Protocol-Version, X-Requested-With"
            ),
            "Access-Control-Max-Age": "600",
        },
    )
