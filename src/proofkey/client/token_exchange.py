"""A received token exchanged for one that another API takes: what is sent, and what may be believed (RFC 8693)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from proofkey.errors import (
    ConfigurationError,
    ExchangeFailed,
    InvalidScope,
    InvalidTarget,
    LoginFailed,
    Unavailable,
)
from proofkey.findings import Finding
from proofkey.protocol import token_messages
from proofkey.protocol.client_assertion import OutgoingClient, authenticate
from proofkey.protocol.error_code import UNREADABLE, error_code, read_error_code
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.messages import TokenResponse, parse_resources, parse_token_response
from proofkey.protocol.scope import format_scope
from proofkey.protocol.text import Instant, Issuer, Pairs, Secret

GRANT_TYPE: Final = token_messages.TOKEN_EXCHANGE
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCESS_TOKEN: Final = token_messages.ACCESS_TOKEN
JWT: Final = token_messages.JWT

ExchangeKind = Literal["rfc8693", "on_behalf_of"]
"""`on_behalf_of` is Microsoft's: the JWT bearer grant with `requested_token_use`."""
EXCHANGE_KINDS: Final[tuple[ExchangeKind, ...]] = get_args(ExchangeKind)

_OUR_FAULT: Final = frozenset({"invalid_client", "unauthorized_client"})
_INTERACTION: Final = frozenset({"interaction_required", "login_required", "consent_required"})
_MAX_CLAIMS: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeTarget:
    """What the new token is for (RFC 8693 §2.1). Made by `build_target`."""

    audience: tuple[str, ...] = ()
    """Names that the server knows, such as a client id."""
    resource: tuple[str, ...] = ()
    """URIs of APIs (RFC 8707)."""
    scope: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRules:
    """Who exchanges at which server, and in which way."""

    issuer: Issuer
    client: OutgoingClient
    kind: ExchangeKind = "rfc8693"
    subject_token_type: str = ACCESS_TOKEN
    requested_token_type: str = ACCESS_TOKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangedToken:
    """A token for the API downstream; it shows itself no more than a `Secret` does."""

    access_token: Secret
    expires_at: Instant | None = None
    """None: the server does not say."""
    scope: tuple[str, ...] = ()

    def reveal(self) -> str:
        """The token itself, for the Authorization header of one request."""
        return self.access_token.reveal()


def check_exchange_rules(rules: ExchangeRules) -> None:
    """RFC 8693 §2.1: the client authenticates, and both types of token are ones that an API can use.

    Raises: ConfigurationError.
    """
    if rules.client.secret is None and rules.client.key is None:
        fix = "client_secret, client_secret_file or private_key_file"
        raise ConfigurationError(Finding.CONFIG_MISSING, key="client_secret", fix=fix)
    if rules.kind not in EXCHANGE_KINDS:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="kind", expected=" or ".join(EXCHANGE_KINDS))
    for key in ("subject_token_type", "requested_token_type"):
        if getattr(rules, key) not in (ACCESS_TOKEN, JWT):
            raise ConfigurationError(Finding.CONFIG_VALUE, key=key, expected=f"{ACCESS_TOKEN} or {JWT}")


def build_target(
    rules: ExchangeRules, audience: tuple[str, ...], resource: tuple[str, ...], scope: tuple[str, ...]
) -> ExchangeTarget:
    """The target, which must name something: without, the server would choose.

    Raises: ConfigurationError.
    """
    if rules.kind == "on_behalf_of" and (audience or resource or not scope):
        fix = 'scope="api://<the API downstream>/.default" alone: this server knows no audience and no resource'
        raise ConfigurationError(Finding.CONFIG_VALUE, key="scope", fix=fix)
    if not (audience or resource or scope):
        raise ConfigurationError(Finding.CONFIG_MISSING, key="audience", fix="audience, resource or scope")
    if not all(name.strip() for name in audience):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="audience", reason="an empty name")
    try:
        resource = parse_resources(tuple(("resource", value) for value in resource))
        format_scope(scope)
    except (InvalidTarget, InvalidScope) as error:
        key = "resource" if isinstance(error, InvalidTarget) else "scope"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason=error.finding.sentence) from error
    return ExchangeTarget(audience=audience, resource=resource, scope=scope)


def build_exchange_ask(
    rules: ExchangeRules,
    token_endpoint: str,
    subject: Secret,
    target: ExchangeTarget,
    *,
    actor: Secret | None = None,
    offered: tuple[str, ...] = (),
    now: Instant,
    fresh_id: Callable[[], str],
) -> Ask:
    """RFC 8693 §2.1, or Microsoft's on-behalf-of request, under this API's own credentials.

    `actor` is the token of whoever acts, where that is not the client itself. `offered` are the methods of client
    authentication that the server's metadata name.
    """
    form = _on_behalf_of_form if rules.kind == "on_behalf_of" else _exchange_form
    return authenticate(
        Ask("POST", token_endpoint, {"accept": "application/json"}, form(rules, subject, target, actor)),
        rules.client,
        offered=offered,
        issuer=rules.issuer,
        now=now,
        fresh_id=fresh_id,
    )


