"""A browser without a window: walks the server's own sign-in and consent pages, as a person would."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx2

from proofkey.protocol.text import Secret

MAX_HOPS = 12


class HeadlessFailed(Exception):
    """The pages did not lead to the redirect URI; the message says where they stopped."""


@dataclass(slots=True)
class Form:
    """One HTML form: where it goes and what it sends."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict[str, str])
    names: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of the walk: what was asked, and what came (no query, so no code)."""

    method: str
    url: str
    status: int
    page: str = ""


class _PageReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = ""
        self.refresh = ""
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "body":
            self.page = named.get("data-page", "")
        elif tag == "form":
            self.forms.append(Form(action=named.get("action", "")))
        elif tag == "meta" and named.get("http-equiv", "").lower() == "refresh":
            self.refresh = named.get("content", "").partition("url=")[2]
        elif tag in {"input", "button"} and self.forms and (name := named.get("name")):
            self.forms[-1].names.add(name)
            if named.get("type") == "hidden":
                self.forms[-1].fields[name] = named.get("value", "")


def read_page(html: str) -> tuple[str, list[Form], str]:
    """(data-page of the body, the forms, target of a meta refresh)."""
    reader = _PageReader()
    reader.feed(html)
    return reader.page, reader.forms, reader.refresh


class HeadlessBrowser:
    """Cookies and pages of one person. Close it, or use it as a context manager.

    `client` may be any httpx2 client (an in-process one too); redirects are followed one by one here.
    """

    def __init__(
        self, client: httpx2.Client | None = None, *, on_hop: Callable[[Hop], None] | None = None
    ) -> None:
        self.client = client or httpx2.Client(timeout=10, follow_redirects=False, trust_env=False)
        self.on_hop = on_hop

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.client.close()

    def authorize(
        self, url: str, *, redirect_uri: str, username: str, password: Secret, decision: str = "allow"
    ) -> str:
        """Follows an authorization URL through the pages; the URL that comes back to `redirect_uri`.

        The password goes to the origin of the authorization URL alone. Raises: HeadlessFailed.
        """
        answer = self._send("GET", url)
        for _ in range(MAX_HOPS):
            if 300 <= answer.status_code < 400:
                target = urljoin(str(answer.url), answer.headers["location"])
                if _same_place(target, redirect_uri):
                    return target
                answer = self._send("GET", target)
                continue
            page, forms, refresh = read_page(answer.text)
            if refresh and _same_place(refresh, redirect_uri):
                return refresh
            _check_origin(answer, forms, _origin(url))
            answer = self._submit(answer, page, forms, username, password, decision)
        raise HeadlessFailed("the pages lead in a circle")

    def _submit(
        self,
        answer: httpx2.Response,
        page: str,
        forms: list[Form],
        username: str,
        password: Secret,
        decision: str,
    ) -> httpx2.Response:
        if page not in {"login", "consent"} or not forms or answer.status_code >= 400:
            raise HeadlessFailed(f"stopped at page {page or '(none)'!r} with status {answer.status_code}")
        form = forms[0]
        typed = {"decision": decision}
        if page == "login":
            typed = {"username": username, "password": password.reveal()}
        return self._send("POST", urljoin(str(answer.url), form.action), {**form.fields, **typed})

    def _send(self, method: str, url: str, form: Mapping[str, str] | None = None) -> httpx2.Response:
        headers = {"origin": _origin(url), "sec-fetch-site": "same-origin"} if form is not None else {}
        answer = self.client.request(method, url, data=form, headers=headers, follow_redirects=False)
        if self.on_hop:
            page = read_page(answer.text)[0] if answer.status_code < 300 else ""
            self.on_hop(Hop(method, url.partition("?")[0], answer.status_code, page))
        return answer


def _check_origin(answer: httpx2.Response, forms: list[Form], origin: str) -> None:
    """Raises: HeadlessFailed when the page, or what its form is sent to, is somebody else's."""
    place = str(answer.url)
    if any(_origin(urljoin(place, form.action)) != origin for form in forms) or _origin(place) != origin:
        raise HeadlessFailed(f"a page of another origin than {origin}")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _same_place(url: str, redirect_uri: str) -> bool:
    return url.partition("?")[0] == redirect_uri.partition("?")[0]
