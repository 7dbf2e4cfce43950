"""What an API tells, and what it never does: every way through `Protect`, with canaries in every secret."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request, Security, WebSocket
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from proofkey.errors import ProofkeyError
from proofkey.fastapi import AccessToken, Introspection, Protect, TokenExchange
from proofkey.protocol.text import Secret
from proofkey.runtime.entropy import system_entropy
from proofkey.testing.clock import TurnedClock
from proofkey.testing.dpop import DpopKey
from proofkey.testing.exchange_endpoint import ExchangingIssuer
from proofkey.testing.hostile_proofs import hostile_proofs
from proofkey.testing.hostile_tokens import hostile_tokens
from proofkey.testing.introspection_endpoint import CLIENT_ID, CLIENT_SECRET, IntrospectingIssuer
from proofkey.testing.issuer import AUDIENCE, ISSUER
from proofkey.testing.proof_case import ProofCase
from proofkey.testing.tokens import TokenMaker
from tests.fastapi.api import World

ORDERS = f"{AUDIENCE}/orders"
CLIENTS_OWN = frozenset({"httpx2", "httpcore2"})
"""Loggers of the test's own client, which write the URLs that it asks for."""
Spans = tuple[TracerProvider, InMemorySpanExporter]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@dataclass(slots=True)
class Log(logging.Handler):
    """Every record of every logger, as formatters and structured handlers see it."""

    records: list[logging.LogRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        logging.Handler.__init__(self, logging.NOTSET)

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] not in CLIENTS_OWN:
            self.records.append(record)

    def events(self, name: str) -> list[dict[str, Any]]:
        own = (getattr(record, "proofkey", {}) for record in self.records)
        return [event for event in own if event.get("event") == name]

    def everything(self) -> str:
        formatted = [logging.Formatter().format(record) for record in self.records]
        return "\n".join([*formatted, *(repr(record.__dict__) for record in self.records)])


Log.__hash__ = object.__hash__  # type: ignore[method-assign] # logging keeps its handlers in a set


@pytest.fixture
def log() -> Iterator[Log]:
    root, own = logging.getLogger(), logging.getLogger("proofkey")
    before, before_own, handler = root.level, own.level, Log()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    own.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)
    own.setLevel(before_own)


@pytest.fixture
def spans() -> Iterator[Spans]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider, exporter
    provider.shutdown()


def an_app(api: Protect, provider: TracerProvider | None = None) -> FastAPI:
    app = FastAPI(telemetry={"tracer_provider": provider, "metrics": False, "logs": False} if provider else {})

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> str:
        return token.sub

    @app.get("/report", dependencies=[Depends(api.role("admin"))])
    async def report() -> str:
        return "report"

    @app.post("/payout", dependencies=[Depends(api.step_up(max_age=300))])
    async def payout() -> str:
        return "paid"

    @app.get("/broken")
    async def broken(request: Request, token: Annotated[AccessToken, Security(api)]) -> str:
        raise RuntimeError("broken")

    @app.websocket("/ws")
    async def socket(socket: WebSocket, token: Annotated[AccessToken, Security(api)]) -> None:
        await socket.accept()
        await socket.close()

    return app


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


# --- one event each ----------------------------------------------------------------------------------------------


@pytest.mark.spec("V16-16.3.1")
@pytest.mark.parametrize(
    ("method", "path", "claims", "finding"),
    [
        ("GET", "/orders", None, "RS-01"),
        ("GET", "/orders", {}, "RS-04"),
        ("GET", "/orders", {"aud": "https://other.test"}, "AUD-03"),
        ("GET", "/report", {}, "RS-05"),
        ("GET", "/orders", {"expires_in": -60}, "AT-05"),
    ],
)
def test_a_refusal_is_one_event(
    log: Log, method: str, path: str, claims: dict[str, Any] | None, finding: str
) -> None:
    world = World()
    headers = {} if claims is None else bearer(world.issuer.token_for(**claims))
    TestClient(an_app(world.api)).request(method, path, headers=headers)
    (event,) = log.events("api.refused")
    assert event["finding"] == finding
    assert (event["method"], event["path"], event["peer"]) == (method, path, "testclient")
    assert log.events("api.admitted") == []


@pytest.mark.spec("V16-16.3.1")
def test_an_admission_is_one_event_where_it_is_asked_for(log: Log) -> None:
    world = World(log_acceptances=True)
    headers = bearer(world.issuer.token_for(scope="orders:read", roles=["admin"], sub="ann", client_id="web"))
    client = TestClient(world.app)
    assert client.get("/both", headers=headers).status_code == 200
    (event,) = log.events("api.admitted")
    assert (event["path"], event["sub"], event["client_id"]) == ("/both", "ann", "web")
    assert client.get("/open").status_code == 200
    assert len(log.events("api.admitted")) == 1


