"""The pages of a device authorization (RFC 8628 §3.3): the code, sign-in and consent as everywhere, the end.

Sign-in and consent are those of `endpoints.interaction`. The browser brings the user code back in the cookie that
binds the page to it, so the store never holds it as it is typed.
"""

from typing import Any

from proofkey.authorization_server.answers import Browser, Cookies, Page, Redirect, Told
from proofkey.authorization_server.authorize import Issue, Refuse
from proofkey.authorization_server.device import PATH, allow_device, deny_device, find_waiting, read_device
from proofkey.authorization_server.interaction import OpenInteraction, begin_interaction, page_url
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sign_in import find_live_sign_in
from proofkey.authorization_server.throttles import (
    USER_CODE,
    USER_CODE_BY_ACCOUNT,
    USER_CODE_OF_ALL,
    address_key,
    take_attempt,
)
from proofkey.errors import InvalidRequest, TooManyRequests
from proofkey.findings import Finding
from proofkey.protocol.device_authorization import format_user_code, parse_user_code
from proofkey.protocol.text import Instant, Pairs, single

_MINUTE = 60


def enter(server: AuthorizationServer, pairs: Pairs) -> Page:
    """GET: the form. A code in the address (§3.3.1) stands in it, to be compared and sent; it decides nothing.

    Raises: InvalidRequest for a repeated parameter.
    """
    code = parse_user_code(single(pairs).get("user_code", ""))
    return _entry_page(server, format_user_code(code) if code else "")


async def submit(server: AuthorizationServer, pairs: Pairs, browser: Browser, now: Instant) -> Page | Redirect:
    """POST: on to sign-in and consent, in this browser alone. Each guess is counted before it is looked at (§5.1);
    what cannot be a code of ours is none.

    Raises: InvalidRequest for a repeated parameter; Unavailable.
    """
    text = single(pairs).get("user_code", "")
    code = parse_user_code(text)
    try:
        if code is None:
            raise InvalidRequest(Finding.USER_CODE_UNKNOWN, reason="form")
        await _count_guess(server, browser, now)
        device = await find_waiting(server, code, now)
        if device is None:
            raise InvalidRequest(Finding.USER_CODE_UNKNOWN, reason="none that waits")
    except (InvalidRequest, TooManyRequests) as error:
        return _entry_page(server, text, error)
    opened, secret = await begin_interaction(server, device.request, now, carried=code)
    return Redirect(url=page_url(server, opened), cookies=Cookies(interaction=(opened.short, secret)))


async def _count_guess(server: AuthorizationServer, browser: Browser, now: Instant) -> None:
    """Right ones too: a success forgets nothing, for everybody can have a device of his own.

    Raises: TooManyRequests.
    """
    await take_attempt(server, USER_CODE, address_key(browser.peer), now)
    standing = await find_live_sign_in(server, browser, now)
    if standing is not None:
        await take_attempt(server, USER_CODE_BY_ACCOUNT, standing.sign_in.sub, now)
    await take_attempt(server, USER_CODE_OF_ALL, "all", now)


async def confirm_page(
    server: AuthorizationServer,
    opened: OpenInteraction,
    consent: Page,
    browser: Browser,
    now: Instant,
) -> Page:
    """§5.4, RFC 10027 §6.1: what the consent page says, the code to compare, and where the device is.

    Raises: InteractionClosed.
    """
    device, _ = await read_device(server, opened.carried, now)
    return Page(
        name="device",
        context={
            **consent.context,
            "state": "confirm",
            "user_code": format_user_code(opened.carried),
            "asked_from": device.peer,
            "asked_here": address_key(device.peer) == address_key(browser.peer),
            "asked_minutes_ago": max(0, now - device.created_at) // _MINUTE,
        },
    )


async def finish_device(
    server: AuthorizationServer,
    opened: OpenInteraction,
    step: Issue | Refuse,
    now: Instant,
    cookies: Cookies,
) -> Page:
    """The decision, and the page that says what happened. Raises: InteractionClosed when it came too late."""
    device, asked = await read_device(server, opened.carried, now)
    name = asked.client.client_name or asked.client.client_id
    if isinstance(step, Issue):
        event = await allow_device(server, device, asked, step, now)
        return Page(name="device", context={"state": "allowed", "client_name": name}, cookies=cookies, told=event)
    await deny_device(server, device, now, step.error.finding.id)
    told: Told = step.error
    return Page(name="device", context={"state": "denied", "client_name": name}, cookies=cookies, told=told)


def _entry_page(
    server: AuthorizationServer, user_code: str, error: InvalidRequest | TooManyRequests | None = None
) -> Page:
    retry_after = error.retry_after if isinstance(error, TooManyRequests) else None
    context: dict[str, Any] = {"state": "enter", "user_code": user_code[:32], "action": server.policy.url(PATH)}
    if error is None:
        return Page(name="device", context=context)
    return Page(
        name="device",
        status=400 if retry_after is None else 429,
        context={**context, "problem": error.finding.sentence, "invalid": retry_after is None},
        retry_after=retry_after,
        told=error,
    )
