"""A signed-in person for Streamlit's `AppTest`, with every Streamlit that Proofkey supports."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamlit.testing.v1 import AppTest, app_test

from proofkey.client.session import Session, SessionTokens
from proofkey.errors import NotSignedIn
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, Issuer, Secret, Subject, digest_of, encode_base64url
from proofkey.streamlit import backend
from proofkey.streamlit.allowed import AllowedApis
from proofkey.streamlit.identity import user_info_of
from proofkey.testing.clock import TurnedClock

ISSUER = Issuer("https://issuer.test")
LIFE = 900


@dataclass(slots=True)
class FakeBackend:
    """Implements `proofkey.streamlit.backend.Backend`: what `auth` asks in a page under test.

    `redirect` is where the page last sent the browser: the login or the logout route. `api_urls` are the APIs that
    get the token; None allows every one. `clock.turn(seconds)` brings the token's end nearer.
    """

    sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    api_urls: tuple[str, ...] | None = None
    clock: TurnedClock = field(default_factory=TurnedClock)
    redirect: str | None = None

    @property
    def logout_url(self) -> str:
        self.redirect = "/auth/logout"
        return self.redirect

    def login_url(self, next_path: str | None) -> str:
        self.redirect = f"/auth/login?next={next_path or '/'}"
        return self.redirect

    def session(self, id_: str) -> Session | None:
        return self.sessions.get(id_)

    def tokens(self, id_: str, min_ttl: int) -> SessionTokens:
        session = self.sessions.get(id_)
        if session is None:
            raise NotSignedIn(Finding.SESSION_NONE)
        return session.tokens

    def check_api(self, base_url: str) -> None:
        if self.api_urls is not None:
            AllowedApis(self.api_urls).check(base_url)

    def now(self) -> Instant:
        return self.clock.now()


def as_user(
    at: AppTest,
    *,
    sub: str = "u1",
    name: str | None = None,
    email: str | None = None,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    token: str | None = None,
    claims: Mapping[str, Any] | None = None,
    api_urls: Iterable[str] | None = None,
) -> FakeBackend:
    """The pages of `at` run for that person from the next run on; gives the backend that they ask.

    `token` is the access token (by default one with the claims, that no API accepts); `claims` are more claims of
    the ID token.
    """
    fake = _fake()
    fake.api_urls = None if api_urls is None else tuple(api_urls)
    session = _session(fake.clock.now(), sub, name, email, tuple(roles), tuple(scopes), token, claims or {})
    fake.sessions[session.id] = session
    _seed(at, user_info_of(session))
    return fake


def as_anonymous(at: AppTest) -> FakeBackend:
    """Nobody is signed in when the pages of `at` run."""
    fake = _fake()
    _seed(at, {"is_logged_in": False})
    return fake


def _fake() -> FakeBackend:
    before = backend.install(None)
    fake = before if isinstance(before, FakeBackend) else FakeBackend()
    fake.redirect = None
    backend.install(fake)
    return fake


def _session(
    now: Instant,
    sub: str,
    name: str | None,
    email: str | None,
    roles: tuple[str, ...],
    scopes: tuple[str, ...],
    token: str | None,
    claims: Mapping[str, Any],
) -> Session:
    given = {"iss": ISSUER, "sub": sub, "name": name, "email": email, "roles": list(roles) or None, **claims}
    known = {key: value for key, value in given.items() if value is not None}
    ends = Instant(now + LIFE)
    access = {**known, "scope": " ".join(scopes), "iat": now, "exp": ends}
    return Session(
        id=digest_of(f"apptest {sub}"),
        issuer=ISSUER,
        sub=Subject(sub),
        claims=known,
        created_at=now,
        seen_at=now,
        absolute_expires_at=Instant(now + 12 * 3600),
        tokens=SessionTokens(
            access_token=Secret(token or _unsigned(access)), access_expires_at=ends, scope=scopes
        ),
    )


def _unsigned(claims: Mapping[str, Any]) -> str:
    header = {"alg": "none", "typ": "at+jwt"}
    parts = [encode_base64url(json.dumps(part).encode()) for part in (header, claims)]
    return ".".join([*parts, "AA"])


def _seed(at: AppTest, user: dict[str, Any]) -> None:
    """`AppTest.user` is Streamlit's own from 1.67 on; before that the runner has a fixed user, replaced here."""
    has_user = hasattr(at, "user")
    at.user = user
    if has_user:
        return
    of_this_test: Any = at
    names: Any = app_test
    plain_run, runner = of_this_test._run, names.LocalScriptRunner

    def make_runner(*args: object, **options: object) -> object:
        script = runner(*args, **options)
        script._user_info = dict(at.user)
        return script

    def seeded_run(*args: object, **options: object) -> object:
        names.LocalScriptRunner = make_runner
        try:
            return plain_run(*args, **options)
        finally:
            names.LocalScriptRunner = runner

    of_this_test._run = seeded_run
