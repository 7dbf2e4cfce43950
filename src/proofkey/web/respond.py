"""From an answer of the authorization server to an HTTP response."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.responses import Response

from proofkey.authorization_server.answers import Answer, Browser, Cookies, Empty, FormPost, Json, Jwt, Page
from proofkey.authorization_server.sender import NOTHING, Presented
from proofkey.web.client_certificate import ClientCertificates, read_certificate
from proofkey.web.cookies import MAX_FLOWS, CookieJar
from proofkey.web.headers import is_form_target
from proofkey.web.pages import Pages
from proofkey.web.peer import TrustedProxies

NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_to_json: Final = json.JSONEncoder(separators=(",", ":")).encode
_DEVICE_SECONDS: Final = 400 * 86_400
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))


class Responder:
    """Renders answers for one server: its pages and its three kinds of cookies."""

    __slots__ = ("_certificates", "_devices", "_flow_seconds", "_flows", "_proxies", "_sign_in", "pages")

    def __init__(
        self,
        issuer: str,
        proxies: TrustedProxies,
        *,
        flow_seconds: int = 600,
        certificates: ClientCertificates | None = None,
        templates: Path | None = None,
    ) -> None:
        """`flow_seconds`: how long a browser keeps the cookie of a flow, as long as the store keeps the flow.
        `certificates` reads those that a proxy forwards; without, there are none. `templates` is a folder of pages
        that take the place of ours.

        Raises: ConfigurationError when one of them cannot be used.
        """
        self._certificates = certificates
        self._flow_seconds = flow_seconds
        self.pages: Final = Pages(issuer, templates)
        self._sign_in = CookieJar(issuer, "sign-in")
        self._flows = CookieJar(issuer, "flow")
        self._devices = CookieJar(issuer, "device")
        self._proxies = proxies

    def browser(self, connection: HTTPConnection) -> Browser:
        """What the request brings; a damaged or repeated cookie counts as none."""
        return Browser(
            sign_in=self._sign_in.read(connection.headers),
            interactions=self._flows.read_flows(connection.headers),
            device=self._devices.read(connection.headers),
            peer=self._proxies.peer(connection),
        )

    def presented(self, connection: HTTPConnection) -> Presented:
        """What proves its sender. Raises: MalformedCredentials for a certificate that is none."""
        proofs = connection.headers.getlist("dpop")
        der = None if self._certificates is None else self._certificates.certificate(connection.scope)
        if not proofs and der is None:
            return NOTHING
        return Presented(tuple(proofs), None if der is None else read_certificate(der))

    def peer(self, connection: HTTPConnection) -> str:
        """The client's address."""
        return self._proxies.peer(connection)

    def respond(
        self, answer: Answer, request: HTTPConnection | None = None, *, after_form: bool = False
    ) -> Response:
        """The response to `request`; `after_form` when that was sent by the form of a page."""
        if isinstance(answer, Json):
            return build_json(answer.body, answer.status, answer.headers, no_store=answer.no_store)
        if isinstance(answer, Jwt):
            return Response(answer.token, headers={**NO_STORE, **answer.headers}, media_type=answer.media_type)
        if isinstance(answer, Empty):
            return Response(status_code=204, headers=NO_STORE)
        if isinstance(answer, Page):
            response = self.pages.render(answer)
        elif isinstance(answer, FormPost):
            response = self.pages.render_form_post(answer.url, answer.fields)
        else:
            response = self._redirect(answer.url, after_form=after_form)
        for line in self._cookie_lines(answer.cookies, request):
            response.headers.append("Set-Cookie", line)
        return response

    def _redirect(self, url: str, *, after_form: bool) -> Response:
        """303 (RFC 9700 §4.12), or a page that leads on where the page's policy cannot name the target."""
        if after_form and not _may_follow_form(url):
            return self.pages.render_continuation(url)
        return Response(status_code=303, headers={"Location": quote(url, safe=_PRINTABLE)})

    def _cookie_lines(self, cookies: Cookies, request: HTTPConnection | None) -> list[str]:
        lines: list[str] = []
        if cookies.sign_in is not None:
            lines.append(self._sign_in.build(cookies.sign_in))
        elif cookies.clear_sign_in:
            lines.append(self._sign_in.build_removal())
        if cookies.interaction is not None:
            name, value = cookies.interaction
            lines.append(self._flows.build(value, name, max_age=self._flow_seconds))
            held = self._flows.read_flows(request.headers) if request else {}
            lines += [self._flows.build_removal(old) for old in _surplus(name, held)]
        if cookies.clear_interaction is not None:
            lines.append(self._flows.build_removal(cookies.clear_interaction))
        if cookies.device is not None:
            lines.append(self._devices.build(cookies.device, max_age=_DEVICE_SECONDS))
        return lines


def _may_follow_form(url: str) -> bool:
    """Whether a policy can name where `url` leads: this origin, or another one by http(s)."""
    if url.startswith("/") and not url.startswith("//"):
        return True
    scheme, separator, rest = url.partition("://")
    return is_form_target(scheme + separator + re.split("[/?#]", rest, maxsplit=1)[0])


def _surplus(new: str, flows: Iterable[str]) -> list[str]:
    """The flows that make room for a new one: the oldest, since browsers send those first (RFC 6265 §5.4)."""
    held = [name for name in flows if name != new]
    return held[: max(0, len(held) + 1 - MAX_FLOWS)]


def build_json(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None, *, no_store: bool = True
) -> Response:
    """A JSON document; with `no_store` neither browsers nor old proxies keep it (RFC 6749 §5.1)."""
    keep = NO_STORE if no_store else {}
    content = _to_json(body).encode()
    return Response(content, status, {**keep, **(headers or {})}, "application/json")
