"""Request objects (RFC 9101): an authorization request as a JWT that its client has signed."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from proofkey.errors import InvalidRequestObject, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.claims import (
    LEEWAY,
    ClaimError,
    read_audience,
    read_instant,
    read_optional_instant,
    read_text,
)
from proofkey.protocol.client_assertion import client_keys
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import VerifiedJws, verify_compact
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.signature import ALGORITHM_OF_NAME
from proofkey.protocol.text import Instant, Issuer, Pairs
from proofkey.protocol.token_messages import MAY_REPEAT

HEADER_TYPE: Final = "oauth-authz-req+jwt"
ALGORITHMS: Final = ("ES256", "PS256", "Ed25519", "EdDSA", "RS256")
"""What a client may sign with."""
LONGEST_LIFE: Final = 3600
"""Seconds between `nbf` and `exp`, and that `nbf` may lie back (FAPI 2.0 Message Signing §5.3.1)."""
_OF_THE_JWT: Final = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})


def read_request_object(
    token: str,
    client: ClientRegistration,
    *,
    issuer: Issuer,
    now: Instant,
    algorithms: Iterable[str] = ALGORITHMS,
    dated: bool = False,
) -> Pairs:
    """§6: the parameters of an object that a key registered for the client has signed, for this server, with
    little time left to live. What they say is not judged here. `algorithms` are those that the server takes at
    all; with `dated` there must be a `nbf` (FAPI 2.0 Message Signing §5.3.1).

    Raises: InvalidRequestObject, and nothing else.
    """
    try:
        keys = client_keys(client.jwks or "", client.request_object_signing_alg)
        jws = verify_compact(token, keys, request_object_algorithms(client).intersection(algorithms))
        claims = _read_claims(jws, client, issuer, now)
        if dated:
            _ = read_instant(claims, "nbf")
        return tuple(_parameters_of(claims))
    except (InvalidToken, ClaimError, Unavailable) as error:
        raise InvalidRequestObject(error.finding, **{**error.facts, "client_id": client.client_id}) from error


def request_object_algorithms(client: ClientRegistration) -> frozenset[str]:
    """The header's `alg` for that client: the registered one, else what its keys are for (RFC 8725 §3.1)."""
    name = client.request_object_signing_alg
    if name is None:
        return frozenset(ALGORITHMS)
    algorithm = ALGORITHM_OF_NAME.get(name)
    return frozenset(each for each in ALGORITHMS if ALGORITHM_OF_NAME[each] == algorithm)


def _read_claims(jws: VerifiedJws, client: ClientRegistration, issuer: Issuer, now: Instant) -> dict[str, Any]:
    """§4, §5, §10.8. Raises: ClaimError."""
    typ: object = jws.header.get("typ")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") != HEADER_TYPE:
        raise ClaimError(Finding.REQUEST_OBJECT_TYPE, typ=str(typ)[:64])
    try:
        claims = parse_object(jws.payload)
    except ValueError as error:
        raise ClaimError(Finding.TOKEN_JSON) from error
    if read_text(claims, "iss") != client.client_id or read_text(claims, "client_id") != client.client_id:
        raise ClaimError(Finding.REQUEST_OBJECT_CLIENT)
    if "sub" in claims or "request" in claims or "request_uri" in claims:
        raise ClaimError(Finding.REQUEST_OBJECT_CLIENT, reason="sub, request or request_uri")
    _check_audience(claims, issuer)
    _check_times(claims, now)
    return claims


def _check_audience(claims: Mapping[str, Any], issuer: Issuer) -> None:
    """This server, or a list with it (FAPI 2.0 Message Signing §5.3.1)."""
    if issuer not in read_audience(claims):
        raise ClaimError(Finding.REQUEST_OBJECT_AUDIENCE, expected=issuer, found=str(claims.get("aud"))[:200])


def _check_times(claims: Mapping[str, Any], now: Instant) -> None:
    """`exp` always; without `nbf` the object counts from now. `iat` and `nbf` may be 10 seconds ahead."""
    exp, nbf = read_instant(claims, "exp"), read_optional_instant(claims, "nbf")
    starts = now if nbf is None else nbf
    latest = max(starts, read_optional_instant(claims, "iat") or starts)
    if (
        exp <= now - LEEWAY
        or exp > starts + LONGEST_LIFE
        or starts < now - LONGEST_LIFE - LEEWAY
        or latest > now + LEEWAY
    ):
        raise ClaimError(Finding.REQUEST_OBJECT_TIME, exp=str(exp), starts=str(latest), now=str(now))


def _parameters_of(claims: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """§4: strings as they are, numbers and objects as JSON; a list stands for a parameter that may be repeated.

    Raises: ClaimError.
    """
    for name, value in claims.items():
        if name in _OF_THE_JWT or value is None:
            continue
        values: list[object] = [value]
        if name in MAY_REPEAT and isinstance(value, list):
            values = cast("list[object]", value)
        for one in values:
            text = one if isinstance(one, str) else json.dumps(one, separators=(",", ":"), ensure_ascii=False)
            if "\0" in text or "\0" in name:
                raise ClaimError(Finding.TOKEN_JSON, claim=name[:64], reason="NUL")
            yield name, text
