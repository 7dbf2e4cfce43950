"""The messages of the token endpoint as values, and how they are read from parameters and JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proofkey.errors import InvalidRequest, InvalidScope, InvalidTarget, LoginFailed, UnsupportedGrantType
from proofkey.findings import Finding
from proofkey.protocol.authorization_details import Detail, parse_authorization_details
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.scope import format_scope, parse_scope
from proofkey.protocol.text import Pairs, Secret, single

MAY_REPEAT: Final = frozenset({"resource"})
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
_MAX_EXPIRES_IN: Final = 10 * 365 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRequest:
    """RFC 6749 §4.1.3, RFC 7636 §4.5."""

    code: Secret
    redirect_uri: str | None = None
    code_verifier: Secret | None = None
    resource: tuple[str, ...] = ()
    details: tuple[Detail, ...] = ()
    """`authorization_details`, a part of what was granted; empty: all of it (RFC 9396 §6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshRequest:
    """RFC 6749 §6."""

    refresh_token: Secret
    scope: tuple[str, ...] | None = None
    resource: tuple[str, ...] = ()
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentialsRequest:
    """RFC 6749 §4.4.2."""

    scope: tuple[str, ...] | None = None
    resource: tuple[str, ...] = ()
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRequest:
    """RFC 8693 §2.1."""

    subject_token: Secret
    subject_token_type: str
    target: tuple[str, ...] = ()
    """What `resource` and `audience` name, each once."""
    scope: tuple[str, ...] | None = None
    requested_token_type: str | None = None
    has_actor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """RFC 8628 §3.4."""

    device_code: Secret
    resource: tuple[str, ...] = ()


TokenRequest = CodeRequest | RefreshRequest | ClientCredentialsRequest | ExchangeRequest | DeviceRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenResponse:
    """RFC 6749 §5.1, OIDC Core §3.1.3.3. `expires_in` is in seconds."""

    access_token: Secret
    token_type: str = "Bearer"
    expires_in: int | None = None
    refresh_token: Secret | None = None
    id_token: Secret | None = None
    scope: tuple[str, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


def parse_token_request(pairs: Pairs) -> TokenRequest:
    """RFC 6749 §4.1.3, §4.4.2, §6; RFC 7636 §4.5; RFC 8693 §2.1; RFC 8707 §2.2; RFC 9396 §6. Unknown parameters
    are ignored.

    Raises: InvalidRequest, UnsupportedGrantType, InvalidScope, InvalidTarget, InvalidAuthorizationDetails.
    """
    if ("grant_type", TOKEN_EXCHANGE) in pairs:
        return _parse_exchange_request(pairs)
    if ("grant_type", DEVICE_CODE) in pairs:
        return _parse_device_request(pairs)
    sent = single(pairs, may_repeat=MAY_REPEAT)
    grant_type = require(sent, "grant_type")
    resource = parse_resources(pairs)
    scope = parse_scope(sent["scope"]) if "scope" in sent else None
    asked = sent.get("authorization_details")
    details = parse_authorization_details(asked) if asked is not None else ()
    match grant_type:
        case "authorization_code":
            verifier = sent.get("code_verifier")
            return CodeRequest(
                code=Secret(require(sent, "code")),
                redirect_uri=sent.get("redirect_uri"),
                code_verifier=None if verifier is None else Secret(verifier),
                resource=resource,
                details=details,
            )
        case "refresh_token":
            token = Secret(require(sent, "refresh_token"))
            return RefreshRequest(refresh_token=token, scope=scope, resource=resource, details=details)
        case "client_credentials":
            return ClientCredentialsRequest(scope=scope, resource=resource, details=details)
        case _:
            raise UnsupportedGrantType(Finding.GRANT_TYPE_UNKNOWN, grant_type=grant_type[:64])


def _parse_exchange_request(pairs: Pairs) -> ExchangeRequest:
    """RFC 8693 §2.1; `audience` may repeat, as `resource` may."""
    sent = single(pairs, may_repeat=MAY_REPEAT | {"audience"})
    audience = tuple(value for name, value in pairs if name == "audience" and value)
    return ExchangeRequest(
        subject_token=Secret(require(sent, "subject_token")),
        subject_token_type=require(sent, "subject_token_type"),
        target=tuple(dict.fromkeys((*parse_resources(pairs), *audience))),
        scope=parse_scope(sent["scope"]) if "scope" in sent else None,
        requested_token_type=sent.get("requested_token_type"),
        has_actor="actor_token" in sent or "actor_token_type" in sent,
    )


def _parse_device_request(pairs: Pairs) -> DeviceRequest:
    """RFC 8628 §3.4."""
    sent = single(pairs, may_repeat=MAY_REPEAT)
    return DeviceRequest(device_code=Secret(require(sent, "device_code")), resource=parse_resources(pairs))


def parse_resources(pairs: Pairs) -> tuple[str, ...]:
    """The `resource` parameters, each once: absolute URIs without fragment (RFC 8707 §2).

    Raises: InvalidTarget.
    """
    resources = tuple(dict.fromkeys(value for name, value in pairs if name == "resource" and value))
    for resource in resources:
        scheme, colon, rest = resource.partition(":")
        plain = resource.isascii() and resource.isprintable() and " " not in resource
        if not (plain and colon and rest and scheme[:1].isalpha()) or "#" in resource or len(resource) > 2048:
            raise InvalidTarget(Finding.RESOURCE_MALFORMED, resource=resource[:200])
    return resources


def token_response_document(response: TokenResponse) -> dict[str, Any]:
    """The JSON members of a token response, absent ones left out (RFC 6749 §5.1)."""
    document: dict[str, Any] = {
        **response.extra,
        "access_token": response.access_token.reveal(),
        "token_type": response.token_type,
    }
    if response.expires_in is not None:
        document["expires_in"] = response.expires_in
    if response.refresh_token is not None:
        document["refresh_token"] = response.refresh_token.reveal()
    if response.id_token is not None:
        document["id_token"] = response.id_token.reveal()
    if response.scope is not None:
        document["scope"] = format_scope(response.scope)
    return document


def parse_token_response(body: bytes) -> TokenResponse:
    """RFC 6749 §5.1: unknown members go to `extra`; null counts as absent. The caller judges `token_type`.

    Raises: LoginFailed.
    """
    try:
        members = {name: value for name, value in parse_object(body).items() if value is not None}
        access_token = _text(members, "access_token")
        token_type = _text(members, "token_type")
        if access_token is None or token_type is None:
            raise ValueError("access_token or token_type is missing")
        scope = members.pop("scope", None)
        refresh_token, id_token = _text(members, "refresh_token"), _text(members, "id_token")
        return TokenResponse(
            access_token=Secret(access_token),
            token_type=token_type,
            expires_in=_seconds(members.pop("expires_in", None)),
            refresh_token=None if refresh_token is None else Secret(refresh_token),
            id_token=None if id_token is None else Secret(id_token),
            scope=None if scope is None else _scope(scope),
            extra=members,
        )
    except (ValueError, InvalidScope) as error:
        reason = str(error) if type(error) is ValueError else type(error).__name__
        raise LoginFailed(Finding.LOGIN_RESPONSE_MALFORMED, reason=reason) from error


def require(sent: Mapping[str, str], name: str) -> str:
    """That parameter's value. Raises: InvalidRequest when it is missing."""
    value = sent.get(name)
    if value is None:
        raise InvalidRequest(Finding.PARAMETER_MISSING, parameter=name)
    return value


def _text(members: dict[str, Any], name: str) -> str | None:
    """Visible ASCII (RFC 6749 App. A.12, A.13, A.17): tokens go into header lines."""
    value: object = members.pop(name, None)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is no string")
    if not value.isascii() or not value.isprintable():
        raise ValueError(f"{name} has other characters than visible ASCII")
    return value


def _scope(value: object) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise ValueError("scope is no string")
    return parse_scope(value)


def _seconds(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_EXPIRES_IN:
        raise ValueError("expires_in is no number of seconds")
    return int(value)
