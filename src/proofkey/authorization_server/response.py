"""The authorization response: its way back to the client, plain or signed, by redirect or by form."""

from dataclasses import dataclass
from typing import Any, Final

from proofkey.authorization_server.answers import NO_COOKIES, Cookies, FormPost, Redirect, Told
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InvalidRequest, OAuthError
from proofkey.findings import Finding
from proofkey.protocol.messages import (
    PLAIN_MODES,
    AuthorizationRequest,
    AuthorizationResponse,
    RedirectTarget,
    ResponseMode,
    authorization_response_pairs,
    with_query,
)
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Pairs

HEADER_TYPE: Final = "JWT"
"""JARM names no type of its own."""
LIFETIME: Final = 300
"""Seconds that a signed response may be used (JARM §2.1: ten minutes at most)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """Where and how a client gets its answer. Client and redirect URI are proven."""

    client: ClientRegistration
    redirect_uri: str
    state: str | None = None
    mode: ResponseMode = "query"


def find_way_back(
    request: AuthorizationRequest | RedirectTarget, client: ClientRegistration, policy: Policy
) -> WayBack:
    """The way that was asked for, also for errors; by query when this client cannot have it."""
    redirect_uri, mode = request.redirect_uri, request.response_mode
    if not _is_allowed(mode, redirect_uri, client, policy):
        mode = "query"
    return WayBack(client=client, redirect_uri=redirect_uri, state=request.state, mode=mode)


def check_response_mode(request: AuthorizationRequest, client: ClientRegistration, policy: Policy) -> None:
    """OAuth Form Post §2, JARM §2.3: offered here, allowed to this client, and a form needs a web address.

    Raises: InvalidRequest.
    """
    mode = request.response_mode
    if not _is_allowed(mode, request.redirect_uri, client, policy):
        raise InvalidRequest(Finding.RESPONSE_MODE_WRONG, response_mode=mode, client_id=client.client_id)


def _is_allowed(mode: str, redirect_uri: str, client: ClientRegistration, policy: Policy) -> bool:
    if mode not in policy.response_modes or mode not in (client.response_modes or policy.response_modes):
        return False
    return not mode.startswith("form_post") or redirect_uri.lower().startswith(("https://", "http://"))


async def send_response(
    server: AuthorizationServer,
    way: WayBack,
    response: AuthorizationResponse,
    now: Instant,
    cookies: Cookies = NO_COOKIES,
    told: Told = None,
) -> Redirect | FormPost:
    """RFC 6749 §4.1.2, RFC 9207 §2, OAuth Form Post §2, JARM §2.3."""
    pairs = authorization_response_pairs(response)
    if way.mode not in PLAIN_MODES:
        pairs = await _signed(server, way.client, pairs, now)
    if way.mode.startswith("form_post"):
        return FormPost(url=way.redirect_uri, fields=pairs, cookies=cookies, told=told)
    return Redirect(url=with_query(way.redirect_uri, pairs), cookies=cookies, told=told)


async def send_error(
    server: AuthorizationServer, way: WayBack, error: OAuthError, now: Instant, cookies: Cookies = NO_COOKIES
) -> Redirect | FormPost:
    """RFC 6749 §4.1.2.1, RFC 9207 §2, to a redirect URI that was proven."""
    response = AuthorizationResponse(
        iss=server.policy.issuer, state=way.state, error=error.error, error_description=error.description
    )
    return await send_response(server, way, response, now, cookies, told=error)


async def _signed(server: AuthorizationServer, client: ClientRegistration, pairs: Pairs, now: Instant) -> Pairs:
    """JARM §2.1: the parameters as claims, for this client, signed by its registered algorithm."""
    key = await server.signing_key(client.authorization_signed_response_alg)
    claims: dict[str, Any] = {**dict(pairs), "aud": client.client_id, "iat": now, "exp": now + LIFETIME}
    return (("response", await server.sign(key, HEADER_TYPE, claims)),)
