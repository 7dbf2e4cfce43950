"""An authorization request that goes to the provider first, and the browser carries its name alone (RFC 9126)."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from proofkey.client.config import LoginConfig
from proofkey.errors import LoginFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import authenticate
from proofkey.protocol.error_code import read_error_code
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.messages import AuthorizationRequest, authorization_request_pairs
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import Instant

_LONGEST: Final = 2048


def choose_push_endpoint(config: LoginConfig, metadata: ServerMetadata) -> str | None:
    """Where the request is pushed to; None when it goes with the browser.

    Raises: LoginFailed when it must be pushed and the provider has no such endpoint.
    """
    endpoint = metadata.pushed_authorization_request_endpoint
    must = config.par == "required" or metadata.require_pushed_authorization_requests
    if endpoint is None and must:
        raise LoginFailed(Finding.PUSH_NOT_OFFERED, issuer=metadata.issuer)
    return endpoint if must or config.par == "auto" else None


def build_push_ask(
    config: LoginConfig,
    metadata: ServerMetadata,
    endpoint: str,
    request: AuthorizationRequest,
    *,
    now: Instant,
    fresh_id: Callable[[], str],
) -> Ask:
    """RFC 9126 §2.1: every parameter in the form, and the client proves itself as at the token endpoint."""
    asked = (*authorization_request_pairs(request), *config.authorization_parameters)
    form = tuple(pair for pair in asked if pair[0] != "client_id")
    ask = authenticate(
        Ask("POST", endpoint, {"accept": "application/json"}, form),
        config.outgoing_client,
        offered=metadata.token_endpoint_auth_methods_supported,
        issuer=config.issuer,
        now=now,
        fresh_id=fresh_id,
    )
    sent = ask.form or ()
    named = sent if any(name == "client_id" for name, _ in sent) else (("client_id", config.client_id), *sent)
    return Ask(ask.method, ask.url, ask.headers, named)


def read_push_answer(answer: Answer) -> str:
    """RFC 9126 §2.2, §2.3: the request's name.

    Raises: Unavailable when the provider is at fault; LoginFailed when it refuses, or names nothing.
    """
    if answer.status >= 500 or answer.status == 429:
        raise Unavailable(Finding.OUTGOING_STATUS, status=str(answer.status), endpoint="par")
    if 300 <= answer.status < 400:
        raise LoginFailed(Finding.OUTGOING_REDIRECT, status=str(answer.status), endpoint="par")
    if answer.status not in (200, 201):
        error = read_error_code(answer.body)
        raise LoginFailed(Finding.LOGIN_REFUSED, error=error, status=str(answer.status), endpoint="par")
    try:
        request_uri: object = parse_object(answer.body).get("request_uri")
    except ValueError as error:
        raise LoginFailed(Finding.PUSH_MALFORMED, reason="not a strict JSON object") from error
    fits = isinstance(request_uri, str) and 0 < len(request_uri) <= _LONGEST
    if not isinstance(request_uri, str) or not fits or not (request_uri.isascii() and request_uri.isprintable()):
        raise LoginFailed(Finding.PUSH_MALFORMED, reason="no request_uri")
    return request_uri


def build_pushed_url(config: LoginConfig, metadata: ServerMetadata, request_uri: str) -> str:
    """RFC 9126 §4: the client's name and the request's, and nothing else."""
    endpoint = metadata.authorization_endpoint
    query = urlencode((("client_id", config.client_id), ("request_uri", request_uri)))
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"
