"""OpenTelemetry: what the span of a request, and two counters, say about access tokens.

Nothing to turn on: where `opentelemetry-api` is installed (FastAPI brings it) and a span is recorded, it gets the
attributes; else each call costs two look-ups. No token, proof or secret is ever an attribute.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Protocol, cast

from proofkey.errors import ProofkeyError
from proofkey.protocol.access_token import AccessToken

try:
    from opentelemetry import metrics as _metrics
    from opentelemetry import trace as _trace
except ModuleNotFoundError:
    _metrics = _trace = None  # type: ignore[assignment] # the functions below do nothing then

FINDING: Final = "proofkey.finding"
OUTCOME: Final = "proofkey.outcome"
CLIENT_ID: Final = "oauth.client_id"
ISSUER: Final = "oauth.issuer"
USER: Final = "enduser.id"
REFUSALS: Final = "proofkey.api.refusals"
ADMISSIONS: Final = "proofkey.api.admissions"

_FASTAPI: Final = "fastapi.telemetry"
"""Where FastAPI keeps the request's own span; inside a dependency, the current span is the dependency's."""
_QUERY: Final = "url.query"


class Counter(Protocol):
    """The half of OpenTelemetry's counter that is needed."""

    def add(self, amount: int, attributes: Mapping[str, str] | None = None) -> None: ...


class Span(Protocol):
    """The part of OpenTelemetry's span that is needed."""

    def is_recording(self) -> bool: ...

    def set_attributes(self, attributes: Mapping[str, str]) -> None: ...

    def add_event(self, name: str, attributes: Mapping[str, str] | None = None) -> None: ...


def _counters() -> tuple[Counter | None, Counter | None]:
    if _metrics is None:
        return None, None
    meter = _metrics.get_meter("proofkey")
    refusals = meter.create_counter(REFUSALS, unit="{request}", description="Refused requests, by finding.")
    admissions = meter.create_counter(ADMISSIONS, unit="{request}", description="Admitted requests, by issuer.")
    return cast("Counter", refusals), cast("Counter", admissions)


_refusals, _admissions = _counters()


def refused(scope: Mapping[str, Any], error: ProofkeyError, token: AccessToken[Any] | None = None) -> None:
    """Counts a refusal and tells it to the span. `token` is the proven one, where the refusal came after."""
    if _refusals is not None:
        _refusals.add(1, {FINDING: error.finding.id})
    span = _recording_span(scope)
    if span is None:
        return
    known = {} if token is None else {CLIENT_ID: token.client_id, ISSUER: token.iss}
    span.set_attributes({OUTCOME: "refused", FINDING: error.finding.id, **known})
    span.add_event("proofkey.refused", {FINDING: error.finding.id, "proofkey.reason": error.finding.sentence})
    if "query" in error.facts.get("where", ""):  # a token was in the URL, and FastAPI has recorded the query
        span.set_attributes({_QUERY: "REDACTED"})


def admitted(scope: Mapping[str, Any], token: AccessToken[Any], *, user_ids: bool = False) -> None:
    """Counts an admission and tells it to the span; `user_ids` adds the person's `sub` as `enduser.id`."""
    if _admissions is None:
        return
    _admissions.add(1, _label(token.iss))
    span = _recording_span(scope)
    if span is None:
        return
    known = {OUTCOME: "admitted", CLIENT_ID: token.client_id, ISSUER: token.iss}
    if user_ids:
        known[USER] = token.sub
    span.set_attributes(known)
    span.add_event("proofkey.admitted", known)


@lru_cache(maxsize=256)
def _label(issuer: str) -> Mapping[str, str]:
    return {ISSUER: issuer}


def _recording_span(scope: Mapping[str, Any]) -> Span | None:
    if _trace is None:
        return None
    span: Span | None = getattr(scope[_FASTAPI], "span", None) if _FASTAPI in scope else None
    if span is None:
        span = cast("Span", _trace.get_current_span())
    return span if span.is_recording() else None
