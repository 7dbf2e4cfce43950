"""Form and query parameters, read strictly from the raw bytes.

Frameworks' form parsers take the last of a repeated parameter, accept multipart, and let `;` separate. Here a
request is a sequence of pairs in the order of arrival, or it is refused.
"""

import asyncio
import re
from typing import Final
from urllib.parse import unquote_to_bytes

import anyio
from starlette.requests import HTTPConnection, Request

from proofkey.errors import InvalidRequest
from proofkey.findings import Finding
from proofkey.protocol.text import Pairs

MAX_BODY: Final = 64 * 1024
"""Bytes of a body or of a query."""
MAX_PARAMETERS: Final = 50
BODY_SECONDS: Final = 10.0
"""How long a body may take to arrive."""
FORM_TYPE: Final = "application/x-www-form-urlencoded"

_BARE_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


async def read_form(request: Request) -> Pairs:
    """The pairs of an urlencoded body; the query is not looked at (RFC 6749 §3.2).

    Raises: InvalidRequest for another content type, more than 64 kB or 50 parameters, a body that takes too long,
    or anything that is not strict percent-encoded UTF-8.
    """
    check_form_type(request.headers.getlist("content-type"))
    return parse_pairs(await read_body(request))


def read_query(connection: HTTPConnection) -> Pairs:
    """The pairs of the query. Raises: InvalidRequest as `read_form` does."""
    query: bytes = connection.scope.get("query_string", b"")
    return parse_pairs(query)


def check_form_type(values: list[str]) -> None:
    """One Content-Type, the urlencoded one; a charset parameter may only say UTF-8."""
    media_type, _, parameters = (values[0] if len(values) == 1 else "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != FORM_TYPE or charset not in ("", "utf-8"):
        raise InvalidRequest(Finding.CONTENT_TYPE_WRONG, content_type=media_type[:64])


async def read_body(request: Request, *, limit: int = MAX_BODY, seconds: float = BODY_SECONDS) -> bytes:
    """The body, never more than `limit` bytes of it, within `seconds`.

    Raises: InvalidRequest when it is larger, slower or broken off.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit() or len(declared) > 9 or int(declared) > limit:
        raise InvalidRequest(Finding.BODY_TOO_LARGE, declared=declared[:20])
    try:
        if _is_asyncio():
            async with asyncio.timeout(seconds):  # costs less than a scope for every kind of loop
                return await _receive(request, limit)
        with anyio.fail_after(seconds):
            return await _receive(request, limit)
    except TimeoutError:
        raise InvalidRequest(Finding.BODY_TOO_SLOW) from None


async def _receive(request: Request, limit: int) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise InvalidRequest(Finding.PARAMETER_MALFORMED, reason="connection closed")
        body += message.get("body", b"")
        if len(body) > limit:
            raise InvalidRequest(Finding.BODY_TOO_LARGE)
        more = message.get("more_body", False)
    return bytes(body)


def _is_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def parse_pairs(data: bytes) -> Pairs:
    """WHATWG URL §5.1, strictly: only `&` separates, two hexadecimal digits follow each `%`, UTF-8, no NUL.

    Raises: InvalidRequest.
    """
    if len(data) > MAX_BODY:
        raise InvalidRequest(Finding.BODY_TOO_LARGE)
    pieces = [piece for piece in data.split(b"&") if piece]
    if len(pieces) > MAX_PARAMETERS:
        raise InvalidRequest(Finding.BODY_TOO_LARGE, parameters=str(len(pieces)))
    if _BARE_PERCENT.search(data):
        raise InvalidRequest(Finding.PARAMETER_MALFORMED, reason="percent sign without two hexadecimal digits")
    pairs: list[tuple[str, str]] = []
    for piece in pieces:
        name, _, value = piece.partition(b"=")
        pairs.append((_decode(name), _decode(value)))
    return tuple(pairs)


def _decode(text: bytes) -> str:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    if b"%" in text:
        text = unquote_to_bytes(text)
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest(Finding.PARAMETER_MALFORMED, reason="not UTF-8") from None
    if "\0" in decoded:
        raise InvalidRequest(Finding.PARAMETER_MALFORMED, reason="NUL")
    return decoded
