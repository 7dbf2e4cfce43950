"""The person's session at this server: found by its cookie, begun with a new handle, idle and absolute ends."""

from typing import Final

from proofkey.authorization_server.answers import Browser
from proofkey.authorization_server.decision import check_may_act
from proofkey.authorization_server.logout import LEASE
from proofkey.authorization_server.records import AuditEvent, SignIn, SignInStanding, User
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InvalidGrant, SignInFailed
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId, Instant, Secret

_TOUCH_EVERY: Final = 60
"""Seconds; a sign-in in use is written at most that often."""


async def find_live_sign_in(server: AuthorizationServer, browser: Browser, now: Instant) -> SignInStanding | None:
    """The sign-in of this browser, if it may still act; whatever else the cookie holds counts as none."""
    if browser.sign_in is None:
        return None
    return await keep_live(server, await server.store.find_sign_in(browser.sign_in.digest()), now)


async def keep_live(
    server: AuthorizationServer, standing: SignInStanding | None, now: Instant
) -> SignInStanding | None:
    """A sign-in that was read a moment ago, if it may still act; that it is in use is written now and then."""
    if standing is None or now >= standing.sign_in.seen_at + server.policy.lifetimes.sign_in_idle:
        return None
    try:
        check_may_act(standing, now)
    except InvalidGrant:
        return None
    if now >= standing.sign_in.seen_at + _TOUCH_EVERY:
        await server.store.touch_sign_in(standing.sign_in.sid, now)
    return standing


async def begin_sign_in(
    server: AuthorizationServer, user: User, client_id: ClientId, browser: Browser, now: Instant
) -> tuple[SignInStanding, Secret, AuditEvent]:
    """A person has proven a password: a new handle always (fixation), the old one is dead from here on.

    The same person in the same browser keeps the `sid`, so that other tabs and applications stay signed in;
    another person's sign-in is ended first. `client_id` is whom they came for, for the log.
    Raises: SignInFailed when something about the person was changed meanwhile.
    """

    def event(name: str, sid: str) -> AuditEvent:
        detail = {"sid": sid, "factor": "pwd"}
        return AuditEvent(at=now, name=name, sub=user.sub, client_id=client_id, detail=detail)

    handle = Secret(server.entropy())
    before = await find_live_sign_in(server, browser, now)
    if before and before.sign_in.sub == user.sub:
        told = event("sign_in.renewed", before.sign_in.sid)
        if await server.store.renew_sign_in(before.sign_in.sid, handle.digest(), now, told):
            return await _confirm(server, user, handle, now), handle, told
    elif before:
        await end_sign_in(server, before.sign_in, now, reason="another person signed in")
    sign_in = SignIn(
        sid=server.entropy()[:22],
        digest=handle.digest(),
        sub=user.sub,
        auth_time=now,
        created_at=now,
        seen_at=now,
        absolute_expires_at=Instant(now + server.policy.lifetimes.sign_in_absolute),
    )
    told = event("sign_in.begun", sign_in.sid)
    await server.store.insert_sign_in(sign_in, told)
    return await _confirm(server, user, handle, now), handle, told


async def _confirm(server: AuthorizationServer, user: User, handle: Secret, now: Instant) -> SignInStanding:
    """Looks again once the sign-in is written: what was changed before that write did not end it, whatever is
    changed after it does.

    Raises: SignInFailed when the person was disabled, or got another password, while this one was checked.
    """
    standing = await server.store.find_sign_in(handle.digest())
    changed_at = standing.user.password_changed_at if standing and standing.user else None
    try:
        if standing is None or changed_at != user.password_changed_at:
            raise InvalidGrant(Finding.GRANT_PASSWORD_CHANGED)
        check_may_act(standing, now)
    except InvalidGrant as error:
        if standing:
            await end_sign_in(server, standing.sign_in, now, reason="changed meanwhile")
        raise SignInFailed(Finding.SIGN_IN_FAILED, reason="changed meanwhile", sub=user.sub) from error
    return standing


async def end_sign_in(
    server: AuthorizationServer, sign_in: SignIn, now: Instant, *, reason: str, tell: bool = False
) -> AuditEvent:
    """Ends it, with its authorizations that have no offline_access (OIDC Back-Channel Logout §2.7). Its clients
    are told in the background; with `tell` as far as possible before this returns."""
    event = AuditEvent(
        at=now, name="sign_in.ended", sub=sign_in.sub, detail={"sid": sign_in.sid, "reason": reason}
    )
    tell_clients = server.tell_clients if tell else None
    held_until = Instant(now + LEASE) if tell_clients else None
    if await server.store.end_sign_in(sign_in.sid, now, event, held_until=held_until) and tell_clients:
        await tell_clients(sign_in.sid)
    return event
