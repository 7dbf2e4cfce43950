"""Metadata: where it stands, whose it is, what of it may be used."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.metadata import (
    ProtectedResource,
    check_issuer,
    check_own_issuer,
    check_protected_resource,
    choose_resource,
    discovery_urls,
    parse_server_metadata,
    protected_resource_document,
    protected_resource_paths,
    resource_metadata_url,
    well_known_paths,
)
from proofkey.protocol.text import Issuer

ISSUER = "https://op.test"
DOCUMENT: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
}


def parse(changes: dict[str, Any] | None = None, issuer: str = ISSUER, *, keys_only: bool = False) -> Any:
    document = {name: value for name, value in {**DOCUMENT, **(changes or {})}.items() if value != "absent"}
    return parse_server_metadata(json.dumps(document).encode(), issuer, keys_only=keys_only)


@pytest.mark.spec("OD-4-a", "8414-3-a")
@pytest.mark.parametrize(
    ("issuer", "urls"),
    [
        (
            "https://op.test",
            (
                "https://op.test/.well-known/openid-configuration",
                "https://op.test/.well-known/oauth-authorization-server",
            ),
        ),
        (
            "https://acme.eu.auth0.com/",
            (
                "https://acme.eu.auth0.com/.well-known/openid-configuration",
                "https://acme.eu.auth0.com/.well-known/oauth-authorization-server",
            ),
        ),
        (
            "http://127.0.0.1:8000/idp/a",
            (
                "http://127.0.0.1:8000/idp/a/.well-known/openid-configuration",
                "http://127.0.0.1:8000/.well-known/oauth-authorization-server/idp/a",
                "http://127.0.0.1:8000/.well-known/openid-configuration/idp/a",
            ),
        ),
    ],
)
def test_discovery_urls(issuer: str, urls: tuple[str, ...]) -> None:
    assert discovery_urls(issuer) == urls


@pytest.mark.spec("OD-4-a", "8414-3-a")
def test_a_server_answers_wherever_a_client_looks() -> None:
    for origin, path in (("https://op.test", ""), ("https://op.test", "/idp"), ("https://op.test", "/a/b")):
        assert {url.removeprefix(origin) for url in discovery_urls(origin + path)} <= set(well_known_paths(path))
    assert well_known_paths("/") == (
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    )


@pytest.mark.parametrize(
    "issuer",
    [
        "https://op.test",
        "https://op.test/",
        "https://op.test:8443/a/b",
        "http://127.0.0.1:8000",
        "http://localhost:8000/idp",
        "http://[::1]:1/",
        "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
    ],
)
def test_issuer_that_may_be_configured(issuer: str) -> None:
    check_issuer(issuer)


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize(
    ("issuer", "finding"),
    [
        ("http://op.test", Finding.ISSUER_INSECURE),
        ("http://127.0.0.1.evil.test", Finding.ISSUER_INSECURE),
        ("http://192.168.0.1:8000", Finding.ISSUER_INSECURE),
        ("", Finding.CONFIG_VALUE),
        ("op.test", Finding.CONFIG_VALUE),
        ("//op.test", Finding.CONFIG_VALUE),
        ("ftp://op.test", Finding.CONFIG_VALUE),
        ("https://op.test?x=1", Finding.CONFIG_VALUE),
        ("https://op.test/?", Finding.CONFIG_VALUE),
        ("https://op.test#x", Finding.CONFIG_VALUE),
        ("https://a@op.test", Finding.CONFIG_VALUE),
        ("https://op.test\n", Finding.CONFIG_VALUE),
        ("https://öp.test", Finding.CONFIG_VALUE),
        ("HTTPS://op.test", Finding.CONFIG_VALUE),
    ],
)
def test_issuer_that_may_not(issuer: str, finding: Finding) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_issuer(issuer)
    assert refusal.value.finding is finding


@pytest.mark.parametrize("issuer", ["https://op.test", "http://localhost:8000/idp", "http://[::1]:8000/a/b-c"])
def test_our_own_issuer(issuer: str) -> None:
    check_own_issuer(issuer)


@pytest.mark.spec("OD-4.3-a", "X-host-a")
@pytest.mark.parametrize(
    "issuer",
    [
        "https://op.test/",
        "https://op.test/idp/",
        "https://OP.test",
        "https://op.test:443",
        "http://127.0.0.1:80/idp",
        "https://op.test/a//b",
        "https://op.test/a/../b",
        "https://op.test/%2e",
        "https://op.test/a?x=1",
        "http://op.test",
    ],
)
def test_our_own_issuer_is_spelled_as_browsers_spell_it(issuer: str) -> None:
    with pytest.raises(ConfigurationError):
        check_own_issuer(issuer)


@pytest.mark.spec("V16-16.2.5")
def test_a_password_in_an_issuer_is_not_told() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_issuer("https://ann:hunter2@op.test")
    assert "hunter2" not in str(refusal.value)


def test_silent_members_have_the_defaults_of_the_standards() -> None:
    metadata = parse()
    assert metadata.token_endpoint_auth_methods_supported == ("client_secret_basic",)
    assert metadata.grant_types_supported == ("authorization_code", "implicit")
    assert metadata.response_modes_supported == ("query", "fragment")
    assert metadata.code_challenge_methods_supported == ()
    assert not metadata.authorization_response_iss_parameter_supported
    assert metadata.userinfo_endpoint is None
    assert metadata.document == DOCUMENT


def test_what_the_document_says_is_read() -> None:
    metadata = parse(
        {
            "userinfo_endpoint": f"{ISSUER}/userinfo?tenant=1",
            "code_challenge_methods_supported": ["plain", "S256", 7],
            "authorization_response_iss_parameter_supported": True,
            "end_session_endpoint": None,
            "unknown": {"kept": True},
        }
    )
    assert metadata.userinfo_endpoint == f"{ISSUER}/userinfo?tenant=1"
    assert metadata.code_challenge_methods_supported == ("plain", "S256")
    assert metadata.authorization_response_iss_parameter_supported
    assert metadata.end_session_endpoint is None
    assert metadata.document["unknown"] == {"kept": True}


@pytest.mark.spec("OD-4.3-b", "OD-4.3-a")
@pytest.mark.parametrize(
    "issuer",
    [
        "https://op.test/",
        "https://OP.test",
        "https://op.test:443",
        "http://op.test",
        "https://evil.test",
        "",
        None,
        ["https://op.test"],
        "absent",
    ],
    ids=str,
)
def test_metadata_of_another_issuer_is_refused(issuer: object) -> None:
    with pytest.raises(Unavailable) as refusal:
        parse({"issuer": issuer})
    assert refusal.value.finding is Finding.METADATA_ISSUER
    assert refusal.value.facts["expected"] == ISSUER


@pytest.mark.spec("9700-2.6-e")
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "value",
    [
        "absent",
        None,
        "",
        7,
        [],
        "/token",
        "http://op.test/x",
        "http://127.0.0.1/x",
        "ftp://op.test",
        "file:///etc/passwd",
        "https://a@op.test/",
        "https://op.test/#x",
        "javascript:x",
    ],
    ids=str,
)
def test_endpoint_that_is_no_https_url_is_refused(name: str, value: object) -> None:
    with pytest.raises(Unavailable) as refusal:
        parse({name: value})
    assert refusal.value.finding is Finding.METADATA_MALFORMED


def test_optional_endpoint_is_judged_as_well() -> None:
    with pytest.raises(Unavailable):
        parse({"userinfo_endpoint": "http://op.test/userinfo"})


def test_an_issuer_on_loopback_may_have_plain_endpoints_on_loopback() -> None:
    issuer = "http://127.0.0.1:8000"
    document = {name: value.replace(ISSUER, issuer) for name, value in DOCUMENT.items()}
    assert parse(document, issuer).token_endpoint == f"{issuer}/token"
    with pytest.raises(Unavailable):
        parse({**document, "token_endpoint": "http://op.test/token"}, issuer)


def test_an_api_needs_the_keys_alone() -> None:
    without = {"authorization_endpoint": "absent", "token_endpoint": "absent"}
    assert parse(without, keys_only=True).jwks_uri == f"{ISSUER}/jwks"
    with pytest.raises(Unavailable):
        parse({**without, "jwks_uri": "absent"}, keys_only=True)


@given(
    st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from([*DOCUMENT, "scopes_supported", "userinfo_endpoint"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=20)
        | st.just(ISSUER)
        | st.lists(st.integers() | st.text(max_size=3), max_size=2),
    ).map(lambda changes: json.dumps(DOCUMENT | changes).encode())
)
def test_any_document_is_read_or_unavailable(body: bytes) -> None:
    try:
        metadata = parse_server_metadata(body, ISSUER)
    except Unavailable:
        return
    assert metadata.issuer == ISSUER
    assert metadata.token_endpoint.startswith("https://")


# --- protected resources -----------------------------------------------------------------------------------------

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def a_resource(**values: Any) -> ProtectedResource:
    return ProtectedResource(
        **{"resource": "https://api.test", "authorization_servers": (Issuer(ISSUER),), **values}
    )


@pytest.mark.spec("9728-3.1-a")
def test_protected_resource_document_leaves_empty_lists_out() -> None:
    assert protected_resource_document(a_resource()) == {
        "resource": "https://api.test",
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
    }


@pytest.mark.spec("9728-2", "9449-7.1", "8705-3.3")
def test_protected_resource_document_says_what_the_api_asks_for() -> None:
    resource = a_resource(
        scopes_supported=("orders:read", "orders:write"),
        resource_name="Orders",
        dpop_signing_alg_values_supported=("ES256",),
        dpop_bound_access_tokens_required=True,
        tls_client_certificate_bound_access_tokens=True,
        resource_documentation="https://api.test/docs",
    )
    assert protected_resource_document(resource) == {
        "resource": "https://api.test",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["orders:read", "orders:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Orders",
        "dpop_signing_alg_values_supported": ["ES256"],
        "dpop_bound_access_tokens_required": True,
        "tls_client_certificate_bound_access_tokens": True,
        "resource_documentation": "https://api.test/docs",
    }


@pytest.mark.spec("9728-5.1-a", "MCP26")
@pytest.mark.parametrize(
    ("scopes", "published"),
    [(("offline_access", "a"), ["a"]), (("offline_access",), None), ((), None)],
    ids=["beside another", "alone", "none"],
)
def test_protected_resource_document_never_names_offline_access(
    scopes: tuple[str, ...], published: list[str] | None
) -> None:
    assert protected_resource_document(a_resource(scopes_supported=scopes)).get("scopes_supported") == published


@pytest.mark.spec("9728-3.1-a")
@pytest.mark.parametrize(
    ("path", "paths"),
    [
        ("/orders/", (f"{WELL_KNOWN}/orders", WELL_KNOWN)),
        ("/a/b", (f"{WELL_KNOWN}/a/b", WELL_KNOWN)),
        ("/", (WELL_KNOWN,)),
        ("", (WELL_KNOWN,)),
    ],
)
def test_protected_resource_paths_are_the_inserted_and_the_bare_one(path: str, paths: tuple[str, ...]) -> None:
    assert protected_resource_paths(path) == paths


@pytest.mark.spec("9728-3.1-a")
@pytest.mark.parametrize(
    ("identifier", "url"),
    [
        ("https://api.test", f"https://api.test{WELL_KNOWN}"),
        ("https://api.test/", f"https://api.test{WELL_KNOWN}"),
        ("https://api.test/mcp", f"https://api.test{WELL_KNOWN}/mcp"),
        ("https://api.test/mcp/", f"https://api.test{WELL_KNOWN}/mcp/"),
        ("http://127.0.0.1:8000/mcp", f"http://127.0.0.1:8000{WELL_KNOWN}/mcp"),
        ("https://[2001:db8::1]/mcp", f"https://[2001:db8::1]{WELL_KNOWN}/mcp"),
    ],
)
def test_the_well_known_name_is_inserted_after_the_host(identifier: str, url: str) -> None:
    assert resource_metadata_url(identifier) == url


@pytest.mark.spec("9728-3.1-a")
@pytest.mark.parametrize(
    ("audience", "public_url", "chosen"),
    [
        (("https://api.test",), None, "https://api.test"),
        (("https://api.test",), "https://other.test", "https://api.test"),
        (("https://a.test", "https://b.test"), "https://b.test", "https://b.test"),
        (("api://orders", "https://b.test"), None, "https://b.test"),
        (("api://orders",), "https://api.test", "https://api.test"),
        (("7e1b6c1a-0b6e-4c8e-9a55-2f3c7a1e0d11",), None, None),
        (("http://api.test",), None, None),
        (("https://api.test?x=1",), None, None),
        (("https://api.test/%6d",), None, None),
        (("https://api.test#f",), None, None),
    ],
)
def test_the_identifier_that_the_metadata_name_is(
    audience: tuple[str, ...], public_url: str | None, chosen: str | None
) -> None:
    assert choose_resource(audience, public_url) == chosen


@pytest.mark.spec("9728-3.1-a", "9728-2")
@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"resource": "api://orders"}, "resource"),
        ({"resource": "http://api.test"}, "resource"),
        ({"resource": "https://api.test?x=1"}, "resource"),
        ({"resource": "https://api.test/%2e%2e"}, "resource"),
        ({"authorization_servers": ()}, "authorization_servers"),
        ({"authorization_servers": ("http://op.test",)}, "authorization_servers"),
        ({"jwks_uri": "http://api.test/jwks"}, "jwks_uri"),
        ({"resource_documentation": "docs.html"}, "resource_documentation"),
        ({"resource_policy_uri": "javascript:alert(1)"}, "resource_policy_uri"),
        ({"resource_tos_uri": "ftp://api.test"}, "resource_tos_uri"),
    ],
)
def test_a_protected_resource_is_refused_when(values: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_protected_resource(a_resource(**values))
    assert refused.value.facts["key"] == key


@pytest.mark.parametrize("value", ["code", {"code": 1}, 7, True])
def test_a_list_of_the_metadata_is_a_list(value: object) -> None:
    document = {
        "issuer": "https://op.test",
        "authorization_endpoint": "https://op.test/authorize",
        "token_endpoint": "https://op.test/token",
        "jwks_uri": "https://op.test/jwks",
        "response_types_supported": value,
    }
    with pytest.raises(Unavailable):
        parse_server_metadata(json.dumps(document).encode(), "https://op.test")
    document["response_types_supported"] = ["code"]
    read = parse_server_metadata(json.dumps(document).encode(), "https://op.test")
    assert read.response_types_supported == ("code",)
