"""What a client's registration must be."""

from typing import Any

import pytest

from proofkey.authorization_server.registration import check_registration
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from tests.authorization_server.driver import CLIENTS, ISSUER, PUBLIC, client


@pytest.mark.parametrize("registered", CLIENTS, ids=lambda registered: registered.client_id)
def test_the_clients_of_the_tests_are_good(registered: Any) -> None:
    check_registration(registered, ISSUER)


@pytest.mark.spec("9700-2.6-a", "O21-2.3-a", "X-redir-a", "6749-4.4-a", "V10-10.4.4", "CIMD-6.4-b")
@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"client_id": ""}, Finding.CLIENT_METADATA_BAD),
        ({"client_id": "é"}, Finding.CLIENT_METADATA_BAD),
        ({"client_id": "a\nb"}, Finding.CLIENT_METADATA_BAD),
        ({"client_id": "x" * 256}, Finding.CLIENT_METADATA_BAD),
        ({"client_id": "HTTPS://client.test/"}, Finding.CLIENT_METADATA_BAD),
        ({"secret_digest": None}, Finding.CLIENT_METADATA_BAD),
        ({"token_endpoint_auth_method": "none"}, Finding.CLIENT_METADATA_BAD),
        ({"token_endpoint_auth_method": "private_key_jwt"}, Finding.CLIENT_METADATA_BAD),
        ({"grant_types": frozenset({"password"})}, Finding.CLIENT_METADATA_BAD),
        ({**PUBLIC, "grant_types": frozenset({"client_credentials"})}, Finding.CLIENT_METADATA_BAD),
        ({"response_types": frozenset({"token"})}, Finding.CLIENT_METADATA_BAD),
        ({"id_token_signed_response_alg": "none"}, Finding.CLIENT_METADATA_BAD),
        ({"id_token_signed_response_alg": "HS256"}, Finding.CLIENT_METADATA_BAD),
        ({"redirect_uris": frozenset[str]()}, Finding.CLIENT_METADATA_BAD),
        ({"redirect_uris": frozenset({"http://rp.test/cb"})}, Finding.REDIRECT_URI_INSECURE),
        ({"redirect_uris": frozenset({"https://rp.test/cb#x"})}, Finding.REDIRECT_URI_MALFORMED),
        ({"post_logout_redirect_uris": frozenset({"https://a@rp.test/"})}, Finding.REDIRECT_URI_MALFORMED),
        ({"redirect_uris": frozenset({"JaVaScRiPt:alert(1)"})}, Finding.REDIRECT_URI_MALFORMED),
    ],
)
def test_a_registration_is_refused(changes: dict[str, Any], finding: Finding) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_registration(client(**{"client_id": "web", **changes}), ISSUER)
    assert refused.value.finding is finding
    assert "client_id" in refused.value.facts


def test_a_robot_needs_no_redirect_uri() -> None:
    check_registration(
        client("robot", grant_types=frozenset({"client_credentials"}), redirect_uris=frozenset()), ISSUER
    )
