"""Spans and counters: what FastAPI's own instrumentation records gets our findings, and no secret."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import Depends, FastAPI, WebSocket
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from proofkey.errors import InsufficientScope, InvalidToken, MalformedCredentials, NoCredentials, ProofkeyError
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.text import ClientId, Instant, Issuer, Subject
from proofkey.runtime import telemetry

TOKEN: AccessToken = AccessToken(
    iss=Issuer("https://op.test"),
    sub=Subject("u1"),
    aud=("https://api.test",),
    client_id=ClientId("app"),
    exp=Instant(900),
    iat=Instant(0),
    jti="j1",
)


@dataclass(slots=True)
class Recorded:
    provider: TracerProvider
    exporter: InMemorySpanExporter

    def request(self) -> ReadableSpan:
        """The span of the request itself."""
        (span,) = [span for span in self.exporter.get_finished_spans() if span.kind is trace.SpanKind.SERVER]
        return span

    def attributes(self) -> dict[str, Any]:
        return dict(self.request().attributes or {})


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Recorded(provider, exporter)
    provider.shutdown()


def an_app(recorded: Recorded, told: ProofkeyError | None = None, **options: Any) -> TestClient:
    """An operation that tells a refusal, or an admission."""
    app = FastAPI(telemetry={"tracer_provider": recorded.provider, "metrics": False, "logs": False})

    async def tell(connection: HTTPConnection) -> None:
        if told is None:
            telemetry.admitted(connection.scope, TOKEN, **options)
        else:
            telemetry.refused(connection.scope, told, **options)

    @app.get("/orders", dependencies=[Depends(tell)])
    async def orders() -> str:
        return "ok"

    @app.websocket("/ws")
    async def socket(socket: WebSocket) -> None:
        await tell(socket)
        await socket.accept()
        await socket.close()

    return TestClient(app)


@pytest.mark.spec("V16-16.3.1")
def test_a_refusal_stands_on_the_span_of_the_request(recorded: Recorded) -> None:
    an_app(recorded, InvalidToken(Finding.TOKEN_AUDIENCE, found="https://x.test")).get("/orders")
    attributes = recorded.attributes()
    assert attributes["proofkey.outcome"] == "refused"
    assert attributes["proofkey.finding"] == Finding.TOKEN_AUDIENCE.id
    assert attributes["http.route"] == "/orders"
    assert "oauth.client_id" not in attributes
    (event,) = recorded.request().events
    assert event.name == "proofkey.refused"
    assert dict(event.attributes or {}) == {
        "proofkey.finding": Finding.TOKEN_AUDIENCE.id,
        "proofkey.reason": Finding.TOKEN_AUDIENCE.sentence,
    }


def test_a_refusal_after_the_proof_names_the_client(recorded: Recorded) -> None:
    an_app(recorded, InsufficientScope(Finding.SCOPE_INSUFFICIENT), token=TOKEN).get("/orders")
    attributes = recorded.attributes()
    assert attributes["oauth.client_id"] == "app"
    assert attributes["oauth.issuer"] == "https://op.test"
    assert "enduser.id" not in attributes


def test_an_admission_names_client_and_issuer_and_not_the_person(recorded: Recorded) -> None:
    an_app(recorded).get("/orders")
    assert {key: value for key, value in recorded.attributes().items() if key.split(".")[0] in OURS} == {
        "proofkey.outcome": "admitted",
        "oauth.client_id": "app",
        "oauth.issuer": "https://op.test",
    }
    assert [event.name for event in recorded.request().events] == ["proofkey.admitted"]


OURS = ("proofkey", "oauth", "enduser")


def test_the_person_is_named_by_choice(recorded: Recorded) -> None:
    an_app(recorded, user_ids=True).get("/orders")
    assert recorded.attributes()["enduser.id"] == "u1"


def test_a_websocket_has_a_span_too(recorded: Recorded) -> None:
    with an_app(recorded, NoCredentials(Finding.CREDENTIALS_NONE)).websocket_connect("/ws"):
        pass
    assert recorded.attributes()["proofkey.finding"] == Finding.CREDENTIALS_NONE.id


@pytest.mark.spec("V16-16.2.5", "9700-4.3.2-a")
@pytest.mark.parametrize(
    "told",
    [
        NoCredentials(Finding.CREDENTIALS_NONE, where="query"),
        MalformedCredentials(Finding.CREDENTIALS_REPEATED, where="header and query"),
    ],
    ids=["query alone", "header and query"],
)
def test_a_token_in_the_query_is_taken_off_the_span(recorded: Recorded, told: ProofkeyError) -> None:
    an_app(recorded, told).get("/orders?access_token=canary-1&page=2")
    assert recorded.attributes()["url.query"] == "REDACTED"
    assert all("canary-1" not in span.to_json() for span in recorded.exporter.get_finished_spans())


def test_other_queries_are_left_alone(recorded: Recorded) -> None:
    an_app(recorded, NoCredentials(Finding.CREDENTIALS_NONE)).get("/orders?page=2")
    assert recorded.attributes()["url.query"] == "page=2"


def test_without_fastapi_the_current_span_is_told(recorded: Recorded) -> None:
    tracer = recorded.provider.get_tracer("test")
    with tracer.start_as_current_span("work", kind=trace.SpanKind.SERVER):
        telemetry.admitted({"type": "http"}, TOKEN)
    assert recorded.attributes()["oauth.client_id"] == "app"


def test_nothing_happens_where_no_span_is_recorded() -> None:
    telemetry.admitted({"type": "http"}, TOKEN)
    telemetry.refused({"type": "http"}, NoCredentials(Finding.CREDENTIALS_NONE))


def test_counters_count_refusals_by_finding_and_admissions_by_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    monkeypatch.setattr(metrics, "get_meter", provider.get_meter)
    refusals, admissions = telemetry._counters()
    monkeypatch.setattr(telemetry, "_refusals", refusals)
    monkeypatch.setattr(telemetry, "_admissions", admissions)
    for finding in (Finding.TOKEN_AUDIENCE, Finding.TOKEN_AUDIENCE, Finding.TOKEN_EXPIRED):
        telemetry.refused({}, InvalidToken(finding))
    telemetry.admitted({}, TOKEN)
    data = reader.get_metrics_data()
    assert data is not None
    counted = {
        (metric.name, *(point.attributes or {}).values()): point.value
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
        if isinstance(point, NumberDataPoint)
    }
    assert counted == {
        ("proofkey.api.refusals", Finding.TOKEN_AUDIENCE.id): 2,
        ("proofkey.api.refusals", Finding.TOKEN_EXPIRED.id): 1,
        ("proofkey.api.admissions", "https://op.test"): 1,
    }
    provider.shutdown()


def test_it_works_without_opentelemetry() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from proofkey.runtime import telemetry\n"
        "from proofkey.errors import NoCredentials\n"
        "from proofkey.findings import Finding\n"
        "telemetry.refused({}, NoCredentials(Finding.CREDENTIALS_NONE))\n"
        "assert telemetry._refusals is None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
