"""The pages: Jinja2 templates, one style sheet, and no script but the one that sends a form post.

What a page may be given by name (everything is optional, text, and escaped):

- login: `client_name`, `client_host`, `username`, `person` (who is signed in and may go on), `problem` (a
  sentence), `invalid` (the fields are marked wrong; as `problem` unless given)
- consent: `client_name`, `client_host`, `person`, `scope`, `claims` and `resource` (sequences), `refresh_seconds`,
  `loopback` (else told from `client_host`)
- logout: `client_name`, `person`, `action` (where the form goes; else the page's own address), `stayed` (the
  person said no)
- logged-out: `client_name`, `return_url`, `heading`, `text`
- error: `finding` (a Finding), `description`, `correlation_id`
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from proofkey.authorization_server.answers import Page
from proofkey.findings import Finding
from proofkey.protocol.text import Pairs
from proofkey.protocol.uri import is_loopback_host, origin_of
from proofkey.web import wording
from proofkey.web.headers import build_content_policy, build_form_post_policy

_HERE: Final = Path(__file__).parent
_STATIC_TYPES: Final = {
    "proofkey.css": "text/css; charset=utf-8",
    "proofkey.svg": "image/svg+xml",
}
_LOOPBACK: Final = re.compile(r"127(\.[0-9]{1,3}){3}")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UNSAFE_SCHEMES: Final = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "view-source"})

LOGGED_OUT_HEADING: Final = "You are signed out"
LOGGED_OUT_TEXT: Final = "Close the browser window if others use this computer."

SUBMIT: Final = "document.forms[0].submit()"
"""The only script of the server's pages; a policy allows it by its digest. Nothing in it needs escaping."""
SUBMIT_DIGEST: Final = "sha256-" + b64encode(sha256(SUBMIT.encode()).digest()).decode()


class Pages:
    """Renders the pages of one server; `issuer` gives their addresses and the host in the footer."""

    __slots__ = ("_environment", "_files", "_shared")

    def __init__(self, issuer: str) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._files: dict[str, tuple[bytes, str]] = {}
        base = f"{urlsplit(issuer).path.rstrip('/')}/static"
        self._shared: Mapping[str, Any] = {
            "provider_host": urlsplit(issuer).netloc,
            "style_url": f"{base}/{self._take('proofkey.css')}",
            "icon_url": f"{base}/{self._take('proofkey.svg')}",
            "duration": wording.duration,
        }

    def _take(self, name: str) -> str:
        """Reads a file once; its public name carries its digest, so it may be cached for ever."""
        content = (_HERE / "static" / name).read_bytes()
        stem, _, suffix = name.rpartition(".")
        public = f"{stem}.{sha256(content).hexdigest()[:16]}.{suffix}"
        self._files[public] = (content, _STATIC_TYPES[name])
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
        """`templates/<name>.html` with the addresses that every page has."""
        template = self._environment.get_template(f"{name}.html")
        return HTMLResponse(
            template.render(**self._shared, **view, page=name), status_code=status, headers=headers
        )


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
        "gives": wording.gifts_of(scope, resource, claims),
        "keeps": wording.withheld_from(scope, claims),
        "how_long": wording.period_of(scope, seconds if isinstance(seconds, int) else None),
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


_VIEWS: Final = {
    "login": _login,
    "consent": _consent,
    "logout": _logout,
    "logged-out": _logged_out,
    "error": _error,
}


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
