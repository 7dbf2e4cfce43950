"""The pages of a client's login: what went wrong and how to start again, sign out, signed out."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from starlette.responses import Response

from proofkey.errors import InvalidRequest, LoginFailed, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.web.headers import build_content_policy
from proofkey.web.pages import Pages

_AGAIN: Final = "Start again with the button below."
_WORDS: Final[Mapping[Finding, tuple[str, str]]] = {
    Finding.LOGIN_EXPIRED: ("This sign-in took too long", _AGAIN),
    Finding.LOGIN_STATE_UNKNOWN: (
        "This sign-in is over",
        "Perhaps you used the Back button or opened a link a second time. If you are not signed in, start again.",
    ),
    Finding.LOGIN_FOREIGN_BROWSER: (
        "Started in another browser",
        "A sign-in ends in the browser where it began. If you did not start one, close this page. If you block "
        "cookies, allow them for this site.",
    ),
    Finding.LOGIN_REFUSED: (
        "The provider did not sign you in",
        "You can try again, perhaps with another account.",
    ),
    Finding.LOGIN_ISSUER: (
        "This sign-in was refused",
        "The answer came from a provider that was not asked. Close this page, and start from the application.",
    ),
    Finding.LOGIN_EMBEDDED: ("This sign-in was refused", "Open the application in a window of its own."),
    Finding.CROSS_SITE: ("This request was refused", "Open the application itself and sign out there."),
    Finding.LOGOUT_STATE: ("This sign-out was refused", "Open the application to see whether you are signed in."),
}
_FORBIDDEN: Final = frozenset(
    {Finding.LOGIN_FOREIGN_BROWSER, Finding.LOGIN_REFUSED, Finding.LOGIN_EMBEDDED, Finding.CROSS_SITE}
)
_OPERATOR: Final = "If this page comes up again, tell the operator of this application the code below."


class LoginPages:
    """Renders them for one application."""

    __slots__ = ("_home", "_login_path", "_logout_path", "pages")

    def __init__(self, public_url: str, prefix: str) -> None:
        self.pages: Final = Pages(f"{public_url}{prefix}")
        self._home = f"{public_url}/"
        self._login_path = f"{prefix}/login"
        self._logout_path = f"{prefix}/logout"

    def error(self, error: ProofkeyError, next_path: str | None = None) -> Response:
        """What happened, in words, with a link that starts again; the provider's text is never shown."""
        heading, advice = _WORDS.get(error.finding, ("This sign-in cannot go on", _OPERATOR))
        headers: dict[str, str] = {}
        if isinstance(error, Unavailable):
            heading, advice = "Sign-in is not available right now", "Try again in a moment."
            headers["Retry-After"] = str(error.retry_after)
        if error.finding is Finding.METHOD_WRONG:
            headers["Allow"] = error.facts.get("allow", "GET")
        refused = error.finding is Finding.LOGIN_REFUSED
        return self._render(
            "login_error",
            {
                "heading": heading,
                "description": error.finding.sentence,
                "advice": advice,
                "again_url": self._again_url(error, next_path),
                "again_label": "Try again" if error.finding is not Finding.CROSS_SITE else "Open the application",
                "code": error.finding.id,
                "provider_code": error.facts.get("error", "") if refused else "",
            },
            status_of(error),
            headers,
        )

    def confirm_logout(self, end_session_endpoint: str | None) -> Response:
        """Asks before a sign-out that no page of ours has asked for."""
        targets = () if end_session_endpoint is None else (_origin(end_session_endpoint),)
        return self._render(
            "logout_confirm", {"action": self._logout_path, "home_url": self._home}, 200, form_targets=targets
        )

    def signed_out(self, stays_at: str | None = None) -> Response:
        """After a sign-out; `stays_at` names the provider that could not be asked to end its own session."""
        return self._render("login_signed_out", {"home_url": self._home, "stays_at": stays_at}, 200)

    def _again_url(self, error: ProofkeyError, next_path: str | None) -> str:
        if error.finding in (Finding.CROSS_SITE, Finding.LOGOUT_STATE):
            return self._home
        wanted = next_path or (error.next_path if isinstance(error, LoginFailed) else "/")
        return f"{self._login_path}?next={quote(wanted, safe='/')}"

    def _render(
        self,
        name: str,
        view: Mapping[str, Any],
        status: int,
        headers: Mapping[str, str] | None = None,
        form_targets: tuple[str, ...] = (),
    ) -> Response:
        policy = {"Content-Security-Policy": build_content_policy(form_targets)}
        return self.pages.render_template(name, view, status, {**policy, **(headers or {})})


def status_of(error: ProofkeyError) -> int:
    """400 or 403 for a refused login, 405 for another method, 503 when something cannot be had."""
    if isinstance(error, Unavailable):
        return 503
    if error.finding is Finding.METHOD_WRONG:
        return 405
    if error.finding in _FORBIDDEN:
        return 403
    return 400 if isinstance(error, LoginFailed | InvalidRequest) else 500


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
