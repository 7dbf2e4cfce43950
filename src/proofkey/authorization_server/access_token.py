"""The server's own access tokens, JWT (RFC 9068) or opaque: how they are issued, and what is known of one."""

from collections.abc import Mapping
from typing import Any, Final

from proofkey.authorization_server.decision import check_may_act
from proofkey.authorization_server.keys import VERIFIED
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.records import OpaqueToken, TokenStanding
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.signer import RemoteKey
from proofkey.errors import InvalidGrant, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import HEADER_TYPE, AccessToken, read_claims, verify_access_token
from proofkey.protocol.claims import LEEWAY, ClaimError
from proofkey.protocol.dialect import RFC9068
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Secret, Subject, digest_of

ALGORITHM: Final = "ES256"
AUTHORIZATION_CLAIM: Final = "authorization_id"
"""Names the authorization in an access token, so that its row can be looked at."""
_MAX_OPAQUE: Final = 128
_PROBE_TYPE: Final = "probe"


async def issue_access_token(
    server: AuthorizationServer,
    client: ClientRegistration,
    claims: Mapping[str, Any],
    now: Instant,
    *,
    sub: Subject | None = None,
) -> str:
    """A token with those claims: signed, or a random one whose claims the store keeps under its digest, where the
    client or the resource is registered with `access_token_format = "opaque"`. `sub` is the person, if any.

    Raises: Unavailable when it cannot be stored.
    """
    if not is_opaque(client, claims["aud"], server.policy):
        return await server.sign(await server.signing_key(ALGORITHM), HEADER_TYPE, claims)
    token = Secret(server.entropy())
    await server.store.insert_opaque_token(_row_of(token.digest(), claims, sub, now))
    return token.reveal()


async def check_can_sign(server: AuthorizationServer) -> None:
    """Where keys are kept elsewhere, asks for one signature, which is thrown away, before a code or a refresh
    token is used up: while whoever signs is away, nobody loses one.

    Raises: Unavailable.
    """
    key = server.keys.signing.get(ALGORITHM)
    if isinstance(key, RemoteKey):
        await server.sign(key, _PROBE_TYPE, {})


def is_opaque(client: ClientRegistration, audience: object, policy: Policy) -> bool:
    """Whether tokens of that client for that audience are opaque."""
    resource = policy.resources.get(audience) if isinstance(audience, str) else None
    return "opaque" in (client.access_token_format, resource.access_token_format if resource else None)


async def find_access_token(
    server: AuthorizationServer, text: str, now: Instant
) -> tuple[AccessToken, TokenStanding]:
    """What an access token of ours says, bound or not, for whatever audience, and what the decision looks at.

    Whether it may still act is for `check_may_act` to say, and whoever takes it asks for the proof of a bound one.
    Raises: InvalidToken when it is none of ours, or over.
    """
    if "." not in text:
        return await _find_opaque(server, text, now)
    token = verify_access_token(
        text,
        server.keys.published,
        issuer=server.policy.issuer,
        audience=server.policy.audiences,
        now=now,
        algorithms=VERIFIED,
        bound=True,
    )
    return token, await _find_standing(server, token)


def is_for(token: AccessToken, client: ClientRegistration, policy: Policy) -> bool:
    """Whether that client may know what the token says: it is its own, or for the API that the client stands for
    (RFC 7662 §4; RFC 9701 §5)."""
    if token.client_id == client.client_id:
        return True
    resources = (policy.resources.get(one) for one in token.aud)
    return any(client.client_id in resource.clients for resource in resources if resource)


def check_access_token_may_act(token: AccessToken, standing: TokenStanding, now: Instant) -> None:
    """Raises: InvalidToken with the finding of the decision."""
    try:
        check_may_act(standing, now)
    except InvalidGrant as error:
        raise InvalidToken(error.finding, client_id=token.client_id) from error


def revocation_row(token: AccessToken, standing: TokenStanding, now: Instant) -> OpaqueToken:
    """What `revoke_opaque_token` takes: the token's row, or for a JWT one that remembers its `jti` to its end."""
    if standing.row is not None:
        return standing.row
    return OpaqueToken(
        digest=digest_of(token.jti),
        authorization_id=standing.authorization_id,
        client_id=token.client_id,
        sub=None,
        claims={},
        created_at=now,
        expires_at=Instant(token.exp + LEEWAY + 1),
    )


async def _find_opaque(server: AuthorizationServer, text: str, now: Instant) -> tuple[AccessToken, TokenStanding]:
    standing = await server.store.find_opaque_token(digest_of(text)) if len(text) <= _MAX_OPAQUE else None
    if standing is None or standing.row is None or not standing.row.claims:
        raise InvalidToken(Finding.TOKEN_NOT_OURS)
    try:
        token = read_claims(
            standing.row.claims,
            issuer=server.policy.issuer,
            audience=server.policy.audiences,
            now=now,
            leeway=LEEWAY,
            dialect=RFC9068,
            bound=True,
        )
    except ClaimError as error:
        raise InvalidToken(error.finding, **error.facts) from error
    return token, standing


async def _find_standing(server: AuthorizationServer, token: AccessToken) -> TokenStanding:
    """One read for a token of the client that the person signed in to. A client's own token, and an exchanged one,
    can have been revoked alone."""
    id_: object = token.claims.get(AUTHORIZATION_CLAIM)
    grant = await server.store.find_authorization(id_) if isinstance(id_, str) else None
    if grant is not None and grant.authorization.client_id == token.client_id:
        return TokenStanding(holder=grant.client, authorization_id=grant.authorization.id, grant=grant)
    revoked = await server.store.find_opaque_token(digest_of(token.jti))
    return TokenStanding(
        holder=await server.store.find_client(token.client_id),
        authorization_id=id_ if isinstance(id_, str) else None,
        grant=grant,
        row=revoked.row if revoked else None,
    )


def _row_of(digest: str, claims: Mapping[str, Any], sub: Subject | None, now: Instant) -> OpaqueToken:
    return OpaqueToken(
        digest=digest,
        authorization_id=claims.get(AUTHORIZATION_CLAIM),
        client_id=ClientId(claims["client_id"]),
        sub=sub,
        claims=dict(claims),
        created_at=now,
        expires_at=Instant(claims["exp"] + LEEWAY + 1),
    )
