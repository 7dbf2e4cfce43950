import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, HTTPException, Request, Security
from fastapi.responses import PlainTextResponse
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from proofkey.errors import ConfigurationError
from proofkey.fastapi import AccessToken, Protect, Refused
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer
from proofkey.protocol.jose import generate_signing_key
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer
from proofkey.testing.tokens import TokenMaker, compact_json, key_for_tests, sign_exactly
from proofkey.testing.tokens_for import TokensFor, bearer
from tests.fastapi.api import INVALID_TOKEN, METADATA, World, build_app, challenge

INVALID = {"error": "invalid_token", "error_description": "The access token is not valid."}
INVALID_CHALLENGE = challenge(INVALID_TOKEN, scope="orders:read")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with TestClient(world.app) as client:
        yield client


@pytest.fixture
def token_for(world: World) -> TokensFor:
    return TokensFor(world.issuer)


def test_a_token_with_the_scope_opens_the_operation(client: TestClient, token_for: TokensFor) -> None:
    assert client.get("/open").json() == "hello"
    assert client.get("/orders", headers=token_for(scope="orders:read")).json() == ["one"]
    assert client.get("/whoami", headers=token_for(scope="a b", sub="ann")).json() == {
        "sub": "ann",
        "scope": ["a", "b"],
    }


@pytest.mark.spec("6750-3-a")
@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/whoami", ""),
        ("/orders", "orders:read"),
        ("/report", ""),
        ("/both", "orders:read"),
        ("/mine", ""),
        ("/admin/users", "admin users:read"),
    ],
)
def test_no_credentials_get_a_challenge_without_error_and_an_empty_body(
    client: TestClient, path: str, scope: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["www-authenticate"] == challenge(scope=scope)


@pytest.mark.spec("6750-2.1-a")
def test_a_token_in_the_query_opens_nothing(client: TestClient, world: World) -> None:
    token = world.issuer.token_for(scope="orders:read")
    assert client.get("/orders", params={"access_token": token}).status_code == 401
    both = client.get("/orders", params={"access_token": token}, headers=bearer(token))
    assert both.status_code == 400


@pytest.mark.spec("6750-2.1-a")
def test_a_token_in_the_body_opens_nothing(client: TestClient, world: World) -> None:
    token = world.issuer.token_for(scope="orders:read orders:write")
    assert client.post("/orders?item=x", data={"access_token": token}).status_code == 401


@pytest.mark.spec("6750-2-b")
def test_two_authorization_headers_are_a_bad_request(client: TestClient, world: World) -> None:
    token = f"Bearer {world.issuer.token_for(scope='orders:read')}"
    answer = client.get("/orders", headers=[("authorization", token), ("authorization", token)])
    assert answer.status_code == 400
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_request"')
    assert answer.json() == {"error": "invalid_request", "error_description": "The request is malformed."}


@pytest.mark.spec("6750-3-a", "6750-3-b")
@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer a b", 'Bearer "x"', "Bearer a,b"])
def test_a_malformed_header_is_a_bad_request(client: TestClient, value: str) -> None:
    assert client.get("/orders", headers={"authorization": value}).status_code == 400


@pytest.mark.spec("6750-3-a", "MCP26-scopes")
def test_a_missing_scope_is_named_with_all_that_the_operation_needs(
    client: TestClient, token_for: TokensFor
) -> None:
    answer = client.post("/orders", params={"item": "x"}, headers=token_for(scope="orders:read"))
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"] == (
        'Bearer error="insufficient_scope", error_description="The access token does not allow this.", '
        f'scope="orders:read orders:write", {METADATA}'
    )
    assert answer.json()["error"] == "insufficient_scope"


@pytest.mark.spec("6750-3-a")
def test_a_forged_token_is_refused_before_its_scope_is_looked_at(client: TestClient, world: World) -> None:
    forged = world.issuer.token_for(key=generate_signing_key("ES256", world.issuer.keys[0].kid))
    answer = client.get("/orders", headers=bearer(forged))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, INVALID_CHALLENGE)


def maker(issuer: LocalIssuer, **changes: Any) -> TokenMaker:
    return TokenMaker(issuer.keys[-1], issuer=issuer.url, now=issuer.clock.now(), **changes)