def test_a_guard_tells_of_a_refusal_once(log: Log) -> None:
    world = World()
    app = an_app(world.api)
    world.api.guard(app)
    TestClient(app).get("/orders")
    assert [event["path"] for event in log.events("api.refused")] == ["/orders"]


@pytest.mark.spec("V16-16.4.1")
def test_a_path_that_forges_a_record_stays_one_record(log: Log) -> None:
    world = World()
    TestClient(an_app(world.api)).get("/orders%0a%7b%22event%22:%22api.admitted%22%7d")
    world.api.guard(app := an_app(world.api))
    TestClient(app).get("/x%0d%0aapi.admitted%20sub=ann%1b[31m")
    (event,) = log.events("api.refused")
    assert event["path"] == "/x\r\napi.admitted sub=ann\x1b[31m"
    (record,) = [record for record in log.records if getattr(record, "proofkey", {}).get("event") == "api.refused"]
    assert record.getMessage().isprintable()
    assert json.loads(json.dumps(event)) == event


# --- spans -------------------------------------------------------------------------------------------------------


def test_the_span_of_a_request_names_finding_and_client(
    spans: tuple[TracerProvider, InMemorySpanExporter],
) -> None:
    provider, exporter = spans
    world = World()
    client = TestClient(an_app(world.api, provider))
    client.get("/orders", headers=bearer(world.issuer.token_for(client_id="web")))
    client.get("/orders", headers=bearer(world.issuer.token_for(client_id="web", scope="orders:read")))
    told = [dict(span.attributes or {}) for span in exporter.get_finished_spans() if span.parent is None]
    assert [(one["proofkey.outcome"], one["oauth.client_id"]) for one in told] == [
        ("refused", "web"),
        ("admitted", "web"),
    ]
    assert told[0]["proofkey.finding"] == "RS-04"
    assert told[0]["http.response.status_code"] == 403


@pytest.mark.parametrize("trace_users", [False, True])
def test_the_span_names_the_person_by_choice(spans: Spans, trace_users: bool) -> None:
    provider, exporter = spans
    world = World(trace_users=trace_users)
    headers = bearer(world.issuer.token_for(sub="ann", scope="orders:read"))
    TestClient(an_app(world.api, provider)).get("/orders", headers=headers)
    (told,) = [dict(span.attributes or {}) for span in exporter.get_finished_spans() if span.parent is None]
    assert told.get("enduser.id") == ("ann" if trace_users else None)


# --- canaries ----------------------------------------------------------------------------------------------------


@pytest.mark.spec("9700-4.9.3-a", "V16-16.2.5", "threats 2 row 24")
def test_no_token_proof_or_secret_is_ever_told(
    log: Log, spans: tuple[TracerProvider, InMemorySpanExporter]
) -> None:
    provider, exporter = spans
    told = _Walk(provider)
    told.hostile_tokens()
    told.proofs()
    told.opaque_tokens()
    told.places()
    assert told.requests > 250
    written = log.everything()
    exported = "\n".join(span.to_json() for span in exporter.get_finished_spans())
    assert "api.refused" in written
    assert "proofkey.finding" in exported
    canaries = told.canaries()
    assert len(canaries) > 250
    for canary in canaries:
        assert canary not in written, canary[:12]
        assert canary not in exported, canary[:12]


def test_the_search_finds_what_is_told(log: Log) -> None:
    """The control of the test above."""
    walk = _Walk(TracerProvider())
    walk.send(TestClient(FastAPI()), "/", bearer("e30.canary-in-a-payload.signature-of-a-token"))
    logging.getLogger("foreign.library").debug("parsing %s", "e30.canary-in-a-payload.signature-of-a-token")
    assert all(canary in log.everything() for canary in walk.canaries()[1:])
    assert len(walk.canaries()) == 3


@pytest.mark.spec("MCP25-pass", "9700-4.9.3-a")
async def test_an_exchange_tells_neither_token(log: Log, clock: TurnedClock) -> None:
    issuer = ExchangingIssuer(clock=clock)
    exchange = TokenExchange(
        issuer=ISSUER, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, transport=issuer.transport, clock=clock
    )
    received = issuer.token_for()
    other = await exchange.exchange(received, resource="https://stock.test")
    issuer.refusal = (400, {"error": "invalid_target", "error_description": received})
    with pytest.raises(ProofkeyError) as refused:
        await exchange.exchange(issuer.token_for(sub="bob"), resource="https://stock.test")
    text = f"{log.everything()}{refused.value!r}{refused.value}{other!r}"
    for secret in (received, other.reveal(), CLIENT_SECRET.reveal()):
        assert all(part not in text for part in secret.split(".")[-2:])


