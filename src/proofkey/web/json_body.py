"""A JSON document as the body of a request."""

from typing import Any, Final

from starlette.requests import Request

from proofkey.errors import InvalidRequest
from proofkey.findings import Finding
from proofkey.protocol.json_strict import parse_object
from proofkey.web.forms import read_body

JSON_TYPE: Final = "application/json"


async def read_document(request: Request) -> dict[str, Any]:
    """One object, at most 64 kB of it, each member once.

    Raises: InvalidRequest for another content type too.
    """
    values = request.headers.getlist("content-type")
    media_type, _, parameters = (values[0] if len(values) == 1 else "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != JSON_TYPE or charset not in ("", "utf-8"):
        raise InvalidRequest(Finding.REGISTRATION_DOCUMENT, content_type=media_type[:64])
    body = await read_body(request)
    try:
        return parse_object(body)
    except ValueError as error:
        raise InvalidRequest(Finding.REGISTRATION_DOCUMENT, reason=type(error).__name__) from None
