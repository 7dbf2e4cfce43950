"""Two JOSE libraries beside our verifier, each called as its documentation shows, and a second reader of tokens.

The reader (`facts_of`) is slow and lenient and shares no code with what is tested: a reason why a library differs
is believed only when it finds the reason in the token by itself.
"""

import base64
import json
import math
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from unittest import mock

import jwt
from joserfc import jwk
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError

from proofkey.errors import InvalidToken
from proofkey.protocol.access_token import verify_access_token
from proofkey.testing.tokens import TokenMaker, key_for_tests, key_set_of

MAKE = TokenMaker(key_for_tests("ES256"))
KEYS = key_set_of(MAKE.key)
REQUIRED = ("exp", "iat", "iss", "sub", "aud", "jti", "client_id")
LEEWAY = 10
_PUBLIC = MAKE.key.verification_key.key
_JOSERFC_KEY = jwk.import_key(MAKE.key.public_jwk)
_CLAIMS: dict[str, Any] = {name: {"essential": True} for name in REQUIRED}
_CLAIMS |= {"iss": {"essential": True, "value": MAKE.issuer}, "aud": {"essential": True, "value": MAKE.audience}}

Verdict = str
"""`accepts`, `refuses`, or the name of an exception that is not the library's own."""


def our_verdict(token: str) -> Verdict:
    """Raises: whatever is no InvalidToken."""
    try:
        verify_access_token(token, KEYS, issuer=MAKE.issuer, audience=frozenset({MAKE.audience}), now=MAKE.now)
    except InvalidToken:
        return "refuses"
    return "accepts"


class StoppedDatetime(datetime):
    """PyJWT has no argument for the time."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.fromtimestamp(MAKE.now, UTC)


@contextmanager
def stopped_clock() -> Generator[None]:
    """Inside, it is `MAKE.now` for PyJWT."""
    with mock.patch("jwt.api_jwt.datetime", StoppedDatetime):
        yield


def _pyjwt(token: str) -> None:
    options: Any = {"require": list(REQUIRED)}
    jwt.decode(
        token,
        _PUBLIC,
        algorithms=["ES256"],
        audience=MAKE.audience,
        issuer=MAKE.issuer,
        leeway=LEEWAY,
        options=options,
    )


def _joserfc(token: str) -> None:
    read = joserfc_jwt.decode(token, _JOSERFC_KEY, algorithms=["ES256"])
    joserfc_jwt.JWTClaimsRegistry(now=MAKE.now, leeway=LEEWAY, **_CLAIMS).validate(read.claims)


_LIBRARIES: dict[str, tuple[Callable[[str], None], type[Exception]]] = {
    "PyJWT": (_pyjwt, jwt.PyJWTError),
    "joserfc": (_joserfc, JoseError),
}
LIBRARIES = tuple(_LIBRARIES)


def verdict_of(library: str, token: str) -> Verdict:
    """Inside `stopped_clock`."""
    call, own_error = _LIBRARIES[library]
    try:
        call(token)
    except own_error:
        return "refuses"
    except Exception as error:
        return type(error).__name__
    return "accepts"


# --- a second reader ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Document:
    """One segment: its characters, its bytes, and the JSON in them as Python's own reader takes it."""

    text: str
    data: bytes
    value: object
    """None when it is no JSON to anybody."""
    repeated: bool
    depth: int
    constants: bool
    """NaN or Infinity, or a number that is too large for a float."""
    surrogates: bool

    @property
    def members(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.value) if isinstance(self.value, dict) else {}

    @property
    def is_utf8(self) -> bool:
        try:
            self.data.decode()
        except UnicodeDecodeError:
            return False
        return not self.data.startswith(b"\xef\xbb\xbf") and b"\0" not in self.data[:4]


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be seen in a token."""

    token: str
    segments: tuple[str, ...]
    header: Document
    payload: Document


def facts_of(token: str) -> Facts:
    """Reads anything; raises nothing."""
    segments = tuple(token.split("."))
    header, payload = ((*segments, "", "")[index] for index in (0, 1))
    return Facts(token, segments, _read(header), _read(payload))


def _read(text: str) -> Document:
    return read_document(_decode(text), text)


def read_document(data: bytes, text: str = "") -> Document:
    """One JSON document; raises nothing."""
    repeated = constants = False

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        repeated = repeated or len({name for name, _ in found}) < len(found)
        return dict(found)

    def constant(name: str) -> float:
        nonlocal constants
        constants = True
        return float(name)

    def number(digits: str) -> float:
        nonlocal constants
        value = float(digits)
        constants = constants or not math.isfinite(value)
        return value

    try:
        value = json.loads(data, object_pairs_hook=pairs, parse_constant=constant, parse_float=number)
    except (ValueError, RecursionError):
        value = None
    shown = "" if value is None else json.dumps(value, ensure_ascii=False)
    surrogates = any("\ud800" <= sign <= "\udfff" for sign in shown)
    return Document(text, data, value, repeated, _depth(data), constants, surrogates)


def _decode(text: str) -> bytes:
    """As forgiving as base64 can be."""
    kept = re.sub(r"[^A-Za-z0-9_-]", "", text.replace("+", "-").replace("/", "_"))
    try:
        return base64.urlsafe_b64decode(kept + "=" * (-len(kept) % 4))
    except ValueError:
        return b""


def _depth(data: bytes) -> int:
    """Of brackets, strings apart."""
    deepest = depth = 0
    for sign in re.sub(rb'"(?:[^"\\]|\\.)*"', b"", data, flags=re.DOTALL):
        if sign in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in b"}]":
            depth -= 1
    return deepest
