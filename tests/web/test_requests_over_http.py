"""How requests come and answers go back, over HTTP: the pushed request's endpoint and the page of a form post."""

import base64
import hashlib
import json
import re
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from proofkey.authorization_server.policy import Policy
from proofkey.errors import InvalidRequestObject
from proofkey.protocol.jose import generate_signing_key
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.request_object import HEADER_TYPE, read_request_object
from proofkey.protocol.text import ClientId, Issuer
from proofkey.runtime.clock import system_clock
from proofkey.testing.headless import read_page
from proofkey.testing.tokens import compact_json, sign_exactly
from tests.web.asgi import FORM, Reply, ask
from tests.web.real_server import CALLBACK, CHALLENGE, NATIVE, SECRET, build_policy, build_server

BASIC = (b"authorization", b"Basic " + base64.b64encode(f"web:{SECRET}".encode()))
EVIL = '"><script>alert(1)</script>'
REQUEST = {
    "client_id": "web",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid",
    "state": "s1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
KEY = generate_signing_key("ES256", "k1")
JWKS = json.dumps({"keys": [KEY.public_jwk]})


def policy_with(**changes: Any) -> Policy:
    policy = build_policy()
    web, native = policy.clients
    loopback = replace(
        native, client_id=ClientId("loop"), redirect_uris=frozenset({"http://[::1]/cb", "http://127.0.0.1/cb"})
    )
    members: dict[str, Any] = {"clients": (replace(web, jwks=JWKS), native, loopback), **changes}
    return replace(policy, **members)


class Op:
    """A started server."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def push(self, *headers: tuple[bytes, bytes], method: str = "POST", **changes: str | None) -> Reply:
        form = {name: value for name, value in (REQUEST | changes).items() if value is not None}
        return await ask(self._app, method, "/par", FORM, *headers, body=urlencode(form).encode())

    async def ask(self, method: str, path: str, *headers: tuple[bytes, bytes], **more: Any) -> Reply:
        return await ask(self._app, method, path, *headers, **more)

    async def authorize(self, **changes: str | None) -> Reply:
        query = {name: value for name, value in (REQUEST | changes).items() if value is not None}
        return await self.ask("GET", "/authorize", query=urlencode(query).encode())


@asynccontextmanager
async def started(policy: Policy) -> AsyncGenerator[Op]:
    server = build_server(policy)
    async with server.running():
        yield Op(server.asgi())


@pytest.fixture
async def op() -> AsyncGenerator[Op]:
    async with started(policy_with()) as running:
        yield running


# --- the endpoint of pushed requests --------------------------------------------------------------------------


@pytest.mark.spec("9126-2.2-a", "6749-5.1-a / O21-3.2.3-a")
async def test_a_request_is_pushed(op: Op) -> None:
    reply = await op.push(BASIC)
    assert reply.status == 201
    assert (reply.headers["cache-control"], reply.headers["content-type"]) == ("no-store", "application/json")
    document = json.loads(reply.body)
    assert document.keys() == {"request_uri", "expires_in"}
    query = urlencode({"client_id": "web", "request_uri": document["request_uri"]}).encode()
    begun = await op.ask("GET", "/authorize", query=query)
    assert begun.status == 303
    assert begun.headers["location"].startswith("https://op.test/interaction/")
    again = await op.ask("POST", "/authorize", FORM, body=query)
    assert again.status == 303, "by POST as well, and a second time"


@pytest.mark.spec("9126-2.1-a", "9126-2.3-a", "V10-10.4.10")
async def test_what_the_endpoint_refuses(op: Op) -> None:
    get = await op.ask("GET", "/par", query=urlencode(REQUEST).encode())
    assert (get.status, get.headers["allow"]) == (405, "POST")
    large = await op.ask("POST", "/par", FORM, BASIC, body=b"a=" + b"x" * 1_000_000)
    assert large.status == 413
    as_json = await op.ask("POST", "/par", (b"content-type", b"application/json"), BASIC, body=b"{}")
    assert (as_json.status, json.loads(as_json.body)["error"]) == (400, "invalid_request")
    stranger = await op.push()
    assert (stranger.status, json.loads(stranger.body)["error"]) == (401, "invalid_client")
    assert "www-authenticate" not in stranger.headers
    wrong = await op.push((b"authorization", b"Basic " + base64.b64encode(b"web:nonsense")))
    assert (wrong.status, wrong.headers["www-authenticate"].split()[0]) == (401, "Basic")
    reference = await op.push(BASIC, request_uri="urn:ietf:params:oauth:request_uri:x")
    assert (reference.status, json.loads(reference.body)["error"]) == (400, "invalid_request")
    foreign = await op.push(BASIC, redirect_uri="https://evil.test/")
    assert (foreign.status, json.loads(foreign.body)["error"]) == (400, "invalid_request")
    for reply in (get, large, as_json, stranger, wrong, reference, foreign):
        assert reply.headers["content-type"] == "application/json"
        assert "location" not in reply.headers


@pytest.mark.spec("9126-2.3-a")
async def test_a_burst_is_stopped_for_a_while() -> None:
    async with started(policy_with(allow_insecure_no_throttles=False)) as op:
        statuses: set[int] = set()
        for _ in range(400):
            reply = await op.push(client_id="native", redirect_uri=NATIVE)
            statuses.add(reply.status)
            if reply.status == 429:
                assert int(reply.headers["retry-after"]) >= 1
        assert statuses == {201, 429}


async def test_without_the_feature_there_is_no_endpoint() -> None:
    async with started(policy_with(features=frozenset())) as op:
        assert (await op.push(BASIC)).status == 404
        metadata = json.loads((await op.ask("GET", "/.well-known/openid-configuration")).body)
        assert "pushed_authorization_request_endpoint" not in metadata


@pytest.mark.spec("9126-5-a")
async def test_the_metadata_name_the_endpoint(op: Op) -> None:
    for path in ("openid-configuration", "oauth-authorization-server"):
        metadata = json.loads((await op.ask("GET", f"/.well-known/{path}")).body)
        assert metadata["pushed_authorization_request_endpoint"] == "https://op.test/par"
        assert metadata["require_pushed_authorization_requests"] is False
        assert metadata["response_modes_supported"] == ["query", "form_post"]


@pytest.mark.spec("9126-4-a / 7.3", "9700-4.11.2-a")
async def test_a_request_uri_that_is_no_good_is_a_page(op: Op) -> None:
    uri = json.loads((await op.push(BASIC)).body)["request_uri"]
    for client_id, request_uri in (("native", uri), ("web", uri + "x"), ("nobody", uri)):
        query = urlencode({**REQUEST, "client_id": client_id, "request_uri": request_uri}).encode()
        reply = await op.ask("GET", "/authorize", query=query)
        assert (reply.status, read_page(reply.text)[0]) == (400, "error")
        assert "location" not in reply.headers


# --- the page of a form post ----------------------------------------------------------------------------------


@pytest.mark.spec("FP-2-a", "9700-4.16-a / V3-3.4.6", "9700-4.2.4-a")
async def test_an_answer_goes_back_by_a_form(op: Op) -> None:
    reply = await op.authorize(response_mode="form_post", prompt="none", state=EVIL)
    assert (reply.status, reply.headers["cache-control"]) == (200, "no-store")
    name, forms, _ = read_page(reply.text)
    assert name == "form-post"
    (form,) = forms
    assert form.action == CALLBACK
    assert form.fields["state"] == EVIL
    assert form.fields["error"] == "login_required"
    assert form.fields["iss"] == "https://op.test"
    assert EVIL not in reply.text
    policy = reply.headers["content-security-policy"]
    assert "form-action https://rp.test;" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert reply.headers["referrer-policy"] == "no-referrer"


@pytest.mark.spec("FP-2-a")
async def test_the_one_script_is_the_one_that_the_policy_names(op: Op) -> None:
    reply = await op.authorize(response_mode="form_post", prompt="none")
    (script,) = re.findall(r"<script>(.*?)</script>", reply.text)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in reply.headers["content-security-policy"]
    assert 'method="post"' in reply.text
    assert '<button type="submit">' in reply.text


async def test_an_address_that_no_policy_can_name_is_allowed_by_its_scheme(op: Op) -> None:
    reply = await op.authorize(
        client_id="loop", redirect_uri="http://[::1]:7/cb", response_mode="form_post", prompt="none"
    )
    assert "form-action http:;" in reply.headers["content-security-policy"]


@pytest.fixture(scope="module")
def fuzzed() -> Generator[Callable[[str, dict[str, str]], Reply]]:
    """Sends parameters to an endpoint of a server with every feature; one server for all examples."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        features = frozenset({"par", "jar", "jarm"})
        op = stack.enter_context(portal.wrap_async_context_manager(started(policy_with(features=features))))

        def send(path: str, sent: dict[str, str]) -> Reply:
            body = urlencode(sent, errors="surrogatepass").encode()
            return portal.call(lambda: op.ask("POST", path, FORM, BASIC, body=body))

        yield send


Send = Callable[[str, dict[str, str]], Reply]


@pytest.mark.spec("FP-2-a")
@settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(state=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
@example(state=EVIL)
def test_every_state_comes_back_unchanged(fuzzed: Send, state: str) -> None:
    reply = fuzzed("/authorize", {**REQUEST, "response_mode": "form_post", "prompt": "none", "state": state})
    assert reply.status == 200
    assert reply.text.count("<script") == 1
    (form,) = read_page(reply.text)[1]
    assert form.fields["state"] == state


# --- whatever is sent -----------------------------------------------------------------------------------------

CLIENT = ClientRegistration(client_id=ClientId("web"), jwks=JWKS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.dictionaries(
    st.sampled_from(
        [*REQUEST, "iss", "aud", "exp", "nbf", "iat", "sub", "resource", "max_age", "claims", "request", "\0"]
    ),
    JSON | st.sampled_from(["web", "https://op.test", 1, 2**53, [], ["https://api.test"]]),
    max_size=8,
)


def signed_text(payload: bytes) -> str:
    return sign_exactly(KEY, compact_json({"alg": "ES256", "kid": "k1", "typ": HEADER_TYPE}), payload)


def claims_now() -> dict[str, Any]:
    now = int(system_clock().now())
    return {**REQUEST, "iss": "web", "aud": "https://op.test", "exp": now + 60, "nbf": now}


@pytest.mark.spec("threats §2.20")
@settings(deadline=None, max_examples=200)
@given(changes=MEMBERS, raw=st.none() | st.binary(max_size=60), cut=st.integers(0, 400))
def test_whatever_a_request_object_holds(changes: dict[str, Any], raw: bytes | None, cut: int) -> None:
    payload = raw if raw is not None else json.dumps({**claims_now(), **changes}).encode()
    for token in (signed := signed_text(payload), signed[:cut]):
        try:
            pairs = read_request_object(token, CLIENT, issuer=Issuer("https://op.test"), now=system_clock().now())
        except InvalidRequestObject:
            continue
        urlencode(pairs).encode()
        assert {name for name, _ in pairs}.isdisjoint({"iss", "aud", "exp", "sub", "request", "request_uri"})


@pytest.mark.spec("threats §2.20", "9101-10.2-a")
@settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(members=MEMBERS, mode=st.sampled_from(["query", "form_post", "jwt", "form_post.jwt", "x"]))
def test_whatever_is_pushed_or_signed(fuzzed: Send, members: dict[str, Any], mode: str) -> None:
    claims = {**claims_now(), "response_mode": mode, "prompt": "none", **members}
    token = signed_text(json.dumps(claims).encode())
    own = {"client_id": "web", "request": token}
    plain = {name: str(value) for name, value in {**REQUEST, **members}.items()}
    for path, sent in (("/authorize", own), ("/par", own), ("/par", plain), ("/authorize", plain)):
        reply = fuzzed(path, sent)
        assert reply.status in (200, 201, 303, 400, 401), reply.text
        location = reply.headers.get("location", CALLBACK)
        assert location.startswith((CALLBACK, "https://op.test/interaction/")), location
