"""The device authorization endpoint (RFC 8628 §3.1, §3.2)."""

from typing import Final

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.authorize import read_asked
from proofkey.authorization_server.client import authenticate_client
from proofkey.authorization_server.device import INTERVAL, PATH, keep_device
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sender import NOTHING, Presented
from proofkey.authorization_server.throttles import DEVICE_AUTHORIZATION, caller_key, take_attempt
from proofkey.protocol.client_authentication import parse_client_authentication
from proofkey.protocol.device_authorization import (
    DeviceResponse,
    device_response_document,
    format_user_code,
    parse_device_request,
)
from proofkey.protocol.text import Instant, Pairs

ENDPOINT: Final = "/device-authorization"


async def authorize_device(
    server: AuthorizationServer,
    pairs: Pairs,
    authorization: tuple[str, ...],
    peer: str,
    now: Instant,
    presented: Presented = NOTHING,
) -> Json:
    """The client proves itself as at the token endpoint, and what it asks for is judged as at the authorization
    endpoint. Its tokens are bound where they are redeemed, so a DPoP proof is not looked at here.

    Raises: InvalidClient, TooManyRequests, UnauthorizedClient, InvalidRequest, InvalidScope, InvalidTarget,
    InvalidAuthorizationDetails.
    """
    credentials = parse_client_authentication(authorization, pairs)
    client = await authenticate_client(server, credentials, peer, now, certificate=presented.certificate)
    await take_attempt(server, DEVICE_AUTHORIZATION, caller_key(client.client_id, peer), now)
    asked = read_asked(parse_device_request(pairs, client.client_id), client, server)
    device_code, user_code = await keep_device(server, asked.request, peer, now)
    response = DeviceResponse(
        device_code=device_code,
        user_code=format_user_code(user_code),
        verification_uri=server.policy.url(PATH),
        expires_in=server.policy.lifetimes.device_code,
        interval=INTERVAL,
    )
    return Json(body=device_response_document(response))
