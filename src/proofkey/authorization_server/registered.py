"""A client that registered itself becomes one in use."""

from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InteractionClosed
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant


async def keep_in_use(server: AuthorizationServer, client: ClientRegistration, now: Instant) -> None:
    """Before a consent is written: from then on the registration is kept.

    Raises: InteractionClosed when the client has deleted it meanwhile, or was forgotten.
    """
    if client.self_registered and not await server.store.keep_client(client.client_id, now):
        raise InteractionClosed(Finding.CLIENT_UNKNOWN, client_id=client.client_id[:64])