HOSTILE: dict[str, Callable[[TokenMaker], str]] = {
    "opaque": lambda make: "opaque",
    "without signature": lambda make: make.access_token().rpartition(".")[0] + ".",
    "alg none": lambda make: make.access_token({"alg": "none"}).rpartition(".")[0] + ".",
    "alg none, signed": lambda make: make.access_token({"alg": "none"}),
    "HS256": lambda make: make.access_token({"alg": "HS256"}),
    "padded": lambda make: make.access_token() + "=",
    "cut": lambda make: make.access_token()[:-2],
    "signature of another token": lambda make: (
        make.access_token().rpartition(".")[0] + "." + make.access_token(sub="x").rpartition(".")[2]
    ),
    "four parts": lambda make: make.access_token() + ".x",
    "JWE": lambda make: "a.b.c.d.e",
    "ID token": lambda make: make.id_token(),
    "logout token": lambda make: make.access_token({"typ": "logout+jwt"}),
    "DPoP proof": lambda make: make.access_token({"typ": "dpop+jwt"}),
    "client assertion": lambda make: make.access_token({"typ": "client-authentication+jwt"}),
    "without typ": lambda make: make.access_token({"typ": None}),
    "another issuer's key": lambda make: replace(make, key=key_for_tests("ES256", make.key.kid)).access_token(),
    "kid is a path": lambda make: make.access_token({"kid": "../../../dev/null"}),
    "kid is a URL": lambda make: make.access_token({"kid": "https://evil.test/key"}),
    "kid is a number": lambda make: make.access_token({"kid": 5}),
    "key in the header": lambda make: make.access_token({"kid": "x", "jwk": make.key.public_jwk}),
    "jku": lambda make: make.access_token({"kid": "x", "jku": "https://evil.test/jwks"}),
    "x5u": lambda make: make.access_token({"kid": "x", "x5u": "https://evil.test/cert"}),
    "crit": lambda make: make.access_token({"crit": ["x"]}),
    "crit empty": lambda make: make.access_token({"crit": []}),
    "foreign audience": lambda make: make.access_token(aud="https://other.test"),
    "audience prefix": lambda make: make.access_token(aud=AUDIENCE + "/v2"),
    "no audience": lambda make: make.access_token(aud=None),
    "audience as object": lambda make: make.access_token(aud={AUDIENCE: 1}),
    "expired": lambda make: make.access_token(exp=make.now - 10),
    "no exp": lambda make: make.access_token(exp=None),
    "exp as text": lambda make: make.access_token(exp=str(make.now + 900)),
    "exp true": lambda make: make.access_token(exp=True),
    "exp huge": lambda make: make.access_token(exp=2**60),
    "exp infinite": lambda make: make.access_token(exp=float("inf")),
    "from the future": lambda make: make.access_token(iat=make.now + 61),
    "nbf ahead": lambda make: make.access_token(nbf=make.now + 61),
    "no sub": lambda make: make.access_token(sub=None),
    "empty sub": lambda make: make.access_token(sub=""),
    "sub is a number": lambda make: make.access_token(sub=5),
    "issuer prefix": lambda make: make.access_token(iss=ISSUER + ".evil.test"),
    "issuer with slash": lambda make: make.access_token(iss=ISSUER + "/"),
    "issuer as list": lambda make: make.access_token(iss=[ISSUER]),
    "no issuer": lambda make: make.access_token(iss=None),
    "bound to a key": lambda make: make.access_token(cnf={"jkt": "x"}),
    "bound to a certificate": lambda make: make.access_token(cnf={"x5t#S256": "x"}),
    "scope as list": lambda make: make.access_token(scope=["orders:read"]),
    "duplicate members": lambda make: make.sign(compact_json(make.claims())[:-1] + b',"scope":"orders:read"}'),
    "claims as list": lambda make: make.sign(b"[]"),
    "claims in UTF-16": lambda make: make.sign(json.dumps(make.claims()).encode("utf-16")),
    "claims deep": lambda make: make.sign(b'{"a":' * 2000 + b"1" + b"}" * 2000),
    "header deep": lambda make: sign_exactly(make.key, b'{"a":' * 1500 + b"1" + b"}" * 1500, b"{}"),
    "17 kB": lambda make: make.access_token(filler="x" * 17_000),
}


