"""Username and password: one text and one time for every cause of a refusal."""

from proofkey.authorization_server.accounts.users import normalise_username
from proofkey.authorization_server.records import User
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.throttles import (
    SIGN_IN_BY_ACCOUNT,
    SIGN_IN_BY_ADDRESS,
    account_key,
    address_key,
    forget_attempts,
    take_attempt,
)
from proofkey.errors import SignInFailed
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, Secret


async def authenticate(
    server: AuthorizationServer, username: str, password: Secret, peer: str, now: Instant
) -> User:
    """The user whose password this is. Unknown and disabled users cost one hash as well (ASVS 6.3.8).

    Raises: SignInFailed for an unknown user, a disabled one and a wrong password alike, TooManyRequests when the
    account or the address must wait, Unavailable when there are too many attempts in the queue.
    """
    name = normalise_username(username)
    account = account_key(name)
    await take_attempt(server, SIGN_IN_BY_ADDRESS, address_key(peer), now)
    await take_attempt(server, SIGN_IN_BY_ACCOUNT, account, now)
    user = await server.store.find_username(name)
    encoded = user.password_hash if user else server.passwords.dummy_hash
    right = await server.passwords.verify(encoded, password)
    if user is None:
        raise SignInFailed(Finding.SIGN_IN_FAILED, reason="unknown user", account=account[:8])
    if not right or user.disabled:
        reason = "wrong password" if not right else "disabled"
        raise SignInFailed(Finding.SIGN_IN_FAILED, reason=reason, sub=user.sub)
    await forget_attempts(server, SIGN_IN_BY_ACCOUNT, account)
    await _upgrade(server, user, password)
    return user


async def _upgrade(server: AuthorizationServer, user: User, password: Secret) -> None:
    """An old hash is replaced while the password is at hand."""
    if server.passwords.needs_rehash(user.password_hash):
        new = await server.passwords.hash(password)
        await server.store.upgrade_password_hash(user.sub, user.password_hash, new)
