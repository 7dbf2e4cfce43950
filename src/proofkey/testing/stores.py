"""For authors and users of stores: records to put in, and stores that are wrong on purpose.

A race test that cannot fail shows nothing. The `CheckThenSet…` stores look first and write after a pause, as so
many do; beside each race test the same test runs on them and must find more than one winner.
"""

from typing import Any, Final

from proofkey.authorization_server.records import (
    AuditEvent,
    Authorization,
    DeviceAuthorization,
    Interaction,
    LogoutDelivery,
    OpaqueToken,
    PushedRequest,
    SignIn,
    User,
)
from proofkey.client.session import PendingLogin, Session, SessionTokens
from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Issuer, Secret, Subject, digest_of

START: Final = Instant(1_800_000_000)
"""The instant at which everything here begins; the same as `TurnedClock`'s."""


def a_client(client_id: str = "web", **changes: Any) -> ClientRegistration:  # noqa: ANN401  # fields of the record
    """A confidential web client."""
    members: dict[str, Any] = {
        "client_id": ClientId(client_id),
        "secret_digest": digest_of("a client secret of 32 characters"),
        "redirect_uris": frozenset({"https://rp.test/auth/callback"}),
    }
    return ClientRegistration(**members | changes)


def a_user(username: str = "ann", **changes: Any) -> User:  # noqa: ANN401
    """Ann, whose `sub` is not her name."""
    members: dict[str, Any] = {
        "sub": Subject(f"sub-of-{username}"),
        "username": username,
        "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$hash",
        "roles": ("admin",),
        "claims": {"email": f"{username}@op.test", "email_verified": True},
        "created_at": START,
        "password_changed_at": START,
    }
    return User(**members | changes)


def a_sign_in(sid: str = "sid-1", **changes: Any) -> SignIn:  # noqa: ANN401
    """Ann's session at the server, for a day."""
    members: dict[str, Any] = {
        "sid": sid,
        "digest": digest_of(f"handle of {sid}"),
        "sub": Subject("sub-of-ann"),
        "auth_time": START,
        "created_at": START,
        "seen_at": START,
        "absolute_expires_at": Instant(START + 86_400),
    }
    return SignIn(**members | changes)


def an_interaction(name: str = "flow-1", **changes: Any) -> Interaction:  # noqa: ANN401
    """A request that waits for a page, for ten minutes."""
    members: dict[str, Any] = {
        "digest": digest_of(name),
        "browser_digest": digest_of(f"browser of {name}"),
        "request": AuthorizationRequest(
            client_id=ClientId("web"),
            redirect_uri="https://rp.test/auth/callback",
            scope=("openid", "profile"),
            state="a state",
            nonce="a nonce",
            code_challenge=digest_of("a verifier"),
            code_challenge_method="S256",
            resource=("https://api.test",),
            prompt=frozenset({"login", "consent"}),
            max_age=300,
        ),
        "created_at": START,
        "expires_at": Instant(START + 600),
    }
    return Interaction(**members | changes)


def a_pushed_request(name: str = "pushed-1", **changes: Any) -> PushedRequest:  # noqa: ANN401
    """A request that waits for its browser."""
    members: dict[str, Any] = {
        "digest": digest_of(name),
        "client_id": ClientId("web"),
        "request": an_interaction().request,
        "created_at": START,
        "expires_at": Instant(START + 750),
    }
    return PushedRequest(**members | changes)


def a_device(name: str = "device-1", **changes: Any) -> DeviceAuthorization:  # noqa: ANN401
    """A device that waits for a person, for ten minutes."""
    members: dict[str, Any] = {
        "digest": digest_of(name),
        "user_code_digest": digest_of(f"user code of {name}"),
        "client_id": ClientId("web"),
        "request": AuthorizationRequest(
            client_id=ClientId("web"),
            redirect_uri="",
            response_type="device",
            scope=("openid", "profile"),
            prompt=frozenset({"consent"}),
        ),
        "peer": "192.0.2.7",
        "interval": 5,
        "created_at": START,
        "code_expires_at": Instant(START + 600),
        "expires_at": Instant(START + 900),
    }
    return DeviceAuthorization(**members | changes)


