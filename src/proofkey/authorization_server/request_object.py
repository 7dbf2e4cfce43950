"""Request objects (RFC 9101) at the server: whose keys prove them, and who must send them."""

from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.remote_keys import with_keys_for
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InvalidRequest, InvalidRequestObject
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.request_object import read_request_object
from proofkey.protocol.text import ClientId, Instant, Pairs, single


def has_request_object(pairs: Pairs, policy: Policy) -> bool:
    """Whether the request comes as an object, and objects are taken here."""
    return policy.offers("jar") and any(name == "request" and value for name, value in pairs)


def check_signed(client: ClientRegistration, *, signed: bool) -> None:
    """RFC 9101 §10.5: a client that is registered for request objects sends nothing else.

    Raises: InvalidRequest.
    """
    if client.require_signed_request_object and not signed:
        raise InvalidRequest(Finding.REQUEST_OBJECT_NEEDED, client_id=client.client_id)


async def open_request_object(
    server: AuthorizationServer, pairs: Pairs, now: Instant, *, client: ClientRegistration | None = None
) -> Pairs:
    """§5, §6: the parameters that the object holds, and none of those beside it but `client_id`, which must be the
    same in both. `client` is the one that has proven itself already.

    Raises: InvalidRequest, InvalidRequestObject; Unavailable when the client's keys cannot be had.
    """
    sent = single(tuple((name, value) for name, value in pairs if name in ("client_id", "request", "request_uri")))
    if "request_uri" in sent:
        raise InvalidRequest(Finding.REQUEST_URI_AND_OBJECT)
    if "client_id" not in sent:
        raise InvalidRequest(Finding.PARAMETER_MISSING, parameter="client_id")
    client_id = ClientId(sent["client_id"])
    signer = client or await server.store.find_client(client_id)
    if signer is None:
        raise InvalidRequestObject(Finding.CLIENT_UNKNOWN, client_id=client_id[:200])
    return read_request_object(
        sent["request"],
        await with_keys_for(server, signer, sent["request"]),
        issuer=server.policy.issuer,
        now=now,
        algorithms=server.policy.algorithms,
        dated=server.policy.is_fapi,
    )
