"""Security headers on every answer, as pure ASGI middleware, and the policy of a page."""

import re
from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?(?::[0-9]{1,5})?")

NO_CONTENT_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For answers that are no page."""


def build_content_policy(form_targets: Iterable[str] = ()) -> str:
    """The Content-Security-Policy of a page.

    Chromium holds the whole redirect chain after a form to `form-action`, so the origin of the flow's validated
    redirect URI stands there. What is not a plain http(s) origin is left out: `is_form_target` says so beforehand.
    """
    targets = "".join(f" {origin}" for origin in form_targets if is_form_target(origin))
    return (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        f"form-action 'self'{targets}; base-uri 'none'; frame-ancestors 'none'"
    )


def build_form_post_policy(origin: str, script: str) -> str:
    """The Content-Security-Policy of a page whose one form leaves for `origin`, sent by the script that has the
    digest `script`. An address that a policy cannot name is allowed by its scheme (CSP3 §2.3.1)."""
    target = origin if is_form_target(origin) else f"{origin.partition(':')[0]}:"
    return (
        f"default-src 'none'; style-src 'self'; img-src 'self'; script-src '{script}'; "
        f"form-action {target}; base-uri 'none'; frame-ancestors 'none'"
    )


def is_form_target(origin: str) -> bool:
    """Whether a policy can name that origin: private-use schemes and IPv6 literals it cannot (CSP3 §2.3.1)."""
    return _ORIGIN.fullmatch(origin) is not None


class SecurityHeaders:
    """Adds the headers that every answer has; what the answer sets itself stands."""

    __slots__ = ("_app", "_headers")

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        headers = {
            "Content-Security-Policy": NO_CONTENT_POLICY,
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        if https:
            headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
        self._headers = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own: list[tuple[bytes, bytes]] = message["headers"]
                names = {name for name, _ in own}
                message["headers"] = [*own, *(header for header in self._headers if header[0] not in names)]
            await send(message)

        await self._app(scope, receive, send_with_headers)
