"""The one door of the server's HTTP side: finds the endpoint, and turns every error into an answer."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from proofkey.authorization_server.answers import Empty, FormPost, Json, Jwt, Page, Redirect, Told
from proofkey.authorization_server.records import AuditEvent
from proofkey.errors import InvalidRequest, ProofkeyError, ServerError, Unavailable
from proofkey.findings import Finding
from proofkey.resource_server.sender_constraint import ALGORITHMS
from proofkey.runtime.entropy import Entropy
from proofkey.runtime.events import correlated, emit, internal_error, refused
from proofkey.web.cors import ANY_ORIGIN, build_preflight_answer
from proofkey.web.endpoints import Endpoint, Endpoints
from proofkey.web.errors import Face, read_problem
from proofkey.web.respond import Responder, build_json

MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 64 * 1024


class Dispatcher:
    """Answers requests for the endpoints of one server. Nothing escapes it but a cancellation.

    `endpoints` is None until the server is started: 503 until then.
    """

    __slots__ = ("_algorithms", "_entropy", "_responder", "endpoints")

    def __init__(
        self, responder: Responder, entropy: Entropy, dpop_algorithms: tuple[str, ...] = ALGORITHMS
    ) -> None:
        """`dpop_algorithms` are named in challenges at UserInfo (RFC 9449 §7.1)."""
        self.endpoints: Endpoints | None = None
        self._responder = responder
        self._entropy = entropy
        self._algorithms = dpop_algorithms

    async def dispatch(self, path: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request for `path` below the issuer; None stands for the well-known documents."""
        request = Request(scope, receive)
        endpoint, rest = self.endpoints.find(path) if self.endpoints else (None, "")
        id_ = self._entropy()[:12]
        with correlated(id_):
            response = await self._respond(request, endpoint, rest, id_)
        if endpoint is not None and endpoint.cors:
            response.headers.update(ANY_ORIGIN)
        await response(scope, receive, send)

    async def _respond(self, request: Request, endpoint: Endpoint | None, rest: str, id_: str) -> Response:
        name = endpoint.name if endpoint else "unknown"
        face = endpoint.face if endpoint else _face_of(request)
        try:
            return await self._answer(request, endpoint, rest)
        except ProofkeyError as error:
            refused(name, error, peer=self._responder.peer(request))
            return self._refuse(request, error, face, id_)
        except Exception as error:  # noqa: BLE001 - the last door: type and place are logged, the text never
            internal_error(name, error, self._entropy)
            return self._refuse(request, ServerError(Finding.INTERNAL), face, id_)

    async def _answer(self, request: Request, endpoint: Endpoint | None, rest: str) -> Response:
        check_headers(request)
        if self.endpoints is None:
            raise Unavailable(Finding.SERVER_NOT_STARTED)
        if endpoint is None:
            raise InvalidRequest(Finding.PATH_UNKNOWN)
        if request.method == "OPTIONS" and endpoint.cors:
            return build_preflight_answer(endpoint.methods)
        if request.method not in endpoint.methods:
            raise InvalidRequest(
                Finding.METHOD_WRONG, method=request.method[:16], allow=", ".join(endpoint.methods)
            )
        answer = await endpoint.answer(request, rest)
        if not isinstance(answer, Redirect | FormPost | Page | Json | Jwt | Empty):
            return answer
        self._tell(endpoint.name, answer.told, request)
        after_form = endpoint.own_form and request.method == "POST"
        return self._responder.respond(answer, request, after_form=after_form)

    def _tell(self, name: str, told: Told, request: Request) -> None:
        if isinstance(told, ProofkeyError):
            refused(name, told, peer=self._responder.peer(request))
        elif isinstance(told, AuditEvent):
            facts = {name: text for name, text in told.detail.items() if name not in ("level", "finding")}
            facts["peer"] = self._responder.peer(request)
            emit(told.name, level="info", finding=None, **facts, **_who(told))

    def _refuse(self, request: Request, error: ProofkeyError, face: Face, id_: str) -> Response:
        problem = read_problem(error, face, request.headers, self._algorithms)
        if face != "page":
            document = problem.document()
            if problem.status >= 500:
                document["error_description"] += f" Reference: {id_}"
            return build_json(document, problem.status, problem.headers)
        context = {"finding": error.finding, "description": problem.description, "correlation_id": id_}
        retry_after = int(problem.headers["Retry-After"]) if "Retry-After" in problem.headers else None
        page = Page(name="error", status=problem.status, context=context, retry_after=retry_after)
        response = self._responder.respond(page)
        response.headers.update(problem.headers)
        return response


def _who(event: AuditEvent) -> dict[str, str]:
    return {name: value for name, value in (("sub", event.sub), ("client_id", event.client_id)) if value}


def check_headers(request: Request) -> None:
    """At most 100 headers and 64 kB of them. Raises: InvalidRequest."""
    headers = request.headers.raw
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise InvalidRequest(Finding.HEADERS_TOO_LARGE, count=str(len(headers)), size=str(size))


def _face_of(request: Request) -> Face:
    """For an unknown address: a page for browsers, a document for programs."""
    return "page" if "text/html" in request.headers.get("accept", "") else "oauth"
