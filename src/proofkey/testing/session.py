"""A signed-in browser without a provider: for tests of applications that use `Login`."""

from collections.abc import Iterable, Mapping
from typing import Any

from proofkey.client.session import Session, SessionTokens
from proofkey.protocol.text import Instant, Secret, Subject
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.runtime.portal import Portal
from proofkey.testing.issuer import LocalIssuer
from proofkey.web.login import Login


class LoginAs:
    """Makes the cookie of a new session: `client.cookies.update(login_as(login, sub="ann"))`."""

    def __init__(self, issuer: LocalIssuer, *, entropy: Entropy = system_entropy) -> None:
        self._issuer = issuer
        self._entropy = entropy

    def __call__(
        self,
        login: Login,
        *,
        sub: str = "u1",
        roles: Iterable[str] = (),
        scopes: Iterable[str] = ("openid", "profile"),
        claims: Mapping[str, Any] | None = None,
        expires_in: int = 900,
    ) -> dict[str, str]:
        """Stores the session in the login's own store. Its access token is one of the `issuer`'s."""
        handle = Secret(self._entropy())
        now, roles, scopes = self._issuer.clock.now(), tuple(roles), tuple(scopes)
        token = self._issuer.token_for(scope=scopes, sub=sub, roles=roles, expires_in=expires_in)
        told = {
            "iss": login.config.issuer,
            "sub": sub,
            **({"roles": list(roles)} if roles else {}),
            **(claims or {}),
        }
        session = Session(
            id=handle.digest(),
            issuer=login.config.issuer,
            sub=Subject(sub),
            claims=told,
            created_at=now,
            seen_at=now,
            absolute_expires_at=Instant(now + login.config.absolute),
            tokens=SessionTokens(
                access_token=Secret(token), access_expires_at=Instant(now + expires_in), scope=scopes
            ),
        )
        Portal.own().call(login.core.store.insert_session, session)
        return {login.cookie.name: handle.reveal()}
