"""The pages: Jinja2 templates, one style sheet, and no script but the one that sends a form post.

What a page may be given by name (everything is optional, text, and escaped):

- login: `client_name`, `client_host`, `username`, `person` (who is signed in and may go on), `problem` (a
  sentence), `invalid` (the fields are marked wrong; as `problem` unless given)
- consent: `client_name`, `client_host`, `person`, `scope`, `claims` and `resource` (sequences), `refresh_seconds`,
  `loopback` (else told from `client_host`), `self_registered` (nobody vouches for its name), `described_at` (the
  host at which it describes itself)
- logout: `client_name`, `person`, `action` (where the form goes; else the page's own address), `stayed` (the
  person said no)
- logged-out: `client_name`, `return_url`, `heading`, `text`
- device: `state` (enter, confirm, allowed, denied), `user_code`; to enter `action` (where the form goes),
  `problem`, `invalid`; to confirm what consent is given, `asked_from` (an address), `asked_here` (it is the
  browser's own), `asked_minutes_ago`
- error: `finding` (a Finding), `description`, `correlation_id`
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, Response

from proofkey.authorization_server.answers import Page, PageName
from proofkey.findings import Finding
from proofkey.protocol.text import Pairs
from proofkey.protocol.uri import is_loopback_host, origin_of
from proofkey.runtime.events import internal_error
from proofkey.web import wording
from proofkey.web.headers import build_content_policy, build_form_post_policy
from proofkey.web.own_templates import Views, build_environment, check_templates

_HERE: Final = Path(__file__).parent
_STATIC_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
}
_LOOPBACK: Final = re.compile(r"127(\.[0-9]{1,3}){3}")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UNSAFE_SCHEMES: Final = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "view-source"})

_DEVICE_STATES: Final = ("enter", "confirm", "allowed", "denied")
LOGGED_OUT_HEADING: Final = "You are signed out"
LOGGED_OUT_TEXT: Final = "Close the browser window if others use this computer."

SUBMIT: Final = "document.forms[0].submit()"
"""The only script of the server's pages; a policy allows it by its digest. Nothing in it needs escaping."""
SUBMIT_DIGEST: Final = "sha256-" + b64encode(sha256(SUBMIT.encode()).digest()).decode()


class Pages:
    """Renders the pages of one server; `issuer` gives their addresses and the host in the footer."""

    __slots__ = ("_environment", "_files", "_ours", "_shared")

    def __init__(self, issuer: str, folder: Path | None = None) -> None:
        """`folder` has templates that stand before ours, and their files in `static`.

        Raises: ConfigurationError when one of them cannot be used.
        """
        self._ours = build_environment()
        self._environment = build_environment(folder)
        self._files: dict[str, tuple[bytes, str]] = {}
        base = f"{urlsplit(issuer).path.rstrip('/')}/static"
        self._shared: Mapping[str, Any] = {
            "provider_host": urlsplit(issuer).netloc,
            "style_url": f"{base}/{self._take(_HERE / 'static' / 'proofkey.css')}",
            "icon_url": f"{base}/{self._take(_HERE / 'static' / 'proofkey.svg')}",
            "duration": wording.duration,
        }
        if folder is not None:
            own = sorted(file for file in folder.glob("static/*") if file.suffix in _STATIC_TYPES)
            self._shared = {**self._shared, "files": {file.name: f"{base}/{self._take(file)}" for file in own}}
            check_templates(folder, self._environment, self._ours, self._shared, sample_views())

    def _take(self, file: Path) -> str:
        """Reads a file once; its public name carries its digest, so it may be cached for ever."""
        content = file.read_bytes()
        public = f"{file.stem}.{sha256(content).hexdigest()[:16]}{file.suffix}"
        self._files[public] = (content, _STATIC_TYPES[file.suffix])
        return public

    def static(self, name: str) -> Response | None:
        """A file of the pages; None when there is none of that name."""
        found = self._files.get(name)
        if found is None:
            return None
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(found[0], media_type=found[1], headers=headers)

    def render(self, page: Page) -> Response:
        """The page as an answer, with the policy that lets its form lead on to `form_targets`."""
        view = _VIEWS[page.name](page.context, page)
        headers = {"Content-Security-Policy": build_content_policy(page.form_targets)}
        if page.retry_after is not None:
            headers["Retry-After"] = str(page.retry_after)
        return self.render_template(page.name, view, page.status, headers)

    def render_continuation(self, url: str) -> Response:
        """200 and a page that leads on to `url`, where a redirect after a form would be blocked.

        Raises: ValueError when the scheme is one that runs or shows content.
        """
        if url.partition(":")[0].lower() in _UNSAFE_SCHEMES or not _SCHEME.match(url):
            raise ValueError("not a scheme to go on to")
        view = {"url": url, "client_name": ""}
        return self.render_template("continue", view, 200, {"Content-Security-Policy": build_content_policy()})

    def render_form_post(self, url: str, fields: Pairs) -> Response:
        """A page whose form posts `fields` to `url`, a proven http(s) address: at once where scripts run, else by
        its button (OAuth Form Post §2)."""
        view = {"url": url, "fields": fields, "client_host": urlsplit(url).netloc, "script": SUBMIT}
        policy = build_form_post_policy(origin_of(url), SUBMIT_DIGEST)
        return self.render_template("form-post", view, 200, {"Content-Security-Policy": policy})

    def render_template(
        self, name: str, view: Mapping[str, Any], status: int, headers: Mapping[str, str]
    ) -> Response:
        """`templates/<name>.html` with the addresses that every page has; where an application's own one breaks,
        ours takes its place."""
        given = {**self._shared, **view, "page": name}
        try:
            html = self._environment.get_template(f"{name}.html").render(given)
        except Exception as error:  # noqa: BLE001 - whatever it is, the person needs the page; type and place are logged
            internal_error("template.failed", error, template=name)
            html = self._ours.get_template(f"{name}.html").render(given)
        return HTMLResponse(html, status_code=status, headers=headers)


