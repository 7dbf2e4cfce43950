"""What `Protect` puts together: issuers, introspection, bound tokens, metadata, events, settings."""

import logging
from base64 import b64encode
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request, Security
from starlette.testclient import TestClient

from proofkey.errors import ConfigurationError
from proofkey.fastapi import AccessToken, Introspection, Protect, TrustedIssuer
from proofkey.protocol.text import Secret
from proofkey.runtime.settings_model import ApiSettings
from proofkey.testing.client_certificate import ClientCertificate, make_client_certificate
from proofkey.testing.clock import TurnedClock
from proofkey.testing.dpop import DpopKey
from proofkey.testing.introspection_endpoint import CLIENT_ID, CLIENT_SECRET, IntrospectingIssuer
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer
from proofkey.testing.tokens_for import bearer
from proofkey.testing.transport import AsgiTransport
from tests.fastapi.api import METADATA, World, build_app
from tests.web.asgi import ask

URL = "https://api.test"
NONCE_SECRET = Secret("n" * 43)


class Bound(World):
    """An API that takes DPoP, and a client's key."""

    def __init__(self, dpop: str = "optional", **options: Any) -> None:
        super().__init__(dpop=dpop, public_url=URL, **options)
        self.key = DpopKey(clock=self.clock)

    def token(self, scope: str = "orders:read", **claims: Any) -> str:
        return self.issuer.token_for(scope=scope, cnf=self.key.cnf, **claims)


@pytest.mark.spec("9449-7.1-a", "9449-7.2-a")
def test_a_bound_token_needs_its_proof() -> None:
    world = Bound()
    with TestClient(world.app, base_url=URL) as client:
        token = world.token()
        headers = world.key.dpop_headers(token, "GET", f"{URL}/orders")
        assert client.get("/orders", headers=headers).json() == ["one"]
        assert client.get("/orders", headers=bearer(token)).status_code == 401
        other = DpopKey(clock=world.clock).dpop_headers(token, "GET", f"{URL}/orders")
        assert client.get("/orders", headers=other).status_code == 401
        assert (
            client.get("/orders", headers=bearer(world.issuer.token_for(scope="orders:read"))).status_code == 200
        )


@pytest.mark.spec("X-jti", "9449-11.1-a")
def test_a_proof_is_good_for_one_request_and_for_all_its_dependencies() -> None:
    world = Bound()
    with TestClient(world.app, base_url=URL) as client:
        headers = world.key.dpop_headers(world.token(roles=["admin"]), "GET", f"{URL}/both")
        assert client.get("/both", headers=headers).json() is True
        replayed = client.get("/both", headers=headers)
    assert replayed.status_code == 401
    assert 'DPoP error="invalid_dpop_proof"' in replayed.headers["www-authenticate"].replace("Bearer , ", "")


@pytest.mark.spec("9449-7.1-b")
def test_challenges_offer_both_schemes_and_tell_the_error_under_the_one_that_was_used() -> None:
    world = Bound()
    with TestClient(world.app, base_url=URL) as client:
        none = client.get("/whoami").headers["www-authenticate"]
        assert none.startswith(f'Bearer {METADATA}, DPoP {METADATA}, algs="ES256')
        assert "error" not in none
        bad = client.get("/whoami", headers={"authorization": "DPoP bad", "dpop": "x"}).headers["www-authenticate"]
        assert bad.partition("DPoP ")[2].startswith('error="invalid_token"')
        assert bad.startswith(f"Bearer {METADATA}, DPoP")
    required = Bound("required")
    answer = TestClient(required.app).get("/whoami", headers=bearer(required.issuer.token_for()))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('DPoP error="invalid_token"')