def an_opaque_token(name: str = "opaque-1", **changes: Any) -> OpaqueToken:  # noqa: ANN401
    """An access token of Ann's authorization of `web`, for a quarter of an hour."""
    members: dict[str, Any] = {
        "digest": digest_of(name),
        "authorization_id": "grant-1",
        "client_id": ClientId("web"),
        "sub": Subject("sub-of-ann"),
        "claims": {"sub": "sub-of-ann", "aud": "https://api.test", "exp": START + 900, "roles": ["admin"]},
        "created_at": START,
        "expires_at": Instant(START + 900),
    }
    return OpaqueToken(**members | changes)


def a_logout_delivery(sid: str = "sid-1", **changes: Any) -> LogoutDelivery:  # noqa: ANN401
    """`web` got tokens in that sign-in of Ann's; nobody has ended it."""
    members: dict[str, Any] = {
        "sid": sid,
        "client_id": ClientId("web"),
        "sub": Subject("sub-of-ann"),
        "created_at": START,
        "expires_at": Instant(START + 604_800),
    }
    return LogoutDelivery(**members | changes)


def an_authorization(id_: str = "grant-1", **changes: Any) -> Authorization:  # noqa: ANN401
    """Ann's authorization of `web`, its code not used yet, its row kept for a day."""
    members: dict[str, Any] = {
        "id": id_,
        "client_id": ClientId("web"),
        "sub": Subject("sub-of-ann"),
        "sid": "sid-1",
        "scope": ("openid", "profile"),
        "resource": ("https://api.test",),
        "nonce": "a nonce",
        "auth_time": START,
        "code_digest": digest_of(f"code of {id_}"),
        "code_challenge": digest_of("a verifier"),
        "redirect_uri": "https://rp.test/auth/callback",
        "code_expires_at": Instant(START + 60),
        "refresh_idle_expires_at": Instant(START + 3600),
        "refresh_absolute_expires_at": Instant(START + 86_400),
        "created_at": START,
        "expires_at": Instant(START + 86_400),
    }
    return Authorization(**members | changes)


def an_event(name: str = "test.happened", **changes: Any) -> AuditEvent:  # noqa: ANN401
    """An audit event."""
    members: dict[str, Any] = {"at": START, "name": name, "sub": "sub-of-ann", "client_id": "web"}
    return AuditEvent(**members | changes)


def a_pending_login(state: str = "state-1", **changes: Any) -> PendingLogin:  # noqa: ANN401
    """A login that waits for its callback, for ten minutes."""
    members: dict[str, Any] = {
        "state_digest": digest_of(state),
        "browser_digest": digest_of(f"browser of {state}"),
        "issuer": Issuer("https://op.test"),
        "nonce": Secret(f"nonce of {state}"),
        "code_verifier": Secret(f"verifier of {state}, 43 characters or more…"),
        "redirect_uri": "https://rp.test/auth/callback",
        "next_path": "/orders",
        "resource": ("https://api.test",),
        "scope": ("openid", "orders:read"),
        "max_age": 300,
        "created_at": START,
        "expires_at": Instant(START + 600),
    }
    return PendingLogin(**members | changes)


def some_tokens(mark: str = "1", **changes: Any) -> SessionTokens:  # noqa: ANN401
    """A provider's tokens."""
    members: dict[str, Any] = {
        "access_token": Secret(f"access token {mark}"),
        "access_expires_at": Instant(START + 900),
        "scope": ("openid", "orders:read"),
        "refresh_token": Secret(f"refresh token {mark}"),
        "id_token": Secret(f"id token {mark}"),
    }
    return SessionTokens(**members | changes)


def a_session(name: str = "cookie-1", **changes: Any) -> Session:  # noqa: ANN401
    """Ann's session at a client, for twelve hours."""
    members: dict[str, Any] = {
        "id": digest_of(name),
        "issuer": Issuer("https://op.test"),
        "sub": Subject("sub-of-ann"),
        "claims": {"name": "Ann", "roles": ["admin"]},
        "sid": "sid-1",
        "created_at": START,
        "seen_at": START,
        "absolute_expires_at": Instant(START + 43_200),
        "tokens": some_tokens(),
    }
    return Session(**members | changes)
