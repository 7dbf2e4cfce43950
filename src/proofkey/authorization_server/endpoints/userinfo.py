"""The UserInfo endpoint (OIDC Core §5.3): here the server is a resource server of its own tokens."""

from collections.abc import Mapping
from typing import Any, Final

from proofkey.authorization_server.access_token import check_access_token_may_act, find_access_token
from proofkey.authorization_server.answers import Json, Jwt
from proofkey.authorization_server.claims import claims_about
from proofkey.authorization_server.hook_claims import ask_for_userinfo
from proofkey.authorization_server.records import Standing
from proofkey.authorization_server.requested_claims import read_single_claims
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sender import NOTHING, Presented, nonce_header, read_proof, use_proof
from proofkey.errors import InsufficientScope, InvalidRequest, InvalidToken, MalformedCredentials
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, Confirmation
from proofkey.protocol.dpop import DpopProof
from proofkey.protocol.id_token import HEADER_TYPE
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Pairs, single
from proofkey.resource_server.credentials import Credentials, check_token_syntax, read_credentials
from proofkey.resource_server.sender_constraint import (
    SenderPolicy,
    check_certificate,
    check_key,
    read_presentation,
)

SIGNED: Final = "application/jwt"
_SENDERS: Final = SenderPolicy(dpop="optional")
_SENDERS_WITH_CERTIFICATES: Final = SenderPolicy(dpop="optional", mtls=True)


async def userinfo(
    server: AuthorizationServer,
    authorization: tuple[str, ...],
    pairs: Pairs,
    now: Instant,
    presented: Presented = NOTHING,
    method: str = "GET",
) -> Json | Jwt:
    """Any live access token of ours with the scope `openid`, for whatever resource it was issued; a bound one
    comes with the proof of its key (RFC 9449 §7) or its certificate (RFC 8705 §3).

    Raises: NoCredentials, MalformedCredentials, InvalidToken, InsufficientScope, InvalidDpopProof, UseDpopNonce.
    """
    credentials = read_token(authorization, pairs, presented)
    token, standing = await find_access_token(server, credentials.token, now)
    proof = await _check_sender(server, token, credentials, presented, method, now)
    if not token.has_scope("openid"):
        raise InsufficientScope(Finding.SCOPE_INSUFFICIENT, scope=("openid",), client_id=token.client_id)
    check_access_token_may_act(token, standing, now)
    client, body = await _describe(server, token, standing.grant)
    return await _answer(server, client, body, nonce_header(server, proof, now))


async def _describe(
    server: AuthorizationServer, token: AccessToken, grant: Standing | None
) -> tuple[ClientRegistration, dict[str, Any]]:
    """The client that the person signed in to, and what it may know: `sub` as its ID token says it, the claims of
    the scope, and those that were asked for one by one (OIDC Core §5.3.2, §5.5). Raises: InvalidToken."""
    if grant is None or grant.user is None or grant.client is None:
        raise InvalidToken(Finding.GRANT_USER_DISABLED, client_id=token.client_id)
    if server.subjects.of(grant.user.sub, grant.client) != token.sub:
        raise InvalidToken(Finding.GRANT_USER_DISABLED, client_id=token.client_id)
    single_claims = read_single_claims(grant.authorization.details).still_for(grant.client).userinfo
    told = await ask_for_userinfo(server, grant.client, grant.user, token.scope, single_claims)
    return grant.client, {**claims_about(grant.user, token.scope, single_claims), **told, "sub": token.sub}


async def _answer(
    server: AuthorizationServer, client: ClientRegistration, body: dict[str, Any], headers: Mapping[str, str]
) -> Json | Jwt:
    """JSON, or a JWT for the client where it is registered for one (OIDC Core §5.3.2). That has no `exp`, so it is
    never taken for an ID token."""
    algorithm = client.userinfo_signed_response_alg
    if algorithm is None:
        return Json(body=body, headers=headers)
    claims = {**body, "iss": server.policy.issuer, "aud": client.client_id}
    token = await server.sign(await server.signing_key(algorithm), HEADER_TYPE, claims)
    return Jwt(token=token, media_type=SIGNED, headers=headers)


def read_token(authorization: tuple[str, ...], pairs: Pairs, presented: Presented = NOTHING) -> Credentials:
    """RFC 6750 §2.1 and §2.2, RFC 9449 §7.1: in the header or in the form, not in both.

    Raises: NoCredentials, MalformedCredentials, InvalidDpopProof.
    """
    try:
        in_form = single(pairs).get("access_token")
    except InvalidRequest as error:
        raise MalformedCredentials(error.finding, **error.facts) from error
    if in_form is None:
        headers = [(b"authorization", value.encode("latin-1", "replace")) for value in authorization]
        headers += [(b"dpop", value.encode("latin-1", "replace")) for value in presented.proofs]
        return read_credentials(headers, dpop=True)
    if authorization:
        raise MalformedCredentials(Finding.CREDENTIALS_REPEATED, where="header and form")
    check_token_syntax(in_form.encode("ascii", "replace"))
    return Credentials(in_form)


async def _check_sender(
    server: AuthorizationServer,
    token: AccessToken,
    credentials: Credentials,
    presented: Presented,
    method: str,
    now: Instant,
) -> DpopProof | None:
    """RFC 9449 §7.2, RFC 8705 §3: the scheme fits the token, and whoever sends it has its key.

    Raises: InvalidToken, InvalidDpopProof, UseDpopNonce; Unavailable when the replay memory cannot tell.
    """
    if token.cnf is None and credentials.scheme == "Bearer":
        return None
    policy = _SENDERS if server.policy.client_certificates is None else _SENDERS_WITH_CERTIFICATES
    shown = read_presentation(token.cnf, credentials, policy)
    certificate = presented.certificate
    check_certificate(token.cnf or Confirmation(), None if certificate is None else certificate.thumbprint)
    if shown is None:
        return None
    proof = read_proof(
        server, Presented((shown,)), "/userinfo", now, method=method, access_token=credentials.token
    )
    if proof is not None:
        check_key(token.cnf or Confirmation(), proof.jkt)
        await use_proof(server, proof, now)
    return proof
