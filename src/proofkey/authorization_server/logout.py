"""Telling clients that a sign-in has ended (OIDC Back-Channel Logout 1.0)."""

from typing import Final

from proofkey.authorization_server.records import LOGOUT_KEPT, AuditEvent, LogoutDelivery, Standing
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import Unavailable
from proofkey.protocol.exchange import Answer, Ask, Transport
from proofkey.protocol.logout_token import HEADER_TYPE, build_logout_token_claims
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant

RETRY_AFTER: Final = (5, 30, 120, 600, 1800, 3600)
"""Seconds after the first attempt, the second, …: it is given up after the last of seven, about 100 minutes on."""
LEASE: Final = 30
"""Seconds for which a worker holds a delivery: more than any exchange takes, and clocks of nodes differ."""
_DONE: Final = (200, 204)


async def remember_client(server: AuthorizationServer, standing: Standing, now: Instant) -> None:
    """§2.3: the client of a grant gets its first tokens in a sign-in; written before it gets them.

    It is told as long as the sign-in or its refresh tokens could live, and for a week from now at least.
    """
    client, grant, sign_in = standing.client, standing.authorization, standing.sign_in
    if client is None or client.backchannel_logout_uri is None or grant.sid is None or grant.sub is None:
        return
    ends = (
        now + LOGOUT_KEPT,
        sign_in.absolute_expires_at if sign_in else now,
        grant.refresh_absolute_expires_at or now,
    )
    await server.store.remember_logout(
        LogoutDelivery(
            sid=grant.sid,
            client_id=client.client_id,
            sub=grant.sub,
            created_at=now,
            expires_at=Instant(max(ends)),
        )
    )


async def sign_logout_token(
    server: AuthorizationServer, client: ClientRegistration, delivery: LogoutDelivery, now: Instant
) -> str:
    """§2.4: `sub` and `sid` as its ID tokens had them, and signed as those are (§2.6). Raises: Unavailable."""
    claims = build_logout_token_claims(
        issuer=server.policy.issuer,
        client_id=client.client_id,
        sub=server.subjects.of(delivery.sub, client),
        sid=server.subjects.session(delivery.sid, client),
        now=now,
        lifetime=server.policy.lifetimes.logout_token,
        jti=server.entropy(),
    )
    key = await server.signing_key(client.id_token_signed_response_alg)
    return await server.sign(key, HEADER_TYPE, claims)


async def deliver_logout(
    server: AuthorizationServer, transport: Transport, held: LogoutDelivery, now: Instant
) -> AuditEvent:
    """One attempt at a delivery that the caller holds; what came of it is written, and given for the log. A client
    that is disabled is told as well: ending is never wrong.

    Raises: Unavailable when the store cannot be had; the delivery is then due again after the lease.
    """
    client = await server.store.find_client(held.client_id)
    if client is None or client.backchannel_logout_uri is None:
        return await _finish(server, held, now, "logout.given_up", reason="no address")
    if held.attempts > len(RETRY_AFTER) + 1:
        return await _finish(server, held, now, "logout.given_up", reason="no attempt left")
    uri = client.backchannel_logout_uri
    try:
        token = await sign_logout_token(server, client, held, now)
        answer = await transport.send(Ask("POST", uri, headers={"accept": "*/*"}, form=(("logout_token", token),)))
    except Unavailable as error:
        return await retry_later(server, held, now, finding=error.finding.id, **error.facts)
    return await _settle(server, held, answer, now)


async def retry_later(server: AuthorizationServer, held: LogoutDelivery, now: Instant, **facts: str) -> AuditEvent:
    """Due again after a pause that grows, or given up after the last attempt. Raises: Unavailable."""
    if held.attempts > len(RETRY_AFTER):
        return await _finish(server, held, now, "logout.given_up", **facts)
    pause = RETRY_AFTER[max(held.attempts, 1) - 1]
    if not await server.store.postpone_logout(held, Instant(now + pause)):
        return _event(held, now, "logout.overtaken", **facts)
    return _event(held, now, "logout.postponed", **facts, again_in=str(pause))


async def _settle(server: AuthorizationServer, held: LogoutDelivery, answer: Answer, now: Instant) -> AuditEvent:
    """§2.8: 200, or 204 as some frameworks make of it; 400 says that it cannot be done; all else may pass."""
    status = str(answer.status)
    if answer.status in _DONE:
        return await _finish(server, held, now, "logout.delivered", status=status)
    if answer.status == 400:
        return await _finish(server, held, now, "logout.refused", status=status)
    return await retry_later(server, held, now, status=status)


async def _finish(
    server: AuthorizationServer, held: LogoutDelivery, now: Instant, name: str, **detail: str
) -> AuditEvent:
    event = _event(held, now, name, **detail)
    if not await server.store.finish_logout(held, event):
        return _event(held, now, "logout.overtaken", **detail)
    return event


def _event(held: LogoutDelivery, now: Instant, name: str, **detail: str) -> AuditEvent:
    facts = {"sid": held.sid, "attempt": str(held.attempts), **detail}
    return AuditEvent(at=now, name=name, sub=held.sub, client_id=held.client_id, detail=facts)