def read_exchange_answer(
    answer: Answer, rules: ExchangeRules, subject: Secret, target: ExchangeTarget, now: Instant
) -> ExchangedToken:
    """RFC 8693 §2.2: a bearer token of the type that was asked for, and another than the one that was sent. A
    refresh token beside it is ignored.

    Raises: ExchangeFailed when the server refuses; Unavailable when it, or our own client's registration, is at
    fault.
    """
    _check_granted(answer)
    try:
        response = parse_token_response(answer.body)
    except LoginFailed as error:
        facts = error.facts | {"check": error.finding.id}
        raise Unavailable(Finding.EXCHANGE_ANSWER, retry_after=5, **facts) from error
    _check_types(response, rules)
    if response.access_token.matches(subject):
        raise Unavailable(Finding.EXCHANGE_SAME_TOKEN, issuer=rules.issuer)
    expires_in = response.expires_in
    return ExchangedToken(
        access_token=response.access_token,
        expires_at=None if expires_in is None else Instant(now + expires_in),
        scope=target.scope if response.scope is None else response.scope,
    )


def _exchange_form(rules: ExchangeRules, subject: Secret, target: ExchangeTarget, actor: Secret | None) -> Pairs:
    scope = format_scope(target.scope)
    return (
        ("grant_type", GRANT_TYPE),
        ("subject_token", subject.reveal()),
        ("subject_token_type", rules.subject_token_type),
        ("requested_token_type", rules.requested_token_type),
        *(() if actor is None else (("actor_token", actor.reveal()), ("actor_token_type", ACCESS_TOKEN))),
        *(("resource", value) for value in target.resource),
        *(("audience", value) for value in target.audience),
        *((("scope", scope),) if scope else ()),
    )


def _on_behalf_of_form(
    rules: ExchangeRules, subject: Secret, target: ExchangeTarget, actor: Secret | None
) -> Pairs:
    if actor is not None:
        raise ConfigurationError(
            Finding.CONFIG_VALUE, key="actor_token", reason="this server knows no actor token"
        )
    return (
        ("grant_type", JWT_BEARER),
        ("assertion", subject.reveal()),
        ("requested_token_use", "on_behalf_of"),
        ("scope", format_scope(target.scope)),
    )


def _check_granted(answer: Answer) -> None:
    """RFC 8693 §2.2.2, RFC 6749 §5.2. Raises: ExchangeFailed, Unavailable."""
    status = answer.status
    if status == 200:
        return
    if 300 <= status < 400:
        raise Unavailable(Finding.OUTGOING_REDIRECT, endpoint="token", status=str(status))
    error = read_error_code(answer.body)
    if status == 401 or error in _OUR_FAULT:
        raise Unavailable(Finding.EXCHANGE_CREDENTIALS, status=str(status), error=error)
    if status >= 500 or status == 429 or error == UNREADABLE:
        raise Unavailable(Finding.OUTGOING_STATUS, endpoint="token", status=str(status), error=error)
    claims = _wanted_claims(answer.body)
    if error in _INTERACTION or claims is not None:
        raise ExchangeFailed(Finding.EXCHANGE_INTERACTION, error=error, claims=claims)
    raise ExchangeFailed(Finding.EXCHANGE_REFUSED, error=error, status=str(status))


def _wanted_claims(body: bytes) -> str | None:
    """Microsoft's `claims`: what the person must still show, as the application passes it on when it signs in."""
    claims: object = parse_object(body).get("claims")
    fits = isinstance(claims, str) and 0 < len(claims) <= _MAX_CLAIMS and claims.isascii() and claims.isprintable()
    return claims if isinstance(claims, str) and fits else None


def _check_types(response: TokenResponse, rules: ExchangeRules) -> None:
    """RFC 8693 §2.2.1; on-behalf-of answers as RFC 6749 §5.1 and names no issued type. Raises: Unavailable."""
    issued: object = response.extra.get("issued_token_type")
    optional = rules.kind == "on_behalf_of" and issued is None
    if not optional and issued != rules.requested_token_type:
        shown = issued[:100] if isinstance(issued, str) else "none"
        expected = rules.requested_token_type
        raise Unavailable(Finding.EXCHANGE_ANSWER, claim="issued_token_type", found=shown, expected=expected)
    if response.token_type.lower() != "bearer":
        raise Unavailable(Finding.EXCHANGE_ANSWER, claim="token_type", found=error_code(response.token_type))
