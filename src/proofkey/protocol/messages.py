"""The messages of RFC 6749, OpenID Connect Core and RFC 8707 as values, and how they are read from parameters.

Those of the authorization endpoint stand here, those of the token endpoint in `token_messages`; all can be had
from here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlencode

from proofkey.errors import (
    InvalidRequest,
    LoginFailed,
    NoLocation,
    RequestNotSupported,
    RequestUriNotSupported,
    UnsupportedResponseType,
)
from proofkey.findings import Finding
from proofkey.protocol.authorization_details import parse_authorization_details, write_authorization_details
from proofkey.protocol.claims_request import parse_claims_request
from proofkey.protocol.scope import format_scope, parse_scope
from proofkey.protocol.text import ClientId, Issuer, Pairs, Secret, single
from proofkey.protocol.token_messages import (
    MAY_REPEAT,
    ClientCredentialsRequest,
    CodeRequest,
    DeviceRequest,
    ExchangeRequest,
    RefreshRequest,
    TokenRequest,
    TokenResponse,
    parse_resources,
    parse_token_request,
    parse_token_response,
    require,
    token_response_document,
)

__all__ = [
    "PLAIN_MODES",
    "SIGNED_MODES",
    "AuthorizationRequest",
    "AuthorizationResponse",
    "ClientCredentialsRequest",
    "CodeRequest",
    "DeviceRequest",
    "ExchangeRequest",
    "RedirectTarget",
    "RefreshRequest",
    "ResponseMode",
    "TokenRequest",
    "TokenResponse",
    "authorization_response_pairs",
    "authorization_response_url",
    "build_authorization_request_url",
    "parse_authorization_request",
    "parse_authorization_response",
    "parse_redirect_target",
    "parse_resources",
    "parse_token_request",
    "parse_token_response",
    "token_response_document",
    "with_query",
]

ResponseMode = Literal["query", "form_post", "jwt", "query.jwt", "form_post.jwt"]
PLAIN_MODES: Final[tuple[ResponseMode, ...]] = ("query", "form_post")
SIGNED_MODES: Final[tuple[ResponseMode, ...]] = ("jwt", "query.jwt", "form_post.jwt")
"""JARM §2.3; `jwt` is `query.jwt` here, where the response type is always `code`."""
_MODES: Final[Mapping[str, ResponseMode]] = {mode: mode for mode in (*PLAIN_MODES, *SIGNED_MODES)}
_PROMPTS: Final = frozenset({"none", "login", "consent", "select_account", "create"})
_MAX_NONCE: Final = 512
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_MAX_STATE: Final = 8192
_MAX_LOGIN_HINT: Final = 320
"""As much as the login page's field takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectTarget:
    """Where an authorization request's answer would go, before client and URI are proven."""

    client_id: ClientId
    redirect_uri: str
    state: str | None
    """None also when it was sent twice."""
    response_mode: ResponseMode = "query"
    """As asked; `query` also when it is none of ours or was sent twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """RFC 6749 §4.1.1, OIDC Core §3.1.2.1. `scope` holds what was asked, in the order of arrival."""

    client_id: ClientId
    redirect_uri: str
    response_type: str = "code"
    response_mode: ResponseMode = "query"
    scope: tuple[str, ...] = ()
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    resource: tuple[str, ...] = ()
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    login_hint: str | None = None
    id_token_hint: str | None = field(default=None, repr=False)
    acr_values: tuple[str, ...] = ()
    ui_locales: tuple[str, ...] = ()
    claims: str | None = None
    """OIDC Core §5.5, as JSON text that was read once (`parse_claims_request`)."""
    dpop_jkt: str | None = None
    """The thumbprint of the key that the code is bound to (RFC 9449 §10)."""
    authorization_details: str | None = None
    """RFC 9396 §2, as JSON text that was read once (`parse_authorization_details`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationResponse:
    """RFC 6749 §4.1.2, RFC 9207 §2: either `code` or `error`."""

    iss: Issuer | None = None
    state: str | None = None
    code: Secret | None = None
    error: str | None = None
    error_description: str | None = None


def parse_redirect_target(pairs: Pairs) -> RedirectTarget:
    """The parameters that decide how every later refusal is answered (RFC 6749 §4.1.2.1).

    Raises: NoLocation when client_id or redirect_uri is missing or repeated.
    """
    found: dict[str, list[str]] = {"client_id": [], "redirect_uri": [], "state": [], "response_mode": []}
    for name, value in pairs:
        if name in found:
            found[name].append(value)
    for name in ("client_id", "redirect_uri"):
        if len(found[name]) > 1:
            raise NoLocation(Finding.PARAMETER_REPEATED, parameter=name)
    if found["client_id"] in ([], [""]):
        raise NoLocation(Finding.PARAMETER_MISSING, parameter="client_id")
    if found["redirect_uri"] in ([], [""]):
        raise NoLocation(Finding.REDIRECT_URI_MISSING)
    state = found["state"][0] if len(found["state"]) == 1 else ""
    mode = found["response_mode"][0] if len(found["response_mode"]) == 1 else ""
    return RedirectTarget(
        client_id=ClientId(found["client_id"][0]),
        redirect_uri=found["redirect_uri"][0],
        state=state or None,
        response_mode=_MODES.get(mode, "query"),
    )


def parse_authorization_request(pairs: Pairs) -> AuthorizationRequest:
    """RFC 6749 §4.1.1, OIDC Core §3.1.2.1, RFC 7636 §4.3, RFC 8707 §2. Unknown parameters are ignored.

    Call `parse_redirect_target` and prove client and redirect URI first: all but NoLocation may be redirected.
    Raises: NoLocation, InvalidRequest, UnsupportedResponseType, InvalidScope, InvalidTarget,
    InvalidAuthorizationDetails, RequestNotSupported, RequestUriNotSupported.
    """
    target = parse_redirect_target(pairs)
    sent = single(pairs, may_repeat=MAY_REPEAT)
    _check_offered(sent)
    if len(sent.get("state", "")) > _MAX_STATE:
        raise InvalidRequest(Finding.PARAMETER_MALFORMED, parameter="state")
    return AuthorizationRequest(
        client_id=target.client_id,
        redirect_uri=target.redirect_uri,
        response_mode=target.response_mode,
        scope=parse_scope(sent.get("scope", "")),
        state=sent.get("state"),
        nonce=_parse_nonce(sent.get("nonce")),
        code_challenge=sent.get("code_challenge"),
        code_challenge_method=sent.get("code_challenge_method"),
        resource=parse_resources(pairs),
        prompt=_parse_prompt(sent.get("prompt", "")),
        max_age=_parse_max_age(sent.get("max_age")),
        login_hint=_parse_login_hint(sent.get("login_hint")),
        id_token_hint=sent.get("id_token_hint"),
        acr_values=tuple(sent.get("acr_values", "").split()),
        ui_locales=tuple(sent.get("ui_locales", "").split()),
        claims=_parse_claims(sent.get("claims")),
        dpop_jkt=_parse_dpop_jkt(sent.get("dpop_jkt")),
        authorization_details=_parse_details(sent.get("authorization_details")),
    )


def build_authorization_request_url(endpoint: str, request: AuthorizationRequest) -> str:
    """The endpoint's URL, its own query kept, with the request's parameters (RFC 6749 §3.1, §4.1.1)."""
    return with_query(endpoint, authorization_request_pairs(request))


def authorization_request_pairs(request: AuthorizationRequest) -> Pairs:
    """The request's parameters, whichever way they go (RFC 6749 §4.1.1, RFC 9126 §2.1)."""
    optional: tuple[tuple[str, str | None], ...] = (
        ("response_mode", None if request.response_mode == "query" else request.response_mode),
        ("scope", format_scope(request.scope)),
        ("state", request.state),
        ("nonce", request.nonce),
        ("code_challenge", request.code_challenge),
        ("code_challenge_method", request.code_challenge_method),
        ("prompt", " ".join(sorted(request.prompt))),
        ("max_age", None if request.max_age is None else str(request.max_age)),
        ("login_hint", request.login_hint),
        ("id_token_hint", request.id_token_hint),
        ("acr_values", " ".join(request.acr_values)),
        ("ui_locales", " ".join(request.ui_locales)),
        ("claims", request.claims),
        ("dpop_jkt", request.dpop_jkt),
        ("authorization_details", request.authorization_details),
    )
    return (
        ("response_type", request.response_type),
        ("client_id", request.client_id),
        ("redirect_uri", request.redirect_uri),
        *((name, value) for name, value in optional if value),
        *(("resource", resource) for resource in request.resource),
    )


def authorization_response_url(redirect_uri: str, response: AuthorizationResponse) -> str:
    """The redirect URI, its query kept, with code or error, state and iss (RFC 6749 §4.1.2, RFC 9207 §2)."""
    return with_query(redirect_uri, authorization_response_pairs(response))


def authorization_response_pairs(response: AuthorizationResponse) -> Pairs:
    """The response's parameters, whichever way they go (RFC 6749 §4.1.2, RFC 9207 §2)."""
    parameters: tuple[tuple[str, str | None], ...] = (
        ("code", None if response.code is None else response.code.reveal()),
        ("error", response.error),
        ("error_description", response.error_description),
        ("state", response.state),
        ("iss", response.iss),
    )
    return tuple((name, value) for name, value in parameters if value is not None)


def parse_authorization_response(pairs: Pairs) -> AuthorizationResponse:
    """RFC 6749 §4.1.2, RFC 9207 §2; unknown parameters are ignored. Neither state nor iss is compared here.

    Raises: LoginFailed when a parameter is repeated, or there is not exactly one of code and error.
    """
    try:
        sent = single(pairs)
    except InvalidRequest as error:
        raise LoginFailed(error.finding, **error.facts) from error
    code, error_code = sent.get("code"), sent.get("error")
    if (code is None) == (error_code is None):
        raise LoginFailed(Finding.LOGIN_RESPONSE_MALFORMED, reason="neither or both of code and error")
    iss = sent.get("iss")
    return AuthorizationResponse(
        iss=None if iss is None else Issuer(iss),
        state=sent.get("state"),
        code=None if code is None else Secret(code),
        error=error_code,
        error_description=sent.get("error_description"),
    )


def _check_offered(sent: Mapping[str, str]) -> None:
    if "request" in sent:
        raise RequestNotSupported(Finding.REQUEST_OBJECT_UNSUPPORTED)
    if "request_uri" in sent:
        raise RequestUriNotSupported(Finding.REQUEST_OBJECT_UNSUPPORTED)
    response_type = require(sent, "response_type")
    if response_type != "code":
        raise UnsupportedResponseType(Finding.RESPONSE_TYPE_WRONG, response_type=response_type[:64])
    response_mode = sent.get("response_mode", "query")
    if response_mode not in _MODES:
        raise InvalidRequest(Finding.RESPONSE_MODE_WRONG, response_mode=response_mode[:64])


def _parse_nonce(nonce: str | None) -> str | None:
    if nonce is not None and len(nonce) > _MAX_NONCE:
        raise InvalidRequest(Finding.PARAMETER_MALFORMED, parameter="nonce")
    return nonce


def _parse_login_hint(hint: str | None) -> str | None:
    """A hint may be ignored (OIDC Core §3.1.2.1), and one that is no name is."""
    return hint if hint is not None and len(hint) <= _MAX_LOGIN_HINT and hint.isprintable() else None


def _parse_dpop_jkt(text: str | None) -> str | None:
    """RFC 9449 §10: a SHA-256 thumbprint."""
    if text is not None and _THUMBPRINT.fullmatch(text) is None:
        raise InvalidRequest(Finding.PARAMETER_MALFORMED, parameter="dpop_jkt")
    return text


def _parse_claims(text: str | None) -> str | None:
    if text is not None:
        parse_claims_request(text)
    return text


def _parse_details(text: str | None) -> str | None:
    return None if text is None else write_authorization_details(parse_authorization_details(text))


def _parse_prompt(text: str) -> frozenset[str]:
    """Known values; others are ignored (OIDC Core §3.1.2.1)."""
    prompt = _PROMPTS.intersection(text.split(" "))
    if "none" in prompt and len(text.split()) > 1:
        raise InvalidRequest(Finding.PROMPT_CONFLICT)
    return prompt


def _parse_max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise InvalidRequest(Finding.PARAMETER_MALFORMED, parameter="max_age")
    return int(text)


def with_query(url: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The URL, its query kept and extended."""
    query = urlencode(tuple(pairs))
    return f"{url}{'&' if '?' in url else '?'}{query}"
