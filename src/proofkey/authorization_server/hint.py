"""id_token_hint: an ID token of our own that names a person or a session; it proves, so an expired one will do."""

from dataclasses import dataclass

from proofkey.authorization_server.keys import VERIFIED
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InvalidRequest, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.id_token import HEADER_TYPE
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import verify_compact
from proofkey.protocol.text import ClientId, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What the hint says."""

    sub: Subject
    client_id: ClientId
    sid: str | None


def read_hint(token: str, server: AuthorizationServer) -> Hint:
    """Verifies an id_token_hint: our signature, our issuer, one client, the type of an ID token. Its `exp` is not
    looked at (OIDC Core §3.1.2.2, OIDC RP-Initiated Logout §2).

    Raises: InvalidRequest.
    """
    try:
        verified = verify_compact(token, server.keys.published, VERIFIED)
        claims = parse_object(verified.payload)
    except (InvalidToken, ValueError) as error:
        reason = error.finding.id if isinstance(error, InvalidToken) else "payload"
        raise InvalidRequest(Finding.HINT_INVALID, reason=reason) from error
    if not isinstance(claims.get("exp"), int):
        raise InvalidRequest(Finding.HINT_INVALID, reason="no ID token")  # a JWT of UserInfo, for example
    sub, audience, sid = claims.get("sub"), claims.get("aud"), claims.get("sid")
    if verified.header.get("typ") != HEADER_TYPE or claims.get("iss") != server.policy.issuer:
        raise InvalidRequest(Finding.HINT_INVALID, reason="typ or iss")
    client_id = _only_one(audience)
    if not isinstance(sub, str) or client_id is None:
        raise InvalidRequest(Finding.HINT_INVALID, reason="sub or aud")
    return Hint(sub=Subject(sub), client_id=ClientId(client_id), sid=sid if isinstance(sid, str) else None)


def read_hint_subject(token: str, client_id: ClientId, server: AuthorizationServer) -> Subject:
    """Whom the client's hint names. Raises: InvalidRequest, also for another client's hint."""
    hint = read_hint(token, server)
    if hint.client_id != client_id:
        raise InvalidRequest(Finding.HINT_INVALID, reason="another client's")
    return hint.sub


def _only_one(audience: object) -> str | None:
    match audience:
        case str():
            return audience
        case [str() as only]:
            return only
        case _:
            return None
