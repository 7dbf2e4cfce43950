"""Where a client sends the browser so that the provider's session ends too."""

from urllib.parse import urlencode, urlsplit, urlunsplit

from proofkey.client.config import LoginConfig
from proofkey.client.session import Session
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import Pairs


def build_end_session_url(
    config: LoginConfig, metadata: ServerMetadata, session: Session | None, *, state: str | None = None
) -> str | None:
    """OpenID RP-Initiated Logout §2; None when the provider has no such endpoint."""
    endpoint = metadata.end_session_endpoint
    if endpoint is None:
        return None
    pairs: Pairs = (("client_id", config.client_id),)
    if session is not None and session.tokens.id_token is not None:
        pairs = (("id_token_hint", session.tokens.id_token.reveal()), *pairs)
    if config.post_logout_redirect_uri is not None:
        pairs = (*pairs, ("post_logout_redirect_uri", config.post_logout_redirect_uri))
        if state is not None:
            pairs = (*pairs, ("state", state))
    parts = urlsplit(endpoint)
    query = "&".join(part for part in (parts.query, urlencode(pairs)) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
