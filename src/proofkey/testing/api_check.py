"""The corpus against an API, whoever wrote it: what gets in wrongly, what is refused wrongly, what falls over.

```python
report = check_api(client, "/orders", corpus_of(maker_of(issuer, scope="orders:read")))
assert report.ok, str(report)
```
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple, cast

import httpx2

from proofkey.runtime.portal import Portal
from proofkey.testing.api_report import ApiReport, Got, Surprise, add_answer
from proofkey.testing.corpus import CorpusCase, Header, corpus_of, maker_of, proof_corpus_of
from proofkey.testing.issuer import LocalIssuer

Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
_REFUSED: Final = frozenset({400, 401, 403, 413, 431})
Send = Callable[[CorpusCase], Got]


def check_api(
    target: object,
    path: str,
    cases: Iterable[CorpusCase],
    *,
    method: str = "GET",
    known: Mapping[str, str] | None = None,
) -> ApiReport:
    """Sends every case to one operation of the API, in order, and reports.

    `target` is an ASGI application (its lifespan is not run), an HTTP client (httpx, requests' shape, a
    `TestClient`, Flask's), or a URL. An application gets every byte; a client cannot send all of them, and the
    report counts what was left out. `known` names cases whose outcome is accepted for a reason of the API's own:
    they are listed apart. An API that refuses the ordinary token has nothing to show: the report says so.
    Raises: TypeError when the target is none of these.
    """
    report = ApiReport(method=method, path=path)
    excused = dict(known or {})
    with ExitStack() as stack:
        send, every = _sender(target, method, path, stack)
        for case in cases:
            if not every and not case.sendable:
                report.left_out += 1
                continue
            report.sent += 1
            _judge(report, case, send(case), excused)
    report.unused = tuple(name for name in excused if name not in {one.name for one in report.known})
    return report


class HostileTokens:
    """The corpus of one issuer, for an API that trusts it; the plugin's fixture of that name.

    ```python
    with issuer.stand_in_for(api):
        report = hostile_tokens.check(TestClient(app), "/orders", scope="orders:read")
    assert report.ok, str(report)
    ```
    """

    def __init__(self, issuer: LocalIssuer) -> None:
        self.issuer = issuer

    def cases(
        self,
        *,
        scope: str | Sequence[str] = (),
        roles: Sequence[str] = (),
        claims: Mapping[str, object] | None = None,
        dpop_url: str | None = None,
        method: str = "GET",
    ) -> tuple[CorpusCase, ...]:
        """Made now: hostile tokens and harmless ones, which have scope, roles and claims.

        With `dpop_url`, the public address of the operation, DPoP proofs as well.
        """
        make = maker_of(self.issuer, scope=scope, roles=roles, claims=claims)
        proofs = () if dpop_url is None else proof_corpus_of(make, dpop_url, method=method)
        return (*corpus_of(make), *proofs)

    def check(
        self,
        target: object,
        path: str,
        *,
        method: str = "GET",
        scope: str | Sequence[str] = (),
        roles: Sequence[str] = (),
        claims: Mapping[str, object] | None = None,
        dpop_url: str | None = None,
        known: Mapping[str, str] | None = None,
    ) -> ApiReport:
        """Sends them all to an operation that wants that scope and those roles; see `cases` and `check_api`."""
        cases = self.cases(scope=scope, roles=roles, claims=claims, dpop_url=dpop_url, method=method)
        return check_api(target, path, cases, method=method, known=known)


def _judge(report: ApiReport, case: CorpusCase, got: Got, known: Mapping[str, str]) -> None:
    found = _surprise_list(report, case, got)
    if found is not None:
        what = Surprise(
            case.name, got.told, case.requirement, "" if case.finding is None else case.finding.sentence
        )
        if case.name in known:
            report.known.append(what._replace(remark=known[case.name]))
        else:
            found.append(what)
    elif case.hostile:
        add_answer(report, case, got)


def _surprise_list(report: ApiReport, case: CorpusCase, got: Got) -> list[Surprise] | None:
    if got.fault or got.status >= 500:
        return report.faults
    if case.hostile:
        return None if got.status in _REFUSED else report.accepted
    good = got.status not in _REFUSED or (got.status == 403 and not case.full)
    return None if good else report.refused


def _sender(target: object, method: str, path: str, stack: ExitStack) -> tuple[Send, bool]:
    """How to send, and whether every byte can be."""
    if isinstance(target, str):
        target = stack.enter_context(httpx2.Client(base_url=target))
    if callable(target):
        return _asgi_sender(cast("AsgiApp", target), method, path), True
    ask = getattr(target, method.lower(), None)
    if not callable(ask):
        raise TypeError("an ASGI application, an HTTP client or a URL")
    return _client_sender(ask, path), False


def _client_sender(ask: Callable[..., Any], path: str) -> Send:
    def send(case: CorpusCase) -> Got:
        pairs = [(name.decode(), value.decode()) for name, value in case.headers]
        names = {name for name, _ in pairs}
        try:
            answer = ask(path, headers=dict(pairs) if len(names) == len(pairs) else pairs)
        except Exception as error:  # noqa: BLE001 - whatever the API raises is what is looked for
            return Got(0, {}, b"", type(error).__name__)
        body: object = getattr(answer, "content", None)
        if not isinstance(body, bytes):
            body = getattr(answer, "data", b"")
        headers = {str(name).lower(): str(value) for name, value in answer.headers.items()}
        return Got(int(answer.status_code), headers, cast("bytes", body))

    return send


class _Told(NamedTuple):
    """What an application has sent."""

    starts: list[Message]
    body: bytearray


def _asgi_sender(app: AsgiApp, method: str, path: str) -> Send:
    portal = Portal.own()

    def send(case: CorpusCase) -> Got:
        told = _Told([], bytearray())
        try:
            portal.call(_call, app, _scope(method, path, case.headers), told)
        except Exception as error:  # noqa: BLE001 - whatever the API raises is what is looked for
            return Got(0, {}, b"", type(error).__name__)
        if not told.starts:
            return Got(0, {}, b"", "no answer")
        start = told.starts[0]
        headers = {
            bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value in start["headers"]
        }
        return Got(start["status"], headers, bytes(told.body))

    return send


async def _call(app: AsgiApp, scope: Message, told: _Told) -> None:
    waiting: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            told.starts.append(message)
        told.body.extend(message.get("body", b""))

    await app(scope, receive, send)


def _scope(method: str, path: str, headers: tuple[Header, ...]) -> Message:
    route, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": route,
        "raw_path": route.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"testserver"), *headers],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
        "state": {},
    }
