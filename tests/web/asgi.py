"""One request to an ASGI application, byte by byte, without a client library in between."""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Scope

FORM = (b"content-type", b"application/x-www-form-urlencoded")
HTML = (b"accept", b"text/html")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


async def ask(
    app: ASGIApp,
    method: str,
    path: str,
    *headers: tuple[bytes, bytes],
    query: bytes = b"",
    body: bytes = b"",
    root_path: str = "",
    client: tuple[str, int] = ("203.0.113.9", 4711),
) -> Reply:
    """Sends the request and collects the answer."""
    messages: list[Message] = []
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": root_path + path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "root_path": root_path,
        "query_string": query,
        "headers": list(headers),
        "client": client,
        "server": ("127.0.0.1", 80),
    }
    incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, send)
    start = messages[0]
    content = b"".join(message.get("body", b"") for message in messages[1:])
    return Reply(start["status"], Headers(raw=start["headers"]), content)