@pytest.mark.spec(
    "8725b-3.1-b", "9068-4-a", "8725b-3.9-a", "8725b-3.8-a", "V9-9.2.1", "8725b-3.10-a", "7515-4.1.11",
    "8725b-3.14-a", "8725b-3.3-a", "9449-7.2-a", "V16-16.5.1",
)  # fmt: skip
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_gets_the_one_401(client: TestClient, world: World, name: str) -> None:
    token = HOSTILE[name](maker(world.issuer))
    answer = client.get("/orders", headers=bearer(token))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, INVALID_CHALLENGE)
    assert answer.json() == INVALID
    assert not any("evil" in url for url in world.wire.asked)


@pytest.mark.spec("9068-4-a", "V9-9.2.1")
@pytest.mark.parametrize(
    "make_token",
    [
        lambda make: make.access_token(),
        lambda make: make.access_token({"typ": "application/at+jwt"}),
        lambda make: make.access_token({"typ": "AT+JWT"}),
        lambda make: make.access_token(exp=make.now + 900.5),
        lambda make: make.access_token(aud=["https://other.test", AUDIENCE]),
        lambda make: make.access_token(unknown={"deep": [1, 2]}),
    ],
    ids=["plain", "long typ", "upper case typ", "float exp", "list of audiences", "further claims"],
)
def test_an_honest_token_is_never_refused(
    client: TestClient, world: World, make_token: Callable[[TokenMaker], str]
) -> None:
    assert client.get("/orders", headers=bearer(make_token(maker(world.issuer)))).status_code == 200


@pytest.mark.spec("V9-9.2.1", "F2-5.3.2.1-13-rs")
def test_the_leeway_is_ten_seconds(client: TestClient, world: World, token_for: TokensFor) -> None:
    now = int(world.clock.now())
    assert client.get("/whoami", headers=token_for(iat=now + 9)).status_code == 200
    assert client.get("/whoami", headers=token_for(iat=now + 11)).status_code == 401
    headers = token_for(expires_in=60)
    world.clock.turn(69)
    assert client.get("/whoami", headers=headers).status_code == 200
    world.clock.turn(1)
    assert client.get("/whoami", headers=headers).status_code == 401


@pytest.mark.spec("9068-2.2", "V10-10.3.3")
def test_a_clients_own_token_is_no_user(client: TestClient, token_for: TokensFor) -> None:
    assert client.get("/mine", headers=token_for(sub="ann")).json() == "ann"
    answer = client.get("/mine", headers=token_for(sub="app", client_id="app"))
    assert answer.status_code == 403
    assert "scope=" not in answer.headers["www-authenticate"].replace("insufficient_scope", "")


def test_a_role_is_asked_for_and_named(client: TestClient, token_for: TokensFor) -> None:
    assert client.get("/report", headers=token_for(roles=["admin"])).json() == "report"
    answer = client.get("/report", headers=token_for(roles=["user"]))
    assert answer.status_code == 403
    assert answer.json() == {
        "error": "insufficient_scope",
        "error_description": "The user lacks a role that this operation needs: admin.",
    }


@pytest.mark.parametrize(
    ("roles", "scope", "status"),
    [(["auditor"], "orders:read", 200), (["admin"], "", 403), (["user"], "orders:read", 403)],
)
def test_roles_and_scopes_stand_together(
    client: TestClient, token_for: TokensFor, roles: list[str], scope: str, status: int
) -> None:
    answer = client.get("/both", headers=token_for(roles=roles, scope=scope))
    assert answer.status_code == status
    if status == 200:
        assert answer.json() is True, "one request verifies its token once"


@pytest.mark.parametrize(
    ("scope", "status"), [("admin users:read", 200), ("admin", 403), ("users:read", 403), ("", 403)]
)
def test_a_routers_scopes_are_added(client: TestClient, token_for: TokensFor, scope: str, status: int) -> None:
    assert client.get("/admin/users", headers=token_for(scope=scope)).status_code == status


def test_an_optional_token_may_be_missing_but_not_bad(
    client: TestClient, world: World, token_for: TokensFor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "proofkey")
    assert client.get("/greeting").json() == "stranger"
    assert client.get("/greeting", headers={"authorization": "Basic eDp5"}).json() == "stranger"
    assert "api.refused" not in caplog.text
    assert client.get("/greeting", headers=token_for(sub="ann")).json() == "ann"
    assert client.get("/greeting", headers=token_for(expires_in=-60)).status_code == 401
    assert client.get("/greeting", headers={"authorization": "Bearer"}).status_code == 400


