"""Whatever is sent to any endpoint: an answer of OAuth or a page, never a fault, never a foreign Location."""

import json
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp

from proofkey.authorization_server.policy import SelfRegistration
from proofkey.authorization_server.pushed import REQUEST_URI
from proofkey.authorization_server.self_registration import MEMBERS
from proofkey.protocol.client_authentication import ASSERTION_TYPE
from proofkey.protocol.text import Secret
from proofkey.protocol.token_messages import ACCESS_TOKEN, DEVICE_CODE, TOKEN_EXCHANGE
from proofkey.runtime.clock import system_clock
from proofkey.runtime.entropy import system_entropy
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.passwords import PasswordPool
from proofkey.runtime.server_core import ServerCore
from proofkey.store.memory import MemoryServerStore
from proofkey.testing.client_certificate import make_client_certificate
from proofkey.web.pages import SUBMIT
from proofkey.web.server import Server
from tests.web.asgi import FORM, Reply, ask
from tests.web.real_server import AFTER_LOGOUT, API, CALLBACK, CHALLENGE, NATIVE, SECRET, VERIFIER, build_policy

READ_HEADERS = (b"accept", b"dpop", b"client-cert")
NOT_UTF8_PAYLOAD = "eyJhbGciOiJFUzI1NiJ9._w.AA"
CERTIFICATE = make_client_certificate().headers()["Client-Cert"].encode()
ENDPOINTS = [
    "/authorize",
    "/par",
    "/device-authorization",
    "/device",
    "/token",
    "/revoke",
    "/introspect",
    "/userinfo",
    "/jwks",
    "/end-session",
    "/signed-out",
    "/register",
    "/register/abcdefgh",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/interaction/{flow}",
    "/end-session/{flow}",
    "/static/x",
    "/",
]
NAMES = [
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
    "prompt", "max_age", "code_challenge", "code_challenge_method", "resource", "login_hint",
    "id_token_hint", "request", "request_uri", "grant_type", "code", "code_verifier",
    "refresh_token", "client_secret", "token", "token_type_hint", "access_token", "username",
    "password", "decision", "post_logout_redirect_uri", "ui_locales", "acr_values", "account",
    "claims", "authorization_details", "dpop_jkt", "client_assertion", "client_assertion_type",
    "subject_token", "subject_token_type", "requested_token_type", "audience", "actor_token",
    "device_code", "user_code",
]  # fmt: skip
VALUES = [
    "web", "native", "code", "token", "query", "fragment", "form_post", "openid", "none", "login", "0", "-1",
    "S256", "plain", "password", "ann", "allow", "deny", "a.b.c", "jwt", "form_post.jwt",
    *(ASSERTION_TYPE, ACCESS_TOKEN, TOKEN_EXCHANGE, REQUEST_URI, f"{REQUEST_URI}x", NOT_UTF8_PAYLOAD),
    *('{"id_token":{"sub":{"value":"\\u0000"}}}', '{"userinfo":{"email":{"values":[{},[],1e308]}}}', "{}", "[]"),
    *("tv", "BCDF-GHJK", DEVICE_CODE),
    *("authorization_code", "refresh_token", "client_credentials", "openid offline_access", "consent none"),
    *(CALLBACK, NATIVE, AFTER_LOGOUT, "https://evil.test/", "//evil.test", API, CHALLENGE, VERIFIER, SECRET),
    *("eyJhbGciOiJub25lIn0.e30.", "'", '"><script>', "\r\nSet-Cookie: a=b", "\x7f", "%00", " ", "\U0001f600"),
    *("9" * 400, "x" * 5000),
]  # fmt: skip
PAIRS = st.lists(
    st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), st.sampled_from(VALUES) | st.text()), max_size=12
)
ENCODED = PAIRS.map(lambda pairs: urlencode(pairs, errors="surrogatepass").encode())
BYTES = ENCODED | st.binary(max_size=400) | st.just(b"a=1&" * 60) | st.just(b"x" * 70_000)
HEADERS = st.lists(
    st.sampled_from(
        [
            FORM,
            (b"content-type", b"application/json"),
            (b"content-type", b"multipart/form-data; boundary=b"),
            (b"content-length", b"99999999999"),
            (b"content-length", b"-1"),
            (b"authorization", b"Basic d2ViOjAxMjM0NTY3ODlhYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ekFCQ0RFRg=="),
            (b"authorization", b"Basic \xff\xfe"),
            (b"authorization", b"Bearer a.b.c"),
            (b"authorization", b"Bearer "),
            (b"authorization", b""),
            (b"cookie", b"__Host-proofkey-sign-in=x; __Host-proofkey-sign-in=y"),
            (b"cookie", b"__Host-proofkey-sign-in=" + b"x" * 43),
            (b"cookie", b"\xff=\x00;;==;" * 20),
            (b"origin", b"https://evil.test"),
            (b"origin", b"null"),
            (b"sec-fetch-site", b"same-origin"),
            (b"accept", b"text/html"),
            (b"accept", b"application/token-introspection+jwt, ;q=, ,"),
            (b"dpop", b"a.b.c"),
            (b"dpop", b"\xff"),
            (b"client-cert", b":AAAA:"),
            (b"client-cert", CERTIFICATE),
            (b"client-cert", b"-----BEGIN CERTIFICATE-----%0a-----END CERTIFICATE-----"),
            (b"host", b"evil.test"),
            (b"x-forwarded-for", b"6.6.6.6, \xff"),
            (b"x-forwarded-host", b"evil.test"),
        ]
    )
    | st.tuples(
        st.sampled_from(
            [b"content-type", b"authorization", b"cookie", b"origin", b"accept", b"dpop", b"client-cert"]
        ),
        st.binary(max_size=60),
    ),
    max_size=5,
)
METHODS = st.sampled_from(["GET", "POST", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
ALLOWED = ("https://op.test/", CALLBACK, NATIVE, AFTER_LOGOUT)


class Target:
    """A started server, a portal into its event loop, and one flow that waits for its page."""

    def __init__(self, portal: BlockingPortal, app: ASGIApp) -> None:
        self._portal = portal
        self._app = app
        query = {"client_id": "web", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"}
        challenge = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        begun = self.ask("GET", "/authorize", [], urlencode({**query, **challenge}).encode(), b"")
        assert begun.status == 303, begun.text
        self.flow = begun.headers["location"].rpartition("/")[2]
        self.cookie = begun.headers["set-cookie"].partition(";")[0].encode()

    def ask(self, method: str, path: str, headers: list[tuple[bytes, bytes]], query: bytes, body: bytes) -> Reply:
        return self._portal.call(lambda: ask(self._app, method, path, *headers, query=query, body=body))


def everything() -> Server:
    """With every feature and behind a proxy that forwards certificates."""
    policy = build_policy(devices=True)
    features = policy.features | {"par", "jar", "jarm", "registration"}
    registration = SelfRegistration(allow_insecure_open=True)
    policy = replace(policy, features=features, client_certificates="verified", registration=registration)
    core = ServerCore(
        policy,
        MemoryServerStore(),
        clock=system_clock(),
        entropy=system_entropy,
        master_key=MasterKey(Secret("k" * 43)),
        passwords=PasswordPool(),
    )
    return Server(core, trusted_proxies=["203.0.113.0/24"], client_certificate_header="Client-Cert")


@pytest.fixture(scope="module")
def target() -> Generator[Target]:
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        server = everything()
        stack.enter_context(portal.wrap_async_context_manager(server.running()))
        yield Target(portal, server.asgi())


def check(reply: Reply, method: str) -> None:
    """The oracle."""
    assert reply.status < 500, reply.text
    assert reply.status not in (301, 302, 307, 308, 422)
    location = reply.headers.get("location", "")
    assert not location or location.startswith(ALLOWED), location
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "\n" not in location + reply.headers.get("set-cookie", "")
    kind = reply.headers.get("content-type", "")
    if reply.status >= 400 and kind == "application/json":
        document = json.loads(reply.body)
        assert document.keys() <= {"error", "error_description"}
        assert set(document["error_description"]) <= {chr(code) for code in range(0x20, 0x7F)} - {'"', "\\"}
    elif reply.status >= 400:
        assert kind == "text/html; charset=utf-8"
        assert b'<body data-page="' in reply.body
        assert reply.headers["content-security-policy"].endswith("frame-ancestors 'none'")
    assert reply.body.replace(f"<script>{SUBMIT}</script>".encode(), b"", 1).count(b"<script") == 0
    assert b"Traceback" not in reply.body
    assert method != "POST" or reply.status != 200 or "content-type" in reply.headers


@pytest.mark.spec("threats §2.20", "6749-5.2-a", "6749-4.1.2.1-a", "9700-4.11.2-a")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(method=METHODS, query=BYTES, body=BYTES, headers=HEADERS, own=st.booleans())
@example(method="POST", query=b"", body=b"username=ann&password=%00", headers=[FORM], own=True)
@example(method="POST", query=b"", body=b"decision=allow&decision=deny", headers=[FORM], own=True)
@example(method="POST", query=b"", body=b"username=" + b"%F0%9F%98%80" * 3000, headers=[FORM], own=True)
def test_whatever_is_sent(
    target: Target,
    endpoint: str,
    method: str,
    query: bytes,
    body: bytes,
    headers: list[tuple[bytes, bytes]],
    own: bool,
) -> None:
    sent = [FORM, (b"cookie", target.cookie), *headers] if own else headers
    check(target.ask(method, endpoint.format(flow=target.flow), sent, query, body), method)


@pytest.mark.spec("6749-3.2-a")
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=st.text(max_size=40).map(lambda text: f"/{text}"), method=METHODS)
def test_whatever_the_address(target: Target, path: str, method: str) -> None:
    check(target.ask(method, path, [], b"", b""), method)


@pytest.mark.spec("6749-4.1.2.1-a", "9700-4.11.2-a")
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    registered=st.sampled_from([("web", CALLBACK), ("native", NATIVE)]),
    change=st.text(min_size=1, max_size=12),
    where=st.integers(0, 40),
    rest=PAIRS,
)
def test_no_changed_redirect_uri_is_ever_a_location(
    target: Target, registered: tuple[str, str], change: str, where: int, rest: list[tuple[str, str]]
) -> None:
    client, uri = registered
    changed = uri[:where] + change + uri[where:]
    others = [pair for pair in rest if pair[0] not in ("redirect_uri", "client_id")]
    pairs = [("client_id", client), ("redirect_uri", changed), *others]
    reply = target.ask("GET", "/authorize", [], urlencode(pairs, errors="surrogatepass").encode(), b"")
    assert "location" not in reply.headers
    assert reply.status in (400, 413)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("endpoint", ["/authorize", "/token", "/revoke", "/end-session"])
@pytest.mark.spec("6749-3.1-a", "6749-3.2-a")
def test_a_parameter_that_stands_twice_is_never_taken(target: Target, endpoint: str, name: str) -> None:
    pairs = [
        *(("client_id", "web"), ("redirect_uri", CALLBACK), ("response_type", "code"), ("token", "t")),
        *(("code_challenge", CHALLENGE), ("code_challenge_method", "S256"), ("grant_type", "client_credentials")),
        *((name, "a"), (name, "b")),
    ]
    reply = target.ask("POST", endpoint, [FORM], b"", urlencode(pairs).encode())
    if name == "resource" and endpoint == "/authorize":
        assert reply.status == 303
        return
    assert reply.status in (303, 400, 401)
    if reply.status == 303:
        assert "error=invalid_request" in reply.headers["location"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(VALUES) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.spec("7591-3-a", "threats §2.37")
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(document=st.dictionaries(st.sampled_from(sorted(MEMBERS)), JSON, max_size=6), good=st.booleans())
def test_whatever_a_client_says_of_itself(target: Target, document: dict[str, object], *, good: bool) -> None:
    said = {"redirect_uris": [CALLBACK], **document} if good else document
    headers = [(b"content-type", b"application/json")]
    reply = target.ask("POST", "/register", headers, b"", json.dumps(said).encode())
    check(reply, "POST")
    if reply.status != 201:
        return
    told = json.loads(reply.body)
    path = f"/register/{told['client_id']}"
    opened = (b"authorization", b"Bearer " + told["registration_access_token"].encode())
    assert target.ask("GET", path, [opened], b"", b"").status == 200
    assert target.ask("DELETE", path, [opened], b"", b"").status == 204
