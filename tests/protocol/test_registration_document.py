"""Registrations: read, defaults, and a message that names the member."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.registration_document import parse_registration
from proofkey.protocol.secret_strength import check_secret_strength
from proofkey.protocol.text import Secret

ISSUER = "https://op.test"
SECRET = "q3Vn0uJ8mYwXk2Lr7TzB5cDs9EfGh1Ij"
WEB: dict[str, Any] = {
    "client_id": "web",
    "client_secret": SECRET,
    "redirect_uris": ["https://rp.test/auth/callback"],
}


def parse(**changes: Any) -> ClientRegistration:
    document = {name: value for name, value in {**WEB, **changes}.items() if value is not None}
    return parse_registration(document, issuer=ISSUER)


@pytest.mark.spec("X-secrets")
def test_silent_registration_has_the_defaults_of_the_standards() -> None:
    client = parse()
    assert client.client_id == "web"
    assert client.secret_digest == Secret(SECRET).digest()
    assert client.token_endpoint_auth_method == "client_secret_basic"
    assert client.application_type == "web"
    assert client.grant_types == {"authorization_code", "refresh_token"}
    assert client.response_types == {"code"}
    assert client.id_token_signed_response_alg == "RS256"
    assert (client.skip_consent, client.allow_insecure_without_pkce, client.disabled) == (False, False, False)
    assert SECRET not in repr(client)


def test_everything_said_is_read() -> None:
    client = parse(
        client_name="Orders é",
        application_type="native",
        redirect_uris=["http://127.0.0.1/cb", "com.example.app:/cb"],
        post_logout_redirect_uris=["https://rp.test/"],
        token_endpoint_auth_method="none",
        client_secret=None,
        grant_types=["authorization_code"],
        response_types=["code"],
        scope="openid orders:read",
        id_token_signed_response_alg="ES256",
        skip_consent=True,
        allow_insecure_without_pkce=True,
        disabled=True,
    )
    assert client.is_public
    assert client.secret_digest is None
    assert client.redirect_uris == {"http://127.0.0.1/cb", "com.example.app:/cb"}
    assert client.post_logout_redirect_uris == {"https://rp.test/"}
    assert client.scope == ("openid", "orders:read")
    assert (client.skip_consent, client.allow_insecure_without_pkce, client.disabled) == (True, True, True)


def test_keys_certificates_and_what_it_says_of_itself_are_read() -> None:
    said = {
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "jwks": {"keys": [{"kty": "EC", "crv": "P-256"}]},
        "dpop_bound_access_tokens": True,
        "backchannel_logout_uri": "https://rp.test/out",
        "client_uri": "https://rp.test/",
        "contacts": ["ann@rp.test"],
        "software_version": "7",
    }
    client = parse(client_secret=None, **said)
    assert client.jwks == '{"keys": [{"crv": "P-256", "kty": "EC"}]}'
    assert {name: getattr(client, name) for name in said if name not in ("jwks", "contacts")} == {
        name: value for name, value in said.items() if name not in ("jwks", "contacts")
    }
    assert client.contacts == ("ann@rp.test",)
    assert parse(client_secret=None, token_endpoint_auth_method="tls_client_auth").secret_digest is None


def test_the_secret_may_come_from_a_file() -> None:
    document = {"client_id": "web", "client_secret_file": "web.secret"}
    assert (
        parse_registration(document, issuer=ISSUER, secret=Secret(SECRET)).secret_digest == Secret(SECRET).digest()
    )


def test_machine_client_needs_no_redirect_uri() -> None:
    client = parse(redirect_uris=None, grant_types=["client_credentials"], scope="orders:read")
    assert client.grant_types == {"client_credentials"}


def test_while_the_issuer_is_on_loopback_web_clients_may_be_so_too() -> None:
    document = {**WEB, "redirect_uris": ["http://127.0.0.1:8501/auth/callback"]}
    assert parse_registration(document, issuer="http://localhost:8000").redirect_uris
    with pytest.raises(ConfigurationError) as refusal:
        parse_registration(document, issuer=ISSUER)
    assert refusal.value.finding is Finding.REDIRECT_URI_INSECURE
    assert refusal.value.facts["member"] == "redirect_uris"
    assert refusal.value.facts["client_id"] == "web"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"client_id": None}, "client_id"),
    ({"client_id": ""}, "client_id"),
    ({"client_id": "é"}, "client_id"),
    ({"client_id": "a\n"}, "client_id"),
    ({"client_id": "a" * 256}, "client_id"),
    ({"client_id": 7}, "client_id"),
    ({"client_secret": 7}, "client_secret"),
    ({"client_secret": None}, "client_secret"),
    ({"token_endpoint_auth_method": "none"}, "client_secret"),
    ({"token_endpoint_auth_method": "basic"}, "token_endpoint_auth_method"),
    ({"token_endpoint_auth_method": ["none"]}, "token_endpoint_auth_method"),
    ({"client_name": 7}, "client_name"),
    ({"client_name": "a\nb"}, "client_name"),
    ({"application_type": "desktop"}, "application_type"),
    ({"redirect_uris": "https://rp.test/cb"}, "redirect_uris"),
    ({"redirect_uris": [7]}, "redirect_uris"),
    ({"redirect_uris": ["https://rp.test/cb#x"]}, "redirect_uris"),
    ({"post_logout_redirect_uris": ["http://rp.test/"]}, "post_logout_redirect_uris"),
    ({"grant_types": ["password"]}, "grant_types"),
    ({"grant_types": ["implicit", "authorization_code"]}, "grant_types"),
    ({"grant_types": "authorization_code"}, "grant_types"),
    ({"grant_types": ["authorization_code"], "redirect_uris": None}, "redirect_uris"),
    (
        {"grant_types": ["client_credentials"], "token_endpoint_auth_method": "none", "client_secret": None},
        "grant_types",
    ),
    ({"response_types": ["token"]}, "response_types"),
    ({"response_types": ["code id_token"]}, "response_types"),
    ({"scope": ["openid"]}, "scope"),
    ({"scope": "a  b"}, "scope"),
    ({"id_token_signed_response_alg": "none"}, "id_token_signed_response_alg"),
    ({"id_token_signed_response_alg": "HS256"}, "id_token_signed_response_alg"),
    ({"skip_consent": "yes"}, "skip_consent"),
    ({"skip_consent": 1}, "skip_consent"),
    ({"allow_insecure_without_pkce": "true"}, "allow_insecure_without_pkce"),
]


@pytest.mark.spec("V10-10.4.4", "V10-10.4.11", "6749-4.4-a", "X-failclosed")
@pytest.mark.parametrize(("changes", "member"), BAD, ids=[str(changes) for changes, _ in BAD])
def test_the_refusal_names_the_member(changes: dict[str, Any], member: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse(**changes)
    assert refusal.value.facts["member"] == member
    assert member in str(refusal.value)


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"redirect_uri": "https://rp.test/cb"}, Finding.CONFIG_UNKNOWN_KEY),
        ({"Client_name": "x"}, Finding.CONFIG_UNKNOWN_KEY),
        ({"subject_type": "both"}, Finding.CLIENT_METADATA_BAD),
        ({"default_max_age": "1"}, Finding.CLIENT_METADATA_BAD),
        ({"default_max_age": True}, Finding.CLIENT_METADATA_BAD),
        ({"userinfo_signed_response_alg": "none"}, Finding.CLIENT_METADATA_BAD),
        ({"default_acr_values": "x"}, Finding.CLIENT_METADATA_BAD),
        ({"jwks": "keys"}, Finding.CLIENT_METADATA_BAD),
        ({"jwks": [1]}, Finding.CLIENT_METADATA_BAD),
        ({"backchannel_logout_uri": "http://rp.test/out"}, Finding.CLIENT_METADATA_BAD),
        ({"logo_uri": "https://rp.test/logo#x"}, Finding.CLIENT_METADATA_BAD),
        ({"tos_uri": "javascript:alert(1)"}, Finding.CLIENT_METADATA_BAD),
        ({"dpop_bound_access_tokens": "yes"}, Finding.CLIENT_METADATA_BAD),
        ({"contacts": "ann@op.test"}, Finding.CLIENT_METADATA_BAD),
        ({"token_endpoint_auth_method": "private_key_jwt"}, Finding.CLIENT_METADATA_BAD),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, Finding.CONFIG_NOT_BUILT),
        ({"id_token_encrypted_response_alg": "RSA-OAEP"}, Finding.CONFIG_NOT_BUILT),
    ],
)
def test_unknown_and_unbuilt_members_are_told_apart(changes: dict[str, Any], finding: Finding) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse(**changes)
    assert refusal.value.finding is finding


WEAK = [
    "",
    "short",
    "a" * 31,
    "a" * 32,
    "abc" * 20,
    "changeme-changeme-changeme-changeme",
    "Your-Secret-Goes-Here-0123456789abcdef",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "<PLACEHOLDER> 0123456789 0123456789 01",
]


@pytest.mark.spec("X-secrets", "X-failclosed")
@pytest.mark.parametrize("secret", WEAK, ids=lambda secret: f"{secret[:14]} {len(secret)}")
def test_short_secret_or_placeholder_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_secret_strength(Secret(secret), key="client_secret")
    assert refusal.value.finding is Finding.SECRET_WEAK
    assert len(secret) < 6 or secret not in str(refusal.value)
    if secret:
        with pytest.raises(ConfigurationError) as refusal:
            parse(client_secret=secret)
        assert refusal.value.finding is Finding.SECRET_WEAK


@pytest.mark.parametrize(
    "secret", [SECRET, "f00dfeed1234567890aacbdefe" * 2, "a passphrase of thirty-two letters, or more"]
)
def test_strong_secret_passes(secret: str) -> None:
    check_secret_strength(Secret(secret), key="client_secret")


odd_values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.lists(st.text(max_size=6) | st.integers(), max_size=2)
)


@given(
    st.dictionaries(
        st.sampled_from([*WEB, "scope", "grant_types", "application_type", "client_name", "skip_consent", "x"]),
        odd_values,
    )
)
def test_any_document_is_read_or_a_configuration_error(changes: dict[str, Any]) -> None:
    try:
        client = parse_registration(WEB | changes, issuer=ISSUER)
    except ConfigurationError:
        return
    assert client.client_id


@pytest.mark.parametrize("value", [["k"], "k", {"keys": [date(2026, 1, 1)]}, {"keys": [float]}])
def test_keys_that_are_no_json_are_refused_by_their_name(value: object) -> None:
    """A settings file can hold a date."""
    with pytest.raises(ConfigurationError) as refused:
        parse(jwks=value, client_secret=None, token_endpoint_auth_method="private_key_jwt")
    assert refused.value.facts["member"] == "jwks"