@pytest.mark.spec("X-jwks-d", "threats §2 row 1")
def test_an_issuer_that_is_down_at_the_start_gives_503_and_comes_up_by_itself(
    world: World, token_for: TokensFor
) -> None:
    world.wire.down = True
    with TestClient(world.app) as client:
        assert not world.api.ready
        answer = client.get("/orders", headers=token_for(scope="orders:read"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert answer.json()["error"] == "temporarily_unavailable"
        assert "www-authenticate" not in answer.headers
        assert client.get("/open").status_code == 200
        assert client.get("/orders").status_code == 401
        world.wire.down = False
        world.clock.turn(2)
        assert client.get("/orders", headers=token_for(scope="orders:read")).status_code == 200
        assert world.api.ready


@pytest.mark.spec("threats §2 row 3")
def test_a_rotated_key_is_accepted_and_a_withdrawn_one_refused(
    client: TestClient, world: World, token_for: TokensFor
) -> None:
    old = world.issuer.keys[0]
    old_token = token_for(expires_in=100_000)
    world.clock.turn(10)
    world.issuer.rotate()
    assert client.get("/whoami", headers=token_for()).status_code == 200
    assert client.get("/whoami", headers=old_token).status_code == 200
    world.issuer.withdraw(old)
    world.clock.turn(301)
    assert client.get("/whoami", headers=old_token).status_code == 401
    assert client.get("/whoami", headers=token_for()).status_code == 200


@pytest.mark.spec("X-jwks-b", "threats §2 row 6")
def test_a_storm_of_unknown_kids_costs_one_fetch(client: TestClient, world: World, token_for: TokensFor) -> None:
    world.clock.turn(10)
    before = world.wire.count()
    make = maker(world.issuer)
    for number in range(100):
        headers = bearer(make.access_token({"kid": f"kid {number}"}))
        assert client.get("/whoami", headers=headers).status_code == 401
    assert world.wire.count() == before + 1
    assert client.get("/whoami", headers=token_for()).status_code == 200


def test_without_a_lifespan_the_keys_are_fetched_when_needed(world: World, token_for: TokensFor) -> None:
    client = TestClient(world.app)
    for _ in range(3):
        assert client.get("/whoami", headers=token_for()).status_code == 200
    assert world.wire.count() == 1


def test_a_mounted_application_refuses_in_the_same_words(world: World, token_for: TokensFor) -> None:
    outer = FastAPI()
    outer.mount("/v1", world.app)
    client = TestClient(outer)
    assert client.get("/v1/orders", headers=token_for(scope="orders:read")).status_code == 200
    answer = client.get("/v1/orders", headers=bearer("bad"))
    assert (answer.status_code, answer.json()) == (401, INVALID)
    assert client.get("/v1/orders").content == b""


def test_an_applications_own_handlers_do_not_change_a_refusal(world: World) -> None:
    @world.app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> PlainTextResponse:
        return PlainTextResponse("mine", error.status_code)

    answer = TestClient(world.app).get("/orders", headers=bearer("bad"))
    assert (answer.status_code, answer.json()) == (401, INVALID)


def test_an_application_may_answer_refusals_itself(world: World) -> None:
    seen: list[Finding] = []

    @world.app.exception_handler(Refused)
    async def other(request: Request, error: Refused) -> PlainTextResponse:
        seen.append(error.finding)
        return PlainTextResponse("mine", error.status_code, error.headers)

    answer = TestClient(world.app).get("/orders")
    assert (answer.status_code, answer.text, answer.headers["www-authenticate"]) == (
        401,
        "mine",
        'Bearer scope="orders:read"',
    )
    assert seen == [Finding.CREDENTIALS_NONE]


def test_the_realm_stands_in_every_challenge() -> None:
    world = World(realm="orders")
    client = TestClient(world.app)
    assert client.get("/whoami").headers["www-authenticate"] == 'Bearer realm="orders"'
    assert (
        client.get("/orders", headers=bearer("x"))
        .headers["www-authenticate"]
        .startswith('Bearer realm="orders", error="invalid_token"')
    )


@pytest.mark.spec("9700-4.9.3-a")
def test_a_refusal_is_one_event_with_the_finding_and_no_token(
    client: TestClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = world.issuer.token_for(aud="https://other.test", scope="orders:read")
    client.get("/orders", headers=bearer(token))
    events = [record.proofkey for record in caplog.records if hasattr(record, "proofkey")]
    refused = [event for event in events if event["event"] == "api.refused"]
    assert len(refused) == 1
    assert refused[0]["finding"] == "AUD-03"
    assert (refused[0]["method"], refused[0]["path"]) == ("GET", "/orders")
    assert not any(part in caplog.text for part in token.split("."))


def test_the_log_names_the_wrong_kind_of_token(
    client: TestClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "proofkey")
    client.get("/orders", headers=bearer(world.issuer.token_for(typ="JWT", nonce="n", client_id="x")))
    assert "TOK-01" in caplog.text
    client.get("/orders", headers=bearer("opaque-token"))
    assert "TOK-04" in caplog.text


def test_many_requests_at_once_keep_their_tokens_apart(world: World, token_for: TokensFor) -> None:
    with TestClient(world.app) as client:
        answers = [client.get("/whoami", headers=token_for(sub=f"u{n}")).json()["sub"] for n in range(20)]
    assert answers == [f"u{n}" for n in range(20)]


def test_two_protects_in_one_application_never_share_a_token() -> None:
    world, other = World(), World(scheme_name="other")
    app = FastAPI()

    @app.get("/")
    async def both(
        one: Annotated[AccessToken, Security(world.api)], two: Annotated[AccessToken, Security(other.api)]
    ) -> str:
        return "in"

    headers = TokensFor(world.issuer)()
    assert TestClient(app).get("/", headers=headers).status_code == 401


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"issuer": ISSUER}, "audience="),
        ({"issuer": ISSUER, "audience": ""}, "audience="),
        ({"issuer": "http://id.example", "audience": AUDIENCE}, "plain http"),
        ({"issuer": ISSUER, "audience": AUDIENCE, "realm": "a\nb"}, "realm"),
        ({"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["HS256"]}, "algorithms"),
        ({"issuer": ISSUER, "audience": AUDIENCE, "public_url": "http://api.example"}, "http"),
    ],
)
def test_the_start_is_refused_without(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Protect(**options)


def test_the_lifespan_runs_the_applications_own_inside() -> None:
    order: list[str] = []
    world = World()

    @asynccontextmanager
    async def own(app: FastAPI) -> Any:
        order.append(f"started, ready={world.api.ready}")
        yield {"db": "here"}
        order.append("stopped")

    app = FastAPI(lifespan=world.api.lifespan_with(own))

    @app.get("/db")
    async def db(request: Request, token: Annotated[AccessToken, Security(world.api)]) -> str:
        return str(request.state.db)

    with TestClient(app) as client:
        assert client.get("/db", headers=TokensFor(world.issuer)()).json() == "here"
    assert order == ["started, ready=True", "stopped"]


def test_a_local_issuer_stands_in_for_the_configured_one() -> None:
    api = Protect(issuer="https://acme.eu.auth0.com/", audience=AUDIENCE)
    client = TestClient(build_app(api))
    issuer = LocalIssuer("https://acme.eu.auth0.com/")
    with issuer.stand_in_for(api):
        assert client.get("/whoami", headers=TokensFor(issuer)()).status_code == 200
    assert api.verifier.policy.issuer == "https://acme.eu.auth0.com/"


@pytest.mark.spec("X-jwks-c")
def test_a_redirecting_key_set_is_an_outage_and_never_followed(world: World, token_for: TokensFor) -> None:
    world.wire.answers["/jwks"] = Answer(302, {"location": "https://evil.test/jwks"})
    answer = TestClient(world.app).get("/whoami", headers=token_for())
    assert answer.status_code == 503
    assert not any("evil" in url for url in world.wire.asked)


async def test_a_refusal_can_be_had_outside_a_dependency(world: World) -> None:
    token = world.issuer.token_for(scope="a")
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {token}".encode())],
    }
    admitted = await world.api.admit(HTTPConnection(scope), ["a"])
    assert admitted.has_scope("a")
    with pytest.raises(Refused) as caught:
        await world.api.admit(HTTPConnection(scope), ["b"])
    assert caught.value.status_code == 403


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_importing_the_face_does_not_load_the_login() -> None:
    code = "import sys, proofkey.fastapi; print([m for m in sys.modules if m.startswith('proofkey.web.login')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
