"""Users: how names are compared, and what a configuration writes."""

import unicodedata
from dataclasses import replace
from typing import Final

from proofkey.authorization_server.policy import ConfiguredUser
from proofkey.authorization_server.records import AuditEvent, User
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId, Instant, Subject

MAX_USERNAME: Final = 255


def normalise_username(typed: str) -> str:
    """The one form in which usernames are stored and looked up: NFKC, case-folded, no outer white space."""
    return unicodedata.normalize("NFKC", typed).strip().casefold()


def check_username(username: str) -> None:
    """A normalised, printable name of at most 255 characters.

    Raises: ConfigurationError.
    """
    if not username or len(username) > MAX_USERNAME or not username.isprintable():
        raise ConfigurationError(Finding.CONFIG_VALUE, key="username", value=username[:64])
    if username != normalise_username(username):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="username", reason="not normalised")


def check_subject(sub: Subject) -> None:
    """At most 255 ASCII characters (OIDC Core §2).

    Raises: ConfigurationError.
    """
    if not sub or len(sub) > 255 or not sub.isascii() or not sub.isprintable():
        raise ConfigurationError(Finding.CONFIG_VALUE, key="sub", value=sub[:64])


async def put_configured_user(server: AuthorizationServer, wanted: ConfiguredUser, now: Instant) -> None:
    """Inserts or updates one configured user. The password is hashed once: only when the stored hash does not
    verify it. Whether the user is disabled is the store's to say.

    Raises: ConfigurationError when the name is another user's, or the sub is a client's id or a deleted user's.
    """
    wanted = replace(wanted, username=normalise_username(wanted.username))
    check_username(wanted.username)
    user = await _find(server, wanted)
    if user is None:
        await _insert(server, wanted, now)
        return
    if not await server.passwords.verify(user.password_hash, wanted.password):
        event = AuditEvent(at=now, name="user.password_changed", sub=user.sub, detail={"by": "configuration"})
        await server.store.set_password(user.sub, await server.passwords.hash(wanted.password), now, event)
        user = await server.store.find_user(user.sub) or user
    if not wanted.is_written_in(user):
        await server.store.put_user(
            replace(user, username=wanted.username, roles=wanted.roles, claims=wanted.claims), now
        )


async def _find(server: AuthorizationServer, wanted: ConfiguredUser) -> User | None:
    if wanted.sub is None:
        return await server.store.find_username(wanted.username)
    return await server.store.find_user(wanted.sub)


async def _insert(server: AuthorizationServer, wanted: ConfiguredUser, now: Instant) -> None:
    sub = wanted.sub or Subject(server.entropy()[:22])
    check_subject(sub)
    if await server.store.find_client(ClientId(sub)):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="users.sub", reason="it is a client_id", sub=sub)
    user = User(
        sub=sub,
        username=wanted.username,
        password_hash=await server.passwords.hash(wanted.password),
        roles=wanted.roles,
        claims=wanted.claims,
        created_at=now,
        password_changed_at=now,
    )
    try:
        await server.store.put_user(user, now)
    except ConfigurationError:
        other_worker = wanted.sub is None and await server.store.find_username(wanted.username)
        if not other_worker:
            raise