class _Walk:
    """Requests along every path of an API that sees a secret."""

    def __init__(self, provider: TracerProvider) -> None:
        self.requests = 0
        self._secrets: set[str] = {CLIENT_SECRET.reveal()}
        self._provider = provider
        self.clock = TurnedClock()

    def canaries(self) -> list[str]:
        """The parts of each secret that say something: a JWT's header is alike in many tokens, and no secret."""
        parts = {
            part for secret in self._secrets for part in (secret.split(".")[1:] if "." in secret else [secret])
        }
        return sorted(part for part in parts if len(part) > 15)

    def send(self, client: TestClient, path: str, headers: dict[str, str], method: str = "GET") -> None:
        self.requests += 1
        self._secrets.update(value.partition(" ")[2] or value for value in headers.values())
        with suppress(RuntimeError):  # of /broken, whose text holds no secret
            client.request(method, path, headers=headers)

    def hostile_tokens(self) -> None:
        maker = TokenMaker()
        world = World()
        client = TestClient(an_app(world.api, self._provider))
        for case in hostile_tokens(maker):
            if case.token.isascii() and "\n" not in case.token and len(case.token) < 20_000:
                self.send(client, "/orders", bearer(case.token))

    def proofs(self) -> None:
        case = ProofCase()
        world = World(dpop="optional", public_url=AUDIENCE, dpop_nonces=Secret(nonces := system_entropy()))
        self._secrets.add(nonces)
        client = TestClient(an_app(world.api, self._provider), base_url=AUDIENCE)
        key = DpopKey(clock=world.clock)
        token = world.issuer.token_for(scope="orders:read", cnf=key.cnf)
        for _ in range(2):
            self.send(client, "/orders", key.dpop_headers(token, "GET", ORDERS))
        self.send(client, "/orders", bearer(token))
        for hostile in hostile_proofs(case):
            if hostile.proof.isascii() and "\n" not in hostile.proof and len(hostile.proof) < 20_000:
                self.send(client, "/orders", {"authorization": f"DPoP {token}", "dpop": hostile.proof})

    def opaque_tokens(self) -> None:
        issuer = IntrospectingIssuer(clock=self.clock)
        api = Protect(
            issuer=ISSUER,
            audience=AUDIENCE,
            introspection=Introspection(client_id=CLIENT_ID, client_secret=CLIENT_SECRET),
            transport=issuer.transport,
            clock=self.clock,
        )
        client = TestClient(an_app(api, self._provider))
        good = issuer.opaque_token_for(scope="orders:read")
        for token in (good, issuer.opaque_token_for(aud="https://other.test"), system_entropy()):
            self.send(client, "/orders", bearer(token))
        issuer.desk.secrets[CLIENT_ID] = Secret(system_entropy())
        self.send(client, "/orders", bearer(issuer.opaque_token_for()))
        issuer.transport.down.add(ISSUER)
        self.send(client, "/orders", bearer(system_entropy()))

    def places(self) -> None:
        """A good token in every place, right and wrong."""

        async def load_user(token: AccessToken) -> str:
            raise ValueError(f"no such user: {sent}")

        plain = World(log_acceptances=True)
        sent = plain.issuer.token_for(scope="orders:read")
        hooked = World(load_user=load_user)
        for world in (plain, hooked):
            client = TestClient(an_app(world.api, self._provider))
            token = world.issuer.token_for(scope="orders:read")
            for path in ("/orders", "/report", "/broken", f"/orders?access_token={token}"):
                self.send(client, path, bearer(token))
            self.send(client, "/payout", bearer(token), "POST")
            self.send(client, f"/orders?access_token={token}&page=2", {})
            self.send(client, "/orders", {"authorization": token})
            self.send(client, "/orders", {"authorization": f"Basic {token}"})
            self.send(client, "/orders", {"authorization": f"Bearer {token} {token}"})
            self._socket(client, token)

    def _socket(self, client: TestClient, token: str) -> None:
        for headers in ({}, bearer(token)):
            self.requests += 1
            with (
                suppress(WebSocketDisconnect, WebSocketDenialResponse),
                client.websocket_connect(f"/ws?access_token={token}", headers=headers),
            ):
                pass
