"""Brings a new DPoP nonce to a client whose own gets old, with an answer that succeeds (RFC 9449 §8.2)."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NONCES: Final = "proofkey.dpop_nonces"
"""The place in a request's scope for a list, into which the check of a proof puts what the answer shall bring."""


class NonceHeader:
    """Pure ASGI middleware; costs a request nothing but a list where there is nothing to bring."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or NONCES in scope:
            await self.app(scope, receive, send)
            return
        nonces: list[str] = []
        scope[NONCES] = nonces

        async def send_with_nonce(message: Message) -> None:
            if nonces and message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "dpop-nonce" not in headers:  # a refusal brings its own
                    headers["DPoP-Nonce"] = nonces[-1]
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_nonce)