@pytest.mark.spec("9449-9-a")
@pytest.mark.parametrize("guarded", [False, True])
def test_a_new_nonce_comes_with_the_answer_when_the_old_one_gets_old(guarded: bool) -> None:
    world = Bound(dpop_nonces=NONCE_SECRET)
    if guarded:
        world.api.guard(world.app)
    with TestClient(world.app, base_url=URL) as client:
        token = world.token()

        def get(nonce: str | None) -> Any:
            headers = world.key.dpop_headers(token, "GET", f"{URL}/orders", nonce=nonce)
            return client.get("/orders", headers=headers)

        first = get(None)
        assert (first.status_code, "use_dpop_nonce" in first.headers["www-authenticate"]) == (401, True)
        nonce = first.headers["dpop-nonce"]
        good = get(nonce)
        assert (good.status_code, good.headers.get("dpop-nonce")) == (200, None)
        world.clock.turn(160)
        old = get(nonce)
        assert old.status_code == 200
        newer = old.headers["dpop-nonce"]
        assert newer != nonce
        assert old.headers["cache-control"] == "no-store"
        assert get(newer).headers.get("dpop-nonce") is None


@pytest.mark.spec("X-htu")
def test_the_address_of_a_proof_is_the_configured_one_whatever_host_says() -> None:
    world = Bound()
    with TestClient(world.app, base_url="https://evil.test") as client:
        proof = world.key.dpop_headers(world.token(), "GET", "https://evil.test/orders")
        assert client.get("/orders", headers=proof).status_code == 401
        proof = world.key.dpop_headers(world.token(), "GET", f"{URL}/orders")
        assert client.get("/orders", headers=proof).status_code == 200


@pytest.mark.spec("9449-7.1-a")
def test_a_websocket_takes_a_proof_too() -> None:
    world = Bound()
    headers = world.key.dpop_headers(world.token(sub="ann"), "GET", f"{URL}/ws")
    with TestClient(world.app, base_url=URL).websocket_connect("/ws", headers=headers) as socket:
        assert socket.receive_json() == {"sub": "ann"}


def test_remembered_tokens_need_their_proof_each_time() -> None:
    world = Bound(remember_tokens=10)
    token = world.token()
    with TestClient(world.app, base_url=URL) as client:
        for _ in range(2):
            headers = world.key.dpop_headers(token, "GET", f"{URL}/orders")
            assert client.get("/orders", headers=headers).status_code == 200
            assert client.get("/orders", headers=headers).status_code == 401
            assert client.get("/orders", headers=bearer(token)).status_code == 401


