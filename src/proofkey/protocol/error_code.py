"""The `error` of another server's refusal, made fit for logs and pages."""

from proofkey.protocol.json_strict import parse_object

UNREADABLE = "unreadable"


def error_code(error: str) -> str:
    """An error code that may be shown and logged: letters, digits, `_ - .`, at most 64 (RFC 6749 §4.1.2.1)."""
    fits = error.isascii() and all(sign.isalnum() or sign in "_-." for sign in error)
    return error if fits and 0 < len(error) <= 64 else UNREADABLE


def read_error_code(body: bytes) -> str:
    """The code in an error response (RFC 6749 §5.2); `unreadable` when there is none. Raises nothing."""
    try:
        error: object = parse_object(body).get("error")
    except ValueError:
        return UNREADABLE
    return error_code(error) if isinstance(error, str) else UNREADABLE
