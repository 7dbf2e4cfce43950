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
    """Makes the cookie of a new session: `client.cookies.update(login_as(login, sub="ann"))`.

    The client's base URL must be the login's public URL, for the cookie's sake.
    """

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
        """Stores the session in the login's own store, from now on by the login's clock.

        Its access token is one of the `issuer`'s, for the login's audience. `claims` are the ID token's.
        """
        handle = Secret(self._entropy())
        now, roles, scopes = login.clock.now(), tuple(roles), tuple(scopes)
        audience = login.config.audiences or None
        token = self._issuer.token_for(scope=scopes, aud=audience, sub=sub, roles=roles, expires_in=expires_in)
        told = {
            "iss": login.config.issuer,
            "sub": sub,
            "aud": login.config.client_id,
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
