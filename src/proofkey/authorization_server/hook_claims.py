"""The claims that a hook adds to tokens and UserInfo, asked before anything is used up."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proofkey.authorization_server.access_token import check_can_sign
from proofkey.authorization_server.claims import CLAIMS_OF_SCOPE
from proofkey.authorization_server.hooks import ClaimsQuestion, Place, person_of, read_claims_answer
from proofkey.authorization_server.records import Standing, User
from proofkey.authorization_server.requested_claims import read_single_claims
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.protocol.registration import ClientRegistration


@dataclass(frozen=True, slots=True)
class HookClaims:
    """For the two tokens of one response."""

    access_token: Mapping[str, Any] = field(default_factory=dict[str, Any])
    id_token: Mapping[str, Any] = field(default_factory=dict[str, Any])


NO_HOOK_CLAIMS: Final = HookClaims()


async def ask_for_tokens(server: AuthorizationServer, standing: Standing, scope: tuple[str, ...]) -> HookClaims:
    """For an access token and an ID token of that scope. A grant asks before its one write: a hook that fails
    then, or a signer that is away, costs nobody a code.

    Raises: Unavailable.
    """
    await check_can_sign(server)
    user, client = standing.user, standing.client
    if server.hooks.claims is None or user is None or client is None:
        return NO_HOOK_CLAIMS
    access_token = await ask_for_access_token(server, client, user, scope, standing.authorization.resource)
    if "openid" not in scope:
        return HookClaims(access_token)
    single = read_single_claims(standing.authorization.details).still_for(client).id_token
    return HookClaims(
        access_token, await _ask(server, "id_token", client, user, scope, (client.client_id,), single)
    )


async def ask_for_access_token(
    server: AuthorizationServer,
    client: ClientRegistration,
    user: User | None,
    scope: tuple[str, ...],
    audience: tuple[str, ...],
) -> Mapping[str, Any]:
    """For an access token; `user` is None where it is the client's own. Raises: Unavailable."""
    return await _ask(server, "access_token", client, user, scope, audience, ())


async def ask_for_userinfo(
    server: AuthorizationServer,
    client: ClientRegistration,
    user: User,
    scope: tuple[str, ...],
    single: Collection[str],
) -> Mapping[str, Any]:
    """`single` are the claims that were asked for one by one. Raises: Unavailable."""
    return await _ask(server, "userinfo", client, user, scope, (client.client_id,), single)


async def _ask(
    server: AuthorizationServer,
    place: Place,
    client: ClientRegistration,
    user: User | None,
    scope: tuple[str, ...],
    audience: tuple[str, ...],
    single: Collection[str],
) -> Mapping[str, Any]:
    if server.hooks.claims is None:
        return {}
    question = ClaimsQuestion(
        place=place,
        client=client,
        person=None if user is None else person_of(user),
        scope=scope,
        audience=audience,
    )
    by_scope = {name for owner, names in CLAIMS_OF_SCOPE.items() if owner in scope for name in names}
    answer = await server.hooks.claims(question)
    return read_claims_answer(answer, place, frozenset(by_scope.union(single)), client.client_id)
