"""Where a client sends the browser so that the provider's session ends too."""

from proofkey.client.config import LoginConfig
from proofkey.client.session import Session
from proofkey.protocol.messages import with_query
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import Pairs
from proofkey.protocol.uri import origin_of, split_uri


def sign_out_endpoint(config: LoginConfig, metadata: ServerMetadata) -> str | None:
    """The provider's address for that; None where it cannot be asked.

    Auth0's and Cognito's own are at the host where people sign in.
    """
    how, standard = config.dialect.logout, metadata.end_session_endpoint
    if how == "none":
        return None
    if how == "cognito":
        return origin_of(metadata.authorization_endpoint) + "/logout"
    if how == "auth0_v2" and standard is None:
        return origin_of(metadata.authorization_endpoint) + "/v2/logout"
    return standard


def build_end_session_url(
    config: LoginConfig, metadata: ServerMetadata, session: Session | None, *, state: str | None = None
) -> str | None:
    """OpenID RP-Initiated Logout §2, or the provider's own form, which brings no `state` back; None when the
    provider cannot be asked."""
    endpoint = sign_out_endpoint(config, metadata)
    if endpoint is None:
        return None
    back = _own_form(config, metadata)
    if back is not None:
        return with_query(endpoint, (("client_id", config.client_id), *_back(config, back)))
    pairs: Pairs = (("client_id", config.client_id),)
    if session is not None and session.tokens.id_token is not None:
        pairs = (("id_token_hint", session.tokens.id_token.reveal()), *pairs)
    pairs = (*pairs, *_back(config, "post_logout_redirect_uri"))
    if config.post_logout_redirect_uri is not None and state is not None:
        pairs = (*pairs, ("state", state))
    return with_query(endpoint, pairs)


def returns_state(config: LoginConfig, metadata: ServerMetadata | None) -> bool:
    """Whether the browser comes back with the state that was sent; with metadata that are not here, no."""
    if metadata is None:
        return False
    return sign_out_endpoint(config, metadata) is not None and _own_form(config, metadata) is None


def stays_signed_in_at(config: LoginConfig, metadata: ServerMetadata | None) -> str | None:
    """The name of the provider whose own session outlives a logout here, as far as that is known."""
    unasked = metadata is not None and sign_out_endpoint(config, metadata) is None
    if not unasked and config.dialect.logout != "none":
        return None
    return config.provider_name or split_uri(config.issuer).host


def _own_form(config: LoginConfig, metadata: ServerMetadata) -> str | None:
    """The parameter that names the way back, where it is not OpenID's."""
    if config.dialect.logout == "cognito":
        return "logout_uri"
    own = config.dialect.logout == "auth0_v2" and metadata.end_session_endpoint is None
    return "returnTo" if own else None


def _back(config: LoginConfig, name: str) -> Pairs:
    return () if config.post_logout_redirect_uri is None else ((name, config.post_logout_redirect_uri),)
