"""The UserInfo endpoint (OIDC Core §5.3): here the server is a resource server of its own tokens."""

from typing import Any

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.claims import claims_about
from proofkey.authorization_server.decision import check_may_act
from proofkey.authorization_server.issuance import AUTHORIZATION_CLAIM
from proofkey.authorization_server.keys import VERIFIED
from proofkey.authorization_server.records import Standing
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InsufficientScope, InvalidGrant, InvalidRequest, InvalidToken, MalformedCredentials
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, verify_access_token
from proofkey.protocol.text import Instant, Pairs, single
from proofkey.resource_server.credentials import check_token_syntax, read_credentials


async def userinfo(
    server: AuthorizationServer, authorization: tuple[str, ...], pairs: Pairs, now: Instant
) -> Json:
    """Any live access token of ours with the scope `openid`, for whatever resource it was issued.

    Raises: NoCredentials, MalformedCredentials, InvalidToken, InsufficientScope.
    """
    token = verify_own_access_token(server, read_bearer(authorization, pairs), now)
    if not token.has_scope("openid"):
        raise InsufficientScope(Finding.SCOPE_INSUFFICIENT, scope=("openid",), client_id=token.client_id)
    standing = await find_standing(server, token)
    if standing is None:
        raise InvalidToken(Finding.GRANT_REVOKED, client_id=token.client_id)
    try:
        check_may_act(standing, now)
    except InvalidGrant as error:
        raise InvalidToken(error.finding, client_id=token.client_id) from error
    if standing.user is None or standing.user.sub != token.sub:
        raise InvalidToken(Finding.GRANT_USER_DISABLED, client_id=token.client_id)
    body: dict[str, Any] = {"sub": token.sub, **claims_about(standing.user, token.scope)}
    return Json(body=body)


def read_bearer(authorization: tuple[str, ...], pairs: Pairs) -> str:
    """RFC 6750 §2.1 and §2.2: in the header or in the form, not in both.

    Raises: NoCredentials, MalformedCredentials.
    """
    try:
        in_form = single(pairs).get("access_token")
    except InvalidRequest as error:
        raise MalformedCredentials(error.finding, **error.facts) from error
    if in_form is None:
        headers = [(b"authorization", value.encode("latin-1", "replace")) for value in authorization]
        return read_credentials(headers).token
    if authorization:
        raise MalformedCredentials(Finding.CREDENTIALS_REPEATED, where="header and form")
    check_token_syntax(in_form.encode("ascii", "replace"))
    return in_form


def verify_own_access_token(server: AuthorizationServer, token: str, now: Instant) -> AccessToken:
    """Signature, issuer, type, times; every audience of ours. Raises: InvalidToken."""
    return verify_access_token(
        token,
        server.keys.published,
        issuer=server.policy.issuer,
        audience=server.policy.audiences,
        now=now,
        algorithms=VERIFIED,
    )


async def find_standing(server: AuthorizationServer, token: AccessToken) -> Standing | None:
    """The row that the token came of; None for a client's own token."""
    id_: object = token.claims.get(AUTHORIZATION_CLAIM)
    return await server.store.find_authorization(id_) if isinstance(id_, str) else None