def _login(context: Mapping[str, Any], page: Page) -> dict[str, Any]:
    problem = _text(context, "problem")
    return {
        "client_name": _text(context, "client_name"),
        "client_host": _text(context, "client_host"),
        "username": _text(context, "username"),
        "signed_in_as": _text(context, "person"),
        "problem": problem,
        "invalid": bool(context.get("invalid", problem)),
        "retry_after": page.retry_after,
    }


def _consent(context: Mapping[str, Any], page: Page) -> dict[str, Any]:
    scope, claims, resource = (_texts(context, key) for key in ("scope", "claims", "resource"))
    name, host = _text(context, "client_name"), _text(context, "client_host")
    seconds: object = context.get("refresh_seconds")
    return {
        "client_name": name,
        "client_host": host,
        "monogram": (name or host or "?")[0].upper(),
        "person": _text(context, "person"),
        "loopback": bool(context.get("loopback", is_loopback(host))),
        "self_registered": bool(context.get("self_registered")),
        "described_at": _text(context, "described_at"),
        "gives": wording.gifts_of(scope, resource, claims, _couples(context, "details")),
        "keeps": wording.withheld_from(scope, claims),
        "how_long": wording.period_of(scope, seconds if isinstance(seconds, int) else None),
    }


def _device(context: Mapping[str, Any], page: Page) -> dict[str, Any]:
    problem, minutes = _text(context, "problem"), context.get("asked_minutes_ago")
    texts = {name: _text(context, name) for name in ("user_code", "action", "asked_from")}
    return {
        **_consent(context, page),
        **texts,
        "state": _text(context, "state") or "enter",
        "problem": problem,
        "invalid": bool(context.get("invalid", problem)),
        "retry_after": page.retry_after,
        "asked_here": bool(context.get("asked_here")),
        "asked_ago": wording.ago(minutes if isinstance(minutes, int) else 0),
    }


def _logout(context: Mapping[str, Any], page: Page) -> dict[str, Any]:
    texts = {name: _text(context, name) for name in ("client_name", "person", "action")}
    return {**texts, "stayed": bool(context.get("stayed"))}


def _logged_out(context: Mapping[str, Any], page: Page) -> dict[str, Any]:
    url = _text(context, "return_url")
    return {
        "client_name": _text(context, "client_name"),
        "return_url": url if url.startswith(("https://", "http://")) else "",
        "heading": _text(context, "heading") or LOGGED_OUT_HEADING,
        "text": _text(context, "text") or LOGGED_OUT_TEXT,
    }


def _error(context: Mapping[str, Any], page: Page) -> dict[str, Any]:
    found: object = context.get("finding")
    finding = found if isinstance(found, Finding) else Finding.INTERNAL
    return {
        "heading": wording.heading_of(page.status),
        "description": wording.happened(finding, _text(context, "description") or finding.sentence),
        "advice": wording.advice_for(finding, page.retry_after),
        "code": finding.id,
        "correlation_id": _text(context, "correlation_id"),
    }


_VIEWS: Final[Mapping[PageName, Callable[[Mapping[str, Any], Page], dict[str, Any]]]] = {
    "login": _login,
    "consent": _consent,
    "logout": _logout,
    "logged-out": _logged_out,
    "device": _device,
    "error": _error,
}


def sample_views() -> Views:
    """By page of the server, views with every variable in it: with nothing told, and with all of it."""
    names = ("client_name", "person", "username", "problem", "description", "correlation_id")
    told: dict[str, Any] = {
        **dict.fromkeys(names, "a text"),
        "client_host": "client.example",
        "scope": ("openid", "profile", "email", "offline_access", "orders:read"),
        "claims": ("birthdate",),
        "resource": ("https://api.example",),
        "refresh_seconds": 3600,
        "return_url": "https://client.example/",
    }
    url, waits = "https://client.example/cb", 90
    views: dict[str, Sequence[Mapping[str, Any]]] = {
        name: (view({}, Page(name=name)), view(told, Page(name=name, status=429, retry_after=waits)))
        for name, view in _VIEWS.items()
    }
    states = [{**told, "state": state, "user_code": "BCDF-GHJK"} for state in _DEVICE_STATES]
    views["device"] = [_device(one, Page(name="device")) for one in states]
    form = {"url": url, "fields": (("code", "x"),), "client_host": "client.example", "script": SUBMIT}
    return {**views, "continue": ({"url": url, "client_name": ""},), "form-post": (form,)}


def is_loopback(host: str) -> bool:
    """Whether a redirect to `host` (with or without a port) stays on the person's own computer."""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return is_loopback_host(name) or name.endswith(".localhost") or _LOOPBACK.fullmatch(name) is not None


def _text(context: Mapping[str, Any], name: str) -> str:
    value: object = context.get(name)
    return value if isinstance(value, str) else ""


def _texts(context: Mapping[str, Any], name: str) -> Sequence[str]:
    value: object = context.get(name)
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ()
    return [item for item in cast("Sequence[object]", value) if isinstance(item, str)]


def _couples(context: Mapping[str, Any], name: str) -> Sequence[tuple[str, str]]:
    value: object = context.get(name)
    return cast("Sequence[tuple[str, str]]", value) if isinstance(value, tuple) else ()
