"""Username and password: one text and one time for every cause of a refusal."""

from proofkey.authorization_server.accounts.attempts import SignInAttempt
from proofkey.authorization_server.accounts.directory import is_password_of, keep_shadow
from proofkey.authorization_server.accounts.users import normalise_username
from proofkey.authorization_server.records import User
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.throttles import account_key, address_key
from proofkey.errors import SignInFailed
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, Secret


async def authenticate(
    server: AuthorizationServer,
    username: str,
    password: Secret,
    peer: str,
    now: Instant,
    *,
    device: Secret | None = None,
) -> User:
    """The user whose password this is. Unknown and disabled users cost one hash as well (ASVS 6.3.8). `device` is
    the cookie of a browser that was signed in with before: it decides where the attempt is counted, nothing else.

    Raises: SignInFailed for an unknown user, a disabled one and a wrong password alike, TooManyRequests when the
    account or the address must wait, Unavailable when there are too many attempts in the queue.
    """
    name = normalise_username(username)
    account = account_key(name)
    user = await server.store.find_username(name)
    attempt = SignInAttempt(account, address_key(peer), server.devices.find(device, user))
    await attempt.begin(server, now)
    right = await _is_password_of(server, user, password)
    if user is None:
        facts = await attempt.fail(server, now)
        raise SignInFailed(Finding.SIGN_IN_FAILED, reason="unknown user", account=account[:8], **facts)
    if not right or user.disabled:
        reason = "wrong password" if not right else "disabled"
        facts = await attempt.fail(server, now)
        raise SignInFailed(Finding.SIGN_IN_FAILED, reason=reason, sub=user.sub, **facts)
    if server.hooks.people is not None:
        await keep_shadow(server.store, user, now)
    await attempt.succeed(server)
    await _upgrade(server, user, password)
    return user


async def _is_password_of(server: AuthorizationServer, user: User | None, password: Secret) -> bool:
    """Raises: Unavailable."""
    if server.hooks.people is not None:
        return await is_password_of(server.hooks.people, user, password)
    encoded = user.password_hash if user else server.passwords.dummy_hash
    return await server.passwords.verify(encoded, password)


async def _upgrade(server: AuthorizationServer, user: User, password: Secret) -> None:
    """An old hash is replaced while the password is at hand."""
    if server.hooks.people is None and server.passwords.needs_rehash(user.password_hash):
        new = await server.passwords.hash(password)
        await server.store.upgrade_password_hash(user.sub, user.password_hash, new)
