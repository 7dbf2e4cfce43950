"""Redirect and post-logout URIs: what may be registered, and what matches a registered one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import ConfigurationError, NoLocation
from proofkey.findings import Finding
from proofkey.protocol.redirect_uri import (
    check_post_logout_redirect_uri,
    check_redirect_uri,
    check_redirect_uri_syntax,
    origin_of,
)
from proofkey.protocol.registration import ApplicationType, ClientRegistration
from proofkey.protocol.text import ClientId

HTTPS = "https://op.test"
LOOPBACK = "http://127.0.0.1:8000"


def web(*uris: str) -> ClientRegistration:
    return ClientRegistration(
        client_id=ClientId("web"), redirect_uris=frozenset(uris), post_logout_redirect_uris=frozenset(uris)
    )


def native(*uris: str) -> ClientRegistration:
    return ClientRegistration(
        client_id=ClientId("cli"),
        application_type="native",
        token_endpoint_auth_method="none",
        redirect_uris=frozenset(uris),
        post_logout_redirect_uris=frozenset(uris),
    )


@pytest.mark.spec("O21-2.3-a", "9700-2.6-a")
@pytest.mark.parametrize(
    ("uri", "application_type", "issuer"),
    [
        ("https://rp.test/auth/callback", "web", HTTPS),
        ("https://rp.test", "web", HTTPS),
        ("https://rp.test/", "native", HTTPS),
        ("https://rp.test:8443/cb?a=1&b=%20x", "web", HTTPS),
        ("https://rp.test/a/b.c/..d/e..;x/%7Euser", "web", HTTPS),
        ("HTTPS://rp.test/cb", "web", HTTPS),
        ("https://[2001:db8::1]:8443/cb", "web", HTTPS),
        ("https://xn--bcher-kva.test/cb", "web", HTTPS),
        ("https://rp.test/cb?next=https://other.test/&codes=1", "web", HTTPS),
        ("http://127.0.0.1/cb", "native", HTTPS),
        ("http://127.0.0.1:4180/cb", "native", HTTPS),
        ("http://[::1]:4180/cb", "native", HTTPS),
        ("http://localhost/cb", "native", HTTPS),
        ("com.example.app:/cb", "native", HTTPS),
        ("com.example.app://oauth/cb", "native", HTTPS),
        ("http://127.0.0.1:8501/auth/callback", "web", LOOPBACK),
        ("http://localhost:8501/auth/callback", "web", "http://localhost:8000"),
        ("http://[::1]:8501/auth/callback", "web", "http://[::1]:8000/idp"),
    ],
)
def test_uri_that_may_be_registered(uri: str, application_type: ApplicationType, issuer: str) -> None:
    check_redirect_uri_syntax(uri, application_type=application_type, issuer=issuer)


@pytest.mark.spec("9700-2.6-a")
@pytest.mark.parametrize(
    ("uri", "application_type", "issuer"),
    [
        ("http://app.example/cb", "web", HTTPS),
        ("http://app.example/cb", "native", HTTPS),
        ("HTTP://app.example/cb", "native", HTTPS),
        ("http://127.0.0.1/cb", "web", HTTPS),
        ("http://localhost:8501/cb", "web", HTTPS),
        ("http://app.example/cb", "web", LOOPBACK),
        ("http://127.0.0.1.evil.test/cb", "native", HTTPS),
        ("http://localhost.evil.test/cb", "native", HTTPS),
        ("http://localhost./cb", "native", HTTPS),
        ("http://2130706433/cb", "native", HTTPS),
        ("http://0x7f.1/cb", "native", HTTPS),
        ("http://127.1/cb", "native", HTTPS),
        ("http://0.0.0.0/cb", "native", HTTPS),
        ("http://[::ffff:127.0.0.1]/cb", "native", HTTPS),
        ("http://[0:0:0:0:0:0:0:1]/cb", "native", HTTPS),
    ],
)
def test_plain_http_away_from_loopback_is_not_registered(
    uri: str, application_type: ApplicationType, issuer: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_redirect_uri_syntax(uri, application_type=application_type, issuer=issuer)
    assert refusal.value.finding is Finding.REDIRECT_URI_INSECURE


MALFORMED = {
    "empty": "",
    "relative": "/cb",
    "no scheme": "rp.test/cb",
    "scheme relative": "//rp.test/cb",
    "no slashes": "https:rp.test/cb",
    "one slash": "https:/rp.test/cb",
    "three slashes": "https:///rp.test/cb",
    "no host": "https://:443/cb",
    "fragment": "https://rp.test/cb#x",
    "empty fragment": "https://rp.test/cb#",
    "user": "https://rp.test@evil.test/cb",
    "user and password": "http://localhost:80@evil.test/cb",
    "user in capitals escaped": "https://rp.test%40evil.test/cb",
    "backslash in authority": "https://rp.test\\@evil.test/cb",
    "backslash in path": "https://rp.test/\\evil.test",
    "escaped backslash": "https://rp.test/%5cevil.test",
    "twice escaped backslash": "https://rp.test/%255Cevil.test",
    "line feed": "https://rp.test/cb\n",
    "carriage return inside": "https://rp.test/\rcb",
    "tab in scheme": "java\tscript:alert(1)",
    "NUL": "https://rp.test/\0cb",
    "delete": "https://rp.test/\x7fcb",
    "escaped NUL": "https://rp.test/%00cb",
    "escaped line feed": "https://rp.test/%0acb",
    "space before": " https://rp.test/cb",
    "space inside": "https://rp.test/c b",
    "non-ASCII host": "https://rp.tést/cb",
    "full-width host": "https://rp。test/cb",
    "non-ASCII path": "https://rp.test/é",
    "lone surrogate": "https://rp.test/\ud800",
    "dot segment": "https://rp.test/./cb",
    "dot dot segment": "https://rp.test/a/../cb",
    "dot dot at the end": "https://rp.test/a/..",
    "escaped dots": "https://rp.test/%2e%2e/cb",
    "one escaped dot": "https://rp.test/.%2E/cb",
    "twice escaped dots": "https://rp.test/%252e%252e/cb",
    "four times escaped dots": "https://rp.test/%25252525252e%25252525252e/cb",
    "escaped slash and dots": "https://rp.test/a%2f..%2fcb",
    "dots with parameters": "https://rp.test/a/..;/cb",
    "dot in a private-use URI": "com.example.app:/a/../cb",
    "escape cut short": "https://rp.test/%2",
    "escape of no digits": "https://rp.test/%zz",
    "escape in host": "https://rp%2etest/cb",
    "empty label": "https://rp..test/cb",
    "wildcard host": "https://*.rp.test/cb",
    "port empty": "https://rp.test:/cb",
    "port zero": "https://rp.test:0/cb",
    "port too large": "https://rp.test:65536/cb",
    "port of letters": "https://rp.test:80a/cb",
    "port with a sign": "https://rp.test:+80/cb",
    "two ports": "https://rp.test:80:90/cb",
    "address not closed": "http://[::1/cb",
    "address malformed": "http://[::1::]/cb",
    "address with zone": "http://[fe80::1%25eth0]/cb",
    "text after address": "http://[::1]x/cb",
    "many colons": "http://[" + ":" * 2000,
    "code in query": "https://rp.test/cb?code=x",
    "state in query": "https://rp.test/cb?a=1&state=x",
    "iss without value": "https://rp.test/cb?iss",
    "escaped error": "https://rp.test/cb?%65rror=x",
    "response in query": "https://rp.test/cb?response=x",
    "id_token in query": "https://rp.test/cb?id_token=x",
    "javascript": "javascript:alert(1)",
    "JaVaScRiPt": "JaVaScRiPt://rp.test/%0aalert(1)",
    "data": "data:text/html,x",
    "file": "file:///etc/passwd",
    "ftp": "ftp://rp.test/cb",
    "urn:ietf:wg:oauth:2.0:oob": "urn:ietf:wg:oauth:2.0:oob",
    "scheme without a dot": "myapp:/cb",
    "rootless private-use": "com.example.app:cb",
    "very long": "https://rp.test/" + "a" * 2040,
}


@pytest.mark.spec("X-redir-a", "O21-2.3-a", "9700-2.1-a")
@pytest.mark.parametrize("application_type", ["web", "native"])
@pytest.mark.parametrize("uri", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_uri_is_refused_at_registration_and_at_request(
    uri: str, application_type: ApplicationType
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_redirect_uri_syntax(uri, application_type=application_type, issuer=HTTPS)
    assert refusal.value.finding is Finding.REDIRECT_URI_MALFORMED
    client = native("http://127.0.0.1/cb") if application_type == "native" else web("https://rp.test/cb")
    for check in (check_redirect_uri, check_post_logout_redirect_uri):
        with pytest.raises(NoLocation):
            check(uri, client)


@pytest.mark.spec("X-redir-a")
def test_private_use_scheme_is_for_native_clients_only() -> None:
    with pytest.raises(ConfigurationError):
        check_redirect_uri_syntax("com.example.app:/cb", application_type="web", issuer=HTTPS)


REGISTERED = "https://rp.test/auth/callback?a=1"


@pytest.mark.spec("9700-2.1-a")
@pytest.mark.parametrize(
    "asked",
    [
        "https://rp.test/auth/callback",
        "https://rp.test/auth/callback?a=1&b=2",
        "https://rp.test/auth/callback?a=2",
        "https://rp.test/auth/callback/?a=1",
        "https://rp.test/auth/callback/x?a=1",
        "https://rp.test/auth/Callback?a=1",
        "https://RP.test/auth/callback?a=1",
        "HTTPS://rp.test/auth/callback?a=1",
        "http://rp.test/auth/callback?a=1",
        "https://rp.test:443/auth/callback?a=1",
        "https://rp.test./auth/callback?a=1",
        "https://rp.test/auth%2Fcallback?a=1",
        "https://rp.test//auth/callback?a=1",
        "https://rp.test/auth/callback;x?a=1",
        "https://rp.test/auth/c%61llback?a=1",
        "https://evil.test/auth/callback?a=1",
        "https://rp.test.evil.test/auth/callback?a=1",
        "https://rp.test/",
        "https://xrp.test/auth/callback?a=1",
        f"{REGISTERED} ",
        f"{REGISTERED}\n",
        f" {REGISTERED}",
        f"{REGISTERED}&",
        f"{REGISTERED} {REGISTERED}",
        f"{REGISTERED}#",
        "https://rp.test/auth/callback?%61=1",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("check", [check_redirect_uri, check_post_logout_redirect_uri])
def test_only_the_very_string_matches(check: object, asked: str) -> None:
    assert callable(check)
    for client in (web(REGISTERED), native(REGISTERED)):
        check(REGISTERED, client)
        with pytest.raises(NoLocation) as refusal:
            check(asked, client)
        assert refusal.value.finding in (
            Finding.REDIRECT_URI_UNREGISTERED,
            Finding.REDIRECT_URI_MALFORMED,
            Finding.POST_LOGOUT_URI_UNREGISTERED,
        )


@pytest.mark.parametrize("asked", [None, ""])
def test_missing_redirect_uri_is_refused(asked: str | None) -> None:
    with pytest.raises(NoLocation) as refusal:
        check_redirect_uri(asked, web(REGISTERED))
    assert refusal.value.finding is Finding.REDIRECT_URI_MISSING


@pytest.mark.spec("9700-4.1.3-a", "8252-7.3-a")
@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1:50001/cb"),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"),
        ("http://127.0.0.1:4180/cb?a=1", "http://127.0.0.1/cb?a=1"),
        ("http://[::1]/cb", "http://[::1]:50001/cb"),
        ("http://localhost/cb", "http://localhost:50001/cb"),
        ("http://127.0.0.1", "http://127.0.0.1:50001"),
    ],
)
def test_native_client_may_use_any_loopback_port(registered: str, asked: str) -> None:
    check_redirect_uri(asked, native("https://rp.test/cb", registered))
    check_post_logout_redirect_uri(asked, native(registered))


@pytest.mark.spec("9700-4.1.3-a", "8252-7.3-a")
@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1:50001/other"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50001/cb/"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50001/CB"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50001/cb?a=1"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50001/%63b"),
        ("http://127.0.0.1/cb", "http://localhost:50001/cb"),
        ("http://127.0.0.1/cb", "http://[::1]:50001/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.2:50001/cb"),
        ("http://127.0.0.1/cb", "https://127.0.0.1:50001/cb"),
        ("http://127.0.0.1/cb", "HTTP://127.0.0.1:50001/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50001@evil.test/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:050001/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:50001.evil.test/cb"),
        ("http://localhost/cb", "http://127.0.0.1:50001/cb"),
        ("http://localhost/cb", "http://LOCALHOST:50001/cb"),
        ("http://[::1]/cb", "http://[0:0:0:0:0:0:0:1]:50001/cb"),
        ("https://rp.test/cb", "https://rp.test:50001/cb"),
        ("https://localhost/cb", "https://localhost:50001/cb"),
        ("com.example.app:/cb", "com.example.app:/cb2"),
    ],
)
def test_the_port_is_free_and_nothing_else(registered: str, asked: str) -> None:
    with pytest.raises(NoLocation):
        check_redirect_uri(asked, native(registered))
    with pytest.raises(NoLocation):
        check_post_logout_redirect_uri(asked, native(registered))


@pytest.mark.spec("9700-2.1-a")
def test_the_port_of_a_web_client_is_matched_also_on_loopback() -> None:
    client = web("http://127.0.0.1:8501/cb")
    check_redirect_uri("http://127.0.0.1:8501/cb", client)
    with pytest.raises(NoLocation):
        check_redirect_uri("http://127.0.0.1:8502/cb", client)


@given(st.text(max_size=60) | st.from_regex(r"[a-z]{1,5}:/{0,3}[^/]{0,9}(:[0-9]{1,6})?/?.{0,20}", fullmatch=True))
def test_any_text_is_matched_exactly_or_refused(uri: str) -> None:
    for client in (web(REGISTERED), native(REGISTERED, "http://127.0.0.1/cb")):
        with pytest.raises(NoLocation):
            check_redirect_uri(uri, client)
    for application_type in ("web", "native"):
        try:
            check_redirect_uri_syntax(uri, application_type=application_type, issuer=HTTPS)
        except ConfigurationError:
            continue
        assert uri.isascii()
        assert not set("#\\@") & set(uri.partition("?")[0].partition("//")[2].partition("/")[0])


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://RP.test/cb?x=1", "https://rp.test"),
        ("https://rp.test:443/", "https://rp.test"),
        ("https://rp.test:8443/", "https://rp.test:8443"),
        ("http://127.0.0.1:80/", "http://127.0.0.1"),
        ("http://[::1]:8501/cb", "http://[::1]:8501"),
        ("com.example.App:/cb", "com.example.app:"),
    ],
)
def test_origin(uri: str, origin: str) -> None:
    assert origin_of(uri) == origin


@pytest.mark.parametrize("uri", ["", "/x", "rp.test", "https:", "https://a@b/", "https://rp.test/#x"])
def test_origin_of_no_uri_is_a_value_error(uri: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        origin_of(uri)
