"""Single rules, each called alone: what stands behind another check in a whole request is still a rule."""

from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.accounts.users import check_subject
from proofkey.authorization_server.authorize import check_grant_type as check_code_grant
from proofkey.authorization_server.client_certificate import check_certificate_members
from proofkey.authorization_server.client_document import check_client_document
from proofkey.authorization_server.grants.device_code import check_offered
from proofkey.authorization_server.grants.narrowing import check_grant_type
from proofkey.authorization_server.issuance import confirmation_of
from proofkey.authorization_server.records import NOBODY, Sender
from proofkey.authorization_server.registration import check_registration
from proofkey.errors import (
    ConfigurationError,
    InvalidRequest,
    OAuthError,
    UnauthorizedClient,
    Unavailable,
    UnsupportedGrantType,
)
from proofkey.protocol.access_token import build_access_token_claims
from proofkey.protocol.id_token import at_hash
from proofkey.protocol.jose import thumbprint
from proofkey.protocol.messages import parse_authorization_request
from proofkey.protocol.text import ClientId, Instant, Subject
from proofkey.protocol.token_messages import DEVICE_CODE
from proofkey.testing.tokens import key_for_tests
from tests.authorization_server.driver import ISSUER, POLICY, client, request

WEB = client("web")
GRANTS = ("authorization_code", "refresh_token", "client_credentials", DEVICE_CODE)


@pytest.mark.spec("V10-10.4.4", "6749-4.4-a")
@pytest.mark.parametrize("grant", GRANTS)
def test_a_grant_that_is_not_the_clients_is_refused(grant: str) -> None:
    check_grant_type(replace(WEB, grant_types=frozenset({grant})), grant)
    with pytest.raises(UnauthorizedClient):
        check_grant_type(replace(WEB, grant_types=frozenset(GRANTS) - {grant}), grant)


@pytest.mark.spec("V10-10.4.4")
def test_the_code_flow_is_for_clients_that_are_registered_for_it() -> None:
    asked = parse_authorization_request(tuple(request().items()))
    check_code_grant(asked, WEB)
    for other in (
        replace(WEB, grant_types=frozenset({"client_credentials"})),
        replace(WEB, response_types=frozenset()),
    ):
        with pytest.raises(UnauthorizedClient):
            check_code_grant(asked, other)


@pytest.mark.spec("8628-3.1..3.5")
def test_the_device_grant_is_unknown_while_it_is_off() -> None:
    pairs = (("grant_type", DEVICE_CODE),)
    check_offered(pairs, replace(POLICY, features=frozenset({"device"})))
    check_offered((("grant_type", "refresh_token"),), replace(POLICY, features=frozenset()))
    with pytest.raises(UnsupportedGrantType):
        check_offered(pairs, replace(POLICY, features=frozenset()))


@pytest.mark.spec("CIMD-4-a")
@pytest.mark.parametrize("text", ["", "[]", '"text"', "{", '{"a":1,"a":2}'])
def test_what_is_not_one_object_is_no_clients_document(text: str) -> None:
    check_client_document('{"client_id":"https://app.test/c"}')
    with pytest.raises(Unavailable):
        check_client_document(text)


@pytest.mark.spec("9700-4.15-a", "CIMD-6.4-b")
@pytest.mark.parametrize("client_id", ["", "x" * 256, "caf\u00e9", "a\nb", "https://app.test/client.json"])
def test_a_client_id_that_could_be_taken_for_another_thing_is_refused(client_id: str) -> None:
    check_registration(WEB, issuer=ISSUER)
    with pytest.raises(ConfigurationError):
        check_registration(replace(WEB, client_id=ClientId(client_id)), issuer=ISSUER)


@pytest.mark.spec("9700-4.15-a", "OC-2-a")
@pytest.mark.parametrize("sub", ["", "x" * 256, "caf\u00e9", "a\nb"])
def test_a_subject_that_no_token_can_carry_is_refused(sub: str) -> None:
    check_subject(Subject("x" * 255))
    with pytest.raises(ConfigurationError):
        check_subject(Subject(sub))


@pytest.mark.spec("V9-9.2.4", "9068-3-a", "9068-2.1-a")
def test_no_access_token_is_for_nobody() -> None:
    with pytest.raises(ValueError, match="audience"):
        build_access_token_claims(
            issuer=ISSUER,
            sub="s",
            client_id="web",
            audience=(),
            scope=(),
            now=Instant(1_800_000_000),
            lifetime=60,
            jti="j",
        )


@pytest.mark.spec("9068-3-a", "9700-2.3-a", "8707-2-a")
def test_a_token_is_for_one_api_that_is_known_or_for_the_issuer() -> None:
    assert POLICY.audience_of(()) == (POLICY.default_resource or POLICY.issuer,)
    (known, *_) = POLICY.resources
    assert POLICY.audience_of((known,)) == (known,)
    for asked in ((known, POLICY.issuer), ("https://unknown.test",)):
        with pytest.raises(OAuthError):
            POLICY.audience_of(asked)


@pytest.mark.spec("8705-2-a / 3-a")
@pytest.mark.parametrize(
    "changes",
    [
        {"token_endpoint_auth_method": "tls_client_auth"},
        {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "no name"},
        {
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": "CN=a",
            "tls_client_auth_san_dns": "a.test",
        },
        {"tls_client_auth_subject_dn": "CN=a"},
        {"token_endpoint_auth_method": "self_signed_tls_client_auth"},
    ],
    ids=["no name", "not of its form", "two names", "another method", "no certificate"],
)
def test_a_client_with_a_certificate_is_registered_with_one_way_to_know_it(changes: dict[str, Any]) -> None:
    check_certificate_members(WEB)
    named: dict[str, Any] = {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=a"}
    check_certificate_members(replace(WEB, **named))
    with pytest.raises(ConfigurationError):
        check_certificate_members(replace(WEB, **changes))


@pytest.mark.spec("9449-5-b")
def test_what_nobody_has_proven_a_key_for_names_none() -> None:
    assert confirmation_of(NOBODY) == {}
    assert confirmation_of(Sender(jkt="thumbprint")) == {"cnf": {"jkt": "thumbprint"}}


@pytest.mark.spec("OC-3.1.3.6-a")
def test_no_hash_is_made_up_for_an_algorithm_that_has_none() -> None:
    assert at_hash("token", "ES256")
    with pytest.raises(ValueError, match="algorithm"):
        at_hash("token", "none")


@pytest.mark.spec("F2-5.3.2.2-14")
def test_a_nonce_may_have_64_characters_and_not_thousands() -> None:
    assert parse_authorization_request(tuple(request(nonce="n" * 64).items())).nonce == "n" * 64
    with pytest.raises(InvalidRequest):
        parse_authorization_request(tuple(request(nonce="n" * 5000).items()))


@pytest.mark.spec("F2-5.4.2")
def test_a_kid_is_the_thumbprint_of_a_key_or_there_is_none() -> None:
    first, second = (key_for_tests("ES256", name).public_jwk for name in ("one", "two"))
    assert thumbprint(first) != thumbprint(second)
    with pytest.raises(ValueError, match="JWK"):
        thumbprint({"kty": "EC", "crv": "P-256"})
