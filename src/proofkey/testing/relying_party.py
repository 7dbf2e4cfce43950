"""A client of an authorization server from outside: by its public addresses alone, one HTTP request at a time.

For tests of a server. Nothing is refused here that the server should refuse itself; every form can be spoilt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2

from proofkey.protocol.client_authentication import build_basic
from proofkey.protocol.messages import TokenResponse, parse_token_response
from proofkey.protocol.metadata import OPENID, ServerMetadata, parse_server_metadata
from proofkey.protocol.pkce import METHOD, challenge_of
from proofkey.protocol.registration import AuthMethod
from proofkey.protocol.text import Secret
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.testing.headless import HeadlessBrowser

Value = str | Sequence[str] | None
"""A parameter to send: None leaves it out, several values send it several times."""
SECONDS: Final = 30


class RelyingPartyFailed(Exception):
    """The server did not give what it was asked for; the message says the step and what came."""


@dataclass(frozen=True, slots=True)
class Started:
    """An authorization request as it was built, and what the client keeps until the answer comes."""

    url: str = field(repr=False)
    state: str
    nonce: str
    verifier: Secret
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, and their browser."""

    browser: HeadlessBrowser
    username: str
    password: Secret


class RelyingParty:
    """One client. Without a secret it is public; with one, `method` says where the secret goes.

    `scope` and `resource` go into every authorization request unless a request says otherwise. Keyword arguments
    named after parameters replace, add or (None) take out parameters of that one request.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        redirect_uri: str = "",
        secret: Secret | None = None,
        method: AuthMethod | None = None,
        scope: str = "openid",
        resource: str | None = None,
        http: httpx2.Client | None = None,
        entropy: Entropy = system_entropy,
    ) -> None:
        self.issuer: Final = issuer
        self.client_id: Final = client_id
        self.redirect_uri: Final = redirect_uri
        self.secret: Final = secret
        self.method: Final[AuthMethod] = method or ("client_secret_basic" if secret else "none")
        self.scope: Final = scope
        self.resource: Final = resource
        self.http: Final = http or httpx2.Client(timeout=SECONDS, follow_redirects=False, trust_env=False)
        self._entropy = entropy

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.http.close()

    @cached_property
    def metadata(self) -> ServerMetadata:
        """The server's discovery document, read once. Raises: Unavailable when it is not this issuer's."""
        return parse_server_metadata(self.http.get(self.issuer.rstrip("/") + OPENID).content, self.issuer)

    # --- the browser's way --------------------------------------------------------------------------------------
    def start(self, **changes: Value) -> Started:
        """An authorization request with state, nonce and PKCE (RFC 6749 §4.1.1)."""
        verifier, state, nonce = self._entropy(), self._entropy(), self._entropy()
        asked: dict[str, Value] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "resource": self.resource,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": METHOD,
        }
        sent = {**asked, **changes}
        return Started(
            url=f"{self.metadata.authorization_endpoint}?{urlencode(_pairs(sent))}",
            state=_text(sent["state"]),
            nonce=_text(sent["nonce"]),
            verifier=Secret(verifier),
            redirect_uri=_text(sent["redirect_uri"]),
        )

    def authorize(self, person: Person, started: Started, *, decision: str = "allow") -> dict[str, str]:
        """The parameters of the answer, after the person went through the pages. Raises: HeadlessFailed."""
        back = person.browser.authorize(
            started.url,
            redirect_uri=started.redirect_uri,
            username=person.username,
            password=person.password,
            decision=decision,
        )
        return dict(parse_qsl(urlsplit(back).query, keep_blank_values=True))

    def code(self, person: Person, **changes: Value) -> tuple[Secret, Started]:
        """A code, and what to redeem it with. Raises: HeadlessFailed, RelyingPartyFailed."""
        started = self.start(**changes)
        answer = self.authorize(person, started)
        if answer.get("state", "") != started.state or answer.get("iss") != self.issuer or "code" not in answer:
            raise RelyingPartyFailed(f"authorization answered {answer.get('error', 'with a wrong state or iss')}")
        return Secret(answer["code"]), started

    def sign_in(self, person: Person, **changes: Value) -> TokenResponse:
        """A whole login. Raises: HeadlessFailed, RelyingPartyFailed."""
        return self.tokens(self.redeem(*self.code(person, **changes)))

    # --- the back channel ---------------------------------------------------------------------------------------
    def redeem(self, code: Secret, started: Started, **changes: Value) -> httpx2.Response:
        """RFC 6749 §4.1.3, RFC 7636 §4.5."""
        return self.token(**{**self.redemption(code, started), **changes})

    def redemption(self, code: Secret, started: Started) -> dict[str, Value]:
        """The parameters of `redeem`."""
        return {
            "grant_type": "authorization_code",
            "code": code.reveal(),
            "redirect_uri": started.redirect_uri,
            "code_verifier": started.verifier.reveal(),
        }

    def refresh(self, token: Secret | None, **changes: Value) -> httpx2.Response:
        """RFC 6749 §6. Raises: RelyingPartyFailed when there is no token to refresh with."""
        if token is None:
            raise RelyingPartyFailed("there is no refresh token")
        return self.token(**{"grant_type": "refresh_token", "refresh_token": token.reveal(), **changes})

    def client_token(self, **changes: Value) -> httpx2.Response:
        """RFC 6749 §4.4."""
        return self.token(**{"grant_type": "client_credentials", **changes})

    def token(self, **form: Value) -> httpx2.Response:
        """Any request to the token endpoint, with the client's authentication."""
        return self.post(self.metadata.token_endpoint, form)

    def revoke(self, token: Secret | None, **changes: Value) -> httpx2.Response:
        """RFC 7009 §2.1. Raises: RelyingPartyFailed when the server has no such endpoint, or there is no token."""
        if token is None or self.metadata.revocation_endpoint is None:
            raise RelyingPartyFailed("nothing to revoke, or no place for it")
        return self.post(self.metadata.revocation_endpoint, {"token": token.reveal(), **changes})

    def userinfo(self, access_token: Secret, *, method: str = "GET") -> httpx2.Response:
        """OIDC Core §5.3.1. Raises: RelyingPartyFailed when the server has no such endpoint."""
        if self.metadata.userinfo_endpoint is None:
            raise RelyingPartyFailed("no UserInfo endpoint")
        headers = {"authorization": f"Bearer {access_token.reveal()}"}
        return self.http.request(method, self.metadata.userinfo_endpoint, headers=headers)

    def post(self, url: str, form: Mapping[str, Value]) -> httpx2.Response:
        """A form, with the client's authentication by its method."""
        headers, pairs = self.authenticated(form)
        headers["content-type"] = "application/x-www-form-urlencoded"
        return self.http.post(url, content=urlencode(pairs), headers=headers)

    def authenticated(self, form: Mapping[str, Value]) -> tuple[dict[str, str], list[tuple[str, str]]]:
        """Headers and parameters of a request that says who the client is (RFC 6749 §2.3)."""
        if self.secret is None or self.method == "none":
            return {}, _pairs({"client_id": self.client_id, **form})
        if self.method == "client_secret_post":
            named = {"client_id": self.client_id, "client_secret": self.secret.reveal()}
            return {}, _pairs({**named, **form})
        return {"authorization": build_basic(self.client_id, self.secret)}, _pairs(form)

    def tokens(self, answer: httpx2.Response) -> TokenResponse:
        """What a token request gave. Raises: RelyingPartyFailed when refused, LoginFailed when malformed."""
        if answer.status_code != 200:
            raise RelyingPartyFailed(f"the token endpoint answered {answer.status_code}")
        return parse_token_response(answer.content)


def _pairs(values: Mapping[str, Value]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        if value is None:
            continue
        pairs += [(name, value)] if isinstance(value, str) else [(name, one) for one in value]
    return pairs


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""