@pytest.mark.spec("8705-3-b", "9700-4.13-a", "X-failclosed")
@pytest.mark.parametrize(
    "options",
    [
        {"mtls": True},
        {"mtls": True, "trusted_proxies": ["127.0.0.1/32"]},
        {"mtls": True, "client_certificate_header": "Client-Cert"},
        {"client_certificate_header": "Client-Cert"},
        {"mtls": True, "trusted_proxies": ["0.0.0.0/0"], "client_certificate_header": "Client-Cert"},
        {"dpop": "optional"},
        {"dpop": "sometimes", "public_url": URL},
        {"dpop": "optional", "public_url": URL, "replay_store": "mongodb://x"},
        {"dpop": "optional", "public_url": URL, "dpop_nonces": Secret("short")},
        {"dpop_nonces": NONCE_SECRET},
        {"public_url": "http://api.example"},
        {"scope_hierarchy": {"a": ["a"]}},
        {"tenants": ["x"]},
        {"issuers": [TrustedIssuer(issuer=ISSUER)]},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_at_the_start(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Protect(issuer="https://id.example", audience=AUDIENCE, **options)


@pytest.mark.spec("8725b-3.8-a")
def test_several_issuers_each_with_its_own_keys() -> None:
    clock = TurnedClock()
    one, two = LocalIssuer("https://one.test", clock=clock), LocalIssuer("https://two.test", clock=clock)
    wire = AsgiTransport({one.url: one, two.url: two})
    until = datetime.fromtimestamp(clock.now() + 1000, UTC)
    api = Protect(
        issuers=[TrustedIssuer(issuer=one.url), TrustedIssuer(issuer=two.url, until=until)],
        audience=AUDIENCE,
        transport=wire,
        clock=clock,
    )
    with TestClient(build_app(api)) as client:
        statuses = [
            client.get("/whoami", headers=bearer(token)).status_code
            for token in (
                one.token_for(),
                two.token_for(),
                one.token_for(key=two.keys[0]),
                LocalIssuer("https://three.test", clock=clock).token_for(),
            )
        ]
        assert statuses == [200, 200, 401, 401]
        document = client.get("/.well-known/oauth-protected-resource").json()
        assert document["authorization_servers"] == [one.url, two.url]
        clock.turn(1001)
        assert client.get("/whoami", headers=bearer(two.token_for())).status_code == 401
        assert client.get("/whoami", headers=bearer(one.token_for())).status_code == 200


@pytest.mark.spec("9728-3.1-a", "9728-5.1-a")
def test_the_metadata_say_what_the_api_asks_for() -> None:
    world = Bound(scopes={"orders:read": "Read"}, resource_name="Orders")
    with TestClient(world.app) as client:
        document = client.get("/.well-known/oauth-protected-resource").json()
    assert document["resource"] == URL
    assert document["authorization_servers"] == [ISSUER]
    assert document["scopes_supported"] == ["orders:read", "orders:write", "admin", "users:read"]
    assert document["resource_name"] == "Orders"
    assert document["dpop_signing_alg_values_supported"][0] == "ES256"
    assert document["bearer_methods_supported"] == ["header"]


def test_an_api_whose_name_is_no_url_has_no_metadata() -> None:
    world = World()
    api = Protect(issuer=ISSUER, audience="api://orders", transport=world.wire, clock=world.clock)
    with TestClient(build_app(api)) as client:
        assert client.get("/.well-known/oauth-protected-resource").status_code == 404
        assert client.get("/whoami").headers["www-authenticate"] == "Bearer"


def test_a_mounted_application_names_the_metadata_that_the_outer_one_publishes() -> None:
    world = World()
    outer = FastAPI(lifespan=world.api.lifespan)
    outer.mount("/v1", world.app)
    with TestClient(outer) as client:
        assert METADATA in client.get("/v1/orders").headers["www-authenticate"]
        assert client.get("/.well-known/oauth-protected-resource").status_code == 200


@pytest.mark.spec("V16-16.3.1")
def test_acceptances_are_told_once_per_request_where_that_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "proofkey")
    for wanted in (True, False):
        caplog.clear()
        world = World(log_acceptances=wanted)
        token = world.issuer.token_for(scope="orders:read", roles=["admin"], sub="ann")
        client = TestClient(world.app)
        assert client.get("/both", headers=bearer(token)).status_code == 200
        assert client.get("/both", headers=bearer(world.issuer.token_for(scope="x"))).status_code == 403
        told = [vars(record)["proofkey"] for record in caplog.records if hasattr(record, "proofkey")]
        accepted = [event for event in told if event["event"] == "api.admitted"]
        assert [(event["sub"], event["path"]) for event in accepted] == ([("ann", "/both")] if wanted else [])
        assert not any(part in caplog.text for part in token.split("."))


@pytest.mark.spec("MCP25-pass")
def test_the_received_token_can_be_had_for_an_exchange_and_is_a_secret() -> None:
    world = World()
    seen: list[Secret] = []

    @world.app.get("/call")
    async def call(request: Request, token: Annotated[AccessToken, Security(world.api)]) -> str:
        seen.append(world.api.received_token(request))
        return "done"

    token = world.issuer.token_for()
    TestClient(world.app).get("/call", headers=bearer(token))
    assert seen == [Secret(token)]
    assert token not in repr(seen)


def test_the_configuration_file_gives_every_keyword() -> None:
    settings = ApiSettings.model_validate(
        {
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "public_url": URL,
            "dpop": "required",
            "scope_hierarchy": {"orders:admin": ["orders:read"]},
            "resource_name": "Orders",
        }
    )
    world = Bound()
    api = Protect.from_settings(settings, transport=world.wire, clock=world.clock, realm="orders")
    with TestClient(build_app(api), base_url=URL) as client:
        headers = world.key.dpop_headers(world.token("orders:admin"), "GET", f"{URL}/orders")
        assert client.get("/orders", headers=headers).status_code == 200
        assert client.get("/orders").headers["www-authenticate"].startswith('DPoP realm="orders"')
        assert client.get("/.well-known/oauth-protected-resource").json()["resource_name"] == "Orders"


@pytest.mark.parametrize(
    ("dialect", "expected"), [("rfc9068", '"resource":'), ("auth0", '"audience":'), ("keycloak", "{}")]
)
def test_the_documentation_page_asks_for_a_token_as_the_provider_wants_it(dialect: str, expected: str) -> None:
    issuer = LocalIssuer(dialect=dialect)
    api = Protect(
        issuer=issuer.url, audience=AUDIENCE, transport=issuer.transport, dialect=dialect, docs_client_id="docs"
    )
    app = FastAPI(lifespan=api.lifespan)
    with TestClient(app) as client:
        page = client.get("/docs").text
    parameters = page.partition('"additionalQueryStringParams":')[2][:40]
    assert parameters.strip().startswith("{" if expected != "{}" else "{}")
    assert expected in parameters


def test_the_openapi_document_offers_dpop() -> None:
    def security(world: World) -> Any:
        with TestClient(world.app) as client:
            document = client.get("/openapi.json").json()
        return document["paths"]["/orders"]["get"]["security"], document["components"]["securitySchemes"]

    optional, schemes = security(Bound())
    assert optional == [{"oauth2": ["orders:read"]}, {"oauth2-dpop": []}]
    assert (schemes["oauth2-dpop"]["type"], schemes["oauth2-dpop"]["scheme"]) == ("http", "DPoP")
    required, schemes = security(Bound("required"))
    assert required == [{"oauth2": ["orders:read"], "oauth2-dpop": []}]
    assert schemes["oauth2"]["description"] == f"Access tokens of {ISSUER}, bound to a key (DPoP, RFC 9449)."


def test_the_openapi_document_lists_scopes_of_rules() -> None:
    world = World()

    @world.app.get("/rule", dependencies=[Depends(world.api.require(scopes=["orders:audit"], roles=["admin"]))])
    async def rule() -> str:
        return "x"

    with TestClient(world.app) as client:
        document = client.get("/openapi.json").json()
        assert client.get("/openapi.json").json() == document
    assert document["paths"]["/rule"]["get"]["security"] == [{"oauth2": ["orders:audit"]}]
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"]
    assert "orders:audit" in flow["scopes"]


@pytest.mark.spec("7662-rs")
def test_an_opaque_token_is_asked_about_at_the_issuer() -> None:
    clock = TurnedClock()
    issuer = IntrospectingIssuer(clock=clock)
    api = Protect(
        issuer=issuer.url,
        audience=AUDIENCE,
        transport=issuer.transport,
        clock=clock,
        introspection=Introspection(client_id=CLIENT_ID, client_secret=CLIENT_SECRET),
    )
    client = TestClient(build_app(api))
    token = issuer.opaque_token_for(scope="orders:read", sub="ann")
    for _ in range(3):
        assert client.get("/orders", headers=bearer(token)).status_code == 200
    assert len(issuer.questions) == 1
    assert client.get("/report", headers=bearer(token)).status_code == 403
    assert client.get("/orders", headers=bearer("foreign")).status_code == 401


@pytest.mark.spec("8705-3-b", "9700-4.13-a")
async def test_a_certificate_bound_token_needs_the_certificate_from_a_trusted_proxy() -> None:
    certificate, other = make_client_certificate("client"), make_client_certificate("other")
    world = World(mtls=True, trusted_proxies=["192.0.2.7/32"], client_certificate_header="Client-Cert")
    bound = world.issuer.token_for(scope="orders:read", cnf=certificate.cnf)
    proxy, stranger = ("192.0.2.7", 1), ("203.0.113.9", 1)

    async def status(peer: tuple[str, int], shown: ClientCertificate | None, token: str = bound) -> int:
        headers = [(b"host", b"api.test"), (b"authorization", f"Bearer {token}".encode())]
        if shown is not None:
            headers.append((b"client-cert", b":" + b64encode(shown.der) + b":"))
        return (await ask(world.app, "GET", "/orders", *headers, client=peer)).status

    assert await status(proxy, certificate) == 200
    assert await status(proxy, other) == 401
    assert await status(proxy, None) == 401
    assert await status(stranger, certificate) == 401
    assert await status(stranger, None, world.issuer.token_for(scope="orders:read")) == 200


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
