"""A person at the pages of oidc-provider: its login, consent and logout forms."""

import re
from typing import Any
from urllib.parse import urljoin

import httpx2

from proofkey.protocol.text import Pairs
from proofkey.testing.headless import Form, read_page
from tests.client.login_kit import pairs_of

MAX_HOPS = 20
NAVIGATION = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


class Person:
    """Cookies of one browser, and what its person types at the provider."""

    def __init__(self, http: httpx2.Client, provider: str, name: str = "ann") -> None:
        self.http = http
        self.name = name
        self._provider = provider
        self.pages: list[str] = []
        """The last part of the address of each page of the provider that was shown."""

    def open(self, url: str, *, until: str = "\n", aborts: bool = False) -> httpx2.Response:
        """Follows redirects and sends the provider's forms; ends at the first page of anybody else, or with the
        redirect to an address that begins with `until`."""
        answer = self.http.get(url, headers=NAVIGATION)
        for _ in range(MAX_HOPS):
            target = urljoin(str(answer.url), answer.headers.get("location", ""))
            if target.startswith(until):
                return answer
            if answer.is_redirect:
                answer = self.http.get(target, headers=NAVIGATION)
                continue
            _, forms, _ = read_page(answer.text)
            if not str(answer.url).startswith(self._provider) or not forms:
                return answer
            answer = self._abort(answer) if aborts else self._send(answer, forms[0])
        raise AssertionError("the pages lead in a circle")

    def answer_to(self, url: str, redirect_uri: str, *, aborts: bool = False) -> Pairs:
        """The parameters that come back to `redirect_uri`."""
        return pairs_of(self.open(url, until=redirect_uri, aborts=aborts).headers["location"])

    def get(self, url: str) -> httpx2.Response:
        """As a program: no redirects, no forms."""
        return self.http.get(url, headers={"accept": "application/json"})

    def _send(self, answer: httpx2.Response, form: Form) -> httpx2.Response:
        typed: dict[str, Any] = {**form.fields}
        if "login" in form.names:
            typed |= {"login": self.name, "password": "any"}
        if "xsrf" in form.names:
            typed |= {"logout": "yes"}
        self.pages.append(form.fields.get("prompt", "logout"))
        return self.http.post(urljoin(str(answer.url), form.action), data=typed)

    def _abort(self, answer: httpx2.Response) -> httpx2.Response:
        link = re.search(r'href="([^"]*/abort)"', answer.text)
        assert link, "the page offers no way out"
        return self.http.get(urljoin(str(answer.url), link[1]))
