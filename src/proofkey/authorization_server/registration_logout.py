"""What back-channel logout adds to a client's registration (OIDC Back-Channel Logout §2.2)."""

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.redirect_uri import check_redirect_uri_syntax
from proofkey.protocol.registration import ClientRegistration


def check_logout(client: ClientRegistration, issuer: str) -> None:
    """An https URL without fragment, as for redirect URIs; http on loopback only while the issuer is that itself.

    Raises: ConfigurationError that names the client and the member.
    """
    uri = client.backchannel_logout_uri
    if uri is None:
        if client.backchannel_logout_session_required:
            reason = "there is no backchannel_logout_uri"
            raise _bad(client, "backchannel_logout_session_required", reason)
        return
    try:
        check_redirect_uri_syntax(uri, application_type="web", issuer=issuer)
    except ConfigurationError as error:
        reason = error.facts.get("reason") or error.finding.sentence
        raise _bad(client, "backchannel_logout_uri", reason) from error


def _bad(client: ClientRegistration, member: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        Finding.CLIENT_METADATA_BAD, client_id=client.client_id[:64], member=member, reason=reason
    )
