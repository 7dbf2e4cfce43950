"""Asks the issuer about a token, and says what may be believed of the answer (RFC 7662, RFC 9701)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from proofkey.errors import ConfigurationError, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, read_claims, read_scope
from proofkey.protocol.claims import (
    ClaimError,
    check_issuer_claim,
    read_audience,
    read_instant,
    read_optional_instant,
)
from proofkey.protocol.client_assertion import OutgoingClient, authenticate
from proofkey.protocol.dialect import Dialect
from proofkey.protocol.error_code import read_error_code
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import MAX_TOKEN, read_unverified_header, verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import EPOCH, Instant
from proofkey.protocol.uri import is_web_url
from proofkey.resource_server.protected_resource import ResourcePolicy

JSON: Final = "application/json"
SIGNED: Final = "application/token-introspection+jwt"
HEADER_TYPE: Final = "token-introspection+jwt"
MAX_ANSWER: Final = 64 * 1024
"""Bytes."""
FRESH: Final = 60
"""Seconds: a signed answer that is older was not made for this request."""
LONGEST_AGE: Final = 3600

_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "token_type": frozenset({"bearer", "dpop", "access_token", "urn:ietf:params:oauth:token-type:access_token"}),
    "token_use": frozenset({"access", "access_token"}),
    "typ": frozenset({"bearer", "dpop", "at+jwt", "jwt", "access_token"}),
}
"""Members by which issuers tell the kind of a token, and what they say of an access token (RFC 7662 §2.2; Hydra,
Cognito; Keycloak); in lower case."""
_NAME_AUDIENCE: Final = "let the issuer name the token's aud in its introspection answers"
_KEPT_NULLS: Final = frozenset({"active", "cnf"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IntrospectionRules:
    """Whose tokens, who asks, and what the answer must say. Made by `build_introspection_rules`."""

    policy: ResourcePolicy
    client: OutgoingClient
    endpoint: str | None = None
    """None: the one in the issuer's metadata."""
    signed: bool = False
    """Answers must be signed (RFC 9701)."""
    max_age: int = 60
    """Seconds that an answer is believed."""
    allow_insecure_missing_audience: bool = False


def build_introspection_rules(
    policy: ResourcePolicy,
    client: OutgoingClient,
    *,
    endpoint: str | None = None,
    signed: bool = False,
    max_age: int = 60,
    allow_insecure_missing_audience: bool = False,
) -> IntrospectionRules:
    """RFC 7662 §2.1: never without credentials.

    Raises: ConfigurationError.
    """
    if client.secret is None and client.key is None:
        fix = "client_secret, client_secret_file or private_key_file"
        raise ConfigurationError(Finding.CONFIG_MISSING, key="introspection.client_secret", fix=fix)
    if endpoint is not None and not is_web_url(endpoint):
        shown = endpoint.partition("?")[0].rpartition("@")[2][:200]
        reason = "neither https nor http on loopback"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="introspection.endpoint", value=shown, reason=reason)
    if not 0 <= max_age <= LONGEST_AGE:
        fix = f"0 to {LONGEST_AGE} seconds"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="introspection.max_age", fix=fix)
    return IntrospectionRules(
        policy=replace(policy, dialect=_answers_of(policy.dialect)),
        client=client,
        endpoint=endpoint,
        signed=signed,
        max_age=max_age,
        allow_insecure_missing_audience=allow_insecure_missing_audience,
    )


def _answers_of(dialect: Dialect) -> Dialect:
    """The provider's words in its answers: those of its tokens, but where RFC 7662 §2.2 has one of its own."""
    names, own = tuple(dict.fromkeys(("client_id", *dialect.client_id))), dialect.scope

    def scope(claims: Mapping[str, Any]) -> tuple[str, ...]:
        return read_scope(claims) if own is None or "scope" in claims else own(claims)

    return replace(dialect, audience="aud", client_id=names, jti_required=False, scope=scope)


def check_askable(token: str) -> None:
    """Visible ASCII of a bearable length, before it is sent anywhere (RFC 6749 §A.12). Raises: InvalidToken."""
    if len(token) > MAX_TOKEN:
        raise InvalidToken(Finding.TOKEN_TOO_LARGE, length=str(len(token)))
    if not (token and token.isascii() and token.isprintable()):
        raise InvalidToken(Finding.TOKEN_ENCODING, reason="not visible ASCII")


def find_endpoint(rules: IntrospectionRules, metadata: ServerMetadata | None) -> str:
    """The configured endpoint, else the one that the issuer publishes.

    Raises: Unavailable when there is none.
    """
    if rules.endpoint is not None:
        return rules.endpoint
    if metadata is None or metadata.introspection_endpoint is None:
        raise Unavailable(Finding.INTROSPECTION_NO_ENDPOINT, issuer=rules.policy.issuer)
    return metadata.introspection_endpoint


def build_introspection_ask(
    token: str,
    rules: IntrospectionRules,
    metadata: ServerMetadata | None,
    *,
    now: Instant,
    fresh_id: Callable[[], str],
) -> Ask:
    """RFC 7662 §2.1, RFC 9701 §4: the token and what it should be, under this API's own credentials.

    Raises: Unavailable when there is no endpoint.
    """
    return authenticate(
        Ask(
            "POST",
            find_endpoint(rules, metadata),
            {"accept": SIGNED if rules.signed else JSON},
            (("token", token), ("token_type_hint", "access_token")),
            MAX_ANSWER,
        ),
        rules.client,
        offered=_offered_methods(metadata),
        issuer=rules.policy.issuer,
        now=now,
        fresh_id=fresh_id,
    )


def check_answered(answer: Answer) -> None:
    """That the endpoint answered the question at all. Nothing here is the fault of the request that brought the
    token: 401 means our own credentials (RFC 7662 §2.3).

    Raises: Unavailable.
    """
    status = answer.status
    if status == 200:
        return
    if 300 <= status < 400:
        raise Unavailable(Finding.OUTGOING_REDIRECT, endpoint="introspection", status=str(status))
    error = read_error_code(answer.body)
    if status in (401, 403) or error in ("invalid_client", "unauthorized_client"):
        raise Unavailable(Finding.INTROSPECTION_CREDENTIALS, status=str(status), error=error)
    raise Unavailable(Finding.OUTGOING_STATUS, endpoint="introspection", status=str(status), error=error)


def read_plain_answer(answer: Answer) -> dict[str, Any]:
    """The members of a JSON answer (RFC 7662 §2.2): one strict object.

    Raises: Unavailable.
    """
    check_answered(answer)
    if _media_type(answer) == SIGNED:
        raise Unavailable(Finding.INTROSPECTION_FORM, found=SIGNED)
    try:
        return parse_object(answer.body)
    except ValueError as error:
        raise Unavailable(Finding.INTROSPECTION_ANSWER, reason="not one strict JSON object") from error


def read_answer_jwt(answer: Answer) -> str:
    """The compact JWS of a signed answer, not yet verified (RFC 9701 §5).

    Raises: Unavailable; also for an encrypted one.
    """
    check_answered(answer)
    if _media_type(answer) != SIGNED:
        raise Unavailable(Finding.INTROSPECTION_FORM, found=_media_type(answer)[:64])
    try:
        text = answer.body.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise Unavailable(Finding.INTROSPECTION_ANSWER, reason="not ASCII") from error
    if text.count(".") == 4:
        raise Unavailable(Finding.INTROSPECTION_ENCRYPTED)
    return text


def answer_kid(text: str) -> str | None:
    """The kid that a signed answer names, to find the key with. Raises: Unavailable."""
    try:
        kid: object = read_unverified_header(text).get("kid")
    except InvalidToken as error:
        raise _unbelievable(error) from error
    return kid if isinstance(kid, str) else None


def verify_signed_answer(text: str, keys: KeySet, rules: IntrospectionRules, now: Instant) -> dict[str, Any]:
    """RFC 9701 §5: signed by the issuer, of this type, for this client, just now; gives the members of its
    `token_introspection`. It says something of a token and is none itself.

    Raises: Unavailable, also when the signature does not verify: the answer is at fault, not the token.
    """
    policy = rules.policy
    try:
        jws = verify_compact(text, keys, policy.algorithms)
        _check_answer_type(jws.header.get("typ"))
        claims = parse_object(jws.payload)
        check_issuer_claim(claims, policy.issuer)
        aud = read_audience(claims)
        if rules.client.client_id not in aud:
            raise ClaimError(Finding.TOKEN_AUDIENCE, expected=rules.client.client_id, found=" ".join(aud)[:200])
        iat = read_instant(claims, "iat")
        if not now - FRESH - policy.leeway <= iat <= now + policy.leeway:
            raise ClaimError(Finding.INTROSPECTION_ANSWER, claim="iat", iat=str(iat), now=str(now))
    except (InvalidToken, ClaimError) as error:
        raise _unbelievable(error) from error
    except ValueError as error:
        raise Unavailable(Finding.INTROSPECTION_ANSWER, reason="not strict JSON") from error
    members: object = claims.get("token_introspection")
    if not isinstance(members, dict):
        raise Unavailable(Finding.INTROSPECTION_ANSWER, reason="no token_introspection")
    return cast("dict[str, Any]", members)


def check_active(members: Mapping[str, Any]) -> None:
    """RFC 7662 §2.2: `active` is the boolean true, and the token is said to be no other kind than an access token.

    Raises: InvalidToken.
    """
    active: object = members.get("active")
    if active is not True:
        raise InvalidToken(
            Finding.INTROSPECTION_INACTIVE if active is False else Finding.INTROSPECTION_NOT_STRICT,
            type=type(active).__name__,
        )
    for name, allowed in _KINDS.items():
        kind: object = members.get(name)
        if kind is not None and not (isinstance(kind, str) and kind.lower() in allowed):
            raise InvalidToken(Finding.INTROSPECTION_KIND, member=name, value=str(kind)[:64])


def read_life_end(members: Mapping[str, Any], rules: IntrospectionRules, now: Instant) -> Instant:
    """Until when the answer may be believed at most: the token's end, if it is told, and `max_age`.

    Raises: InvalidToken.
    """
    try:
        exp = None if members.get("exp") is None else read_optional_instant(members, "exp")
    except ClaimError as error:
        raise InvalidToken(error.finding, **error.facts) from error
    latest = Instant(now + max(1, rules.max_age))
    return latest if exp is None else min(exp, latest)


def read_introspected(members: Mapping[str, Any], rules: IntrospectionRules, now: Instant) -> AccessToken:
    """The token that an active answer describes, held to the rules of every access token: issuer, audience, times,
    scope, key binding, and the provider's own words for roles and permissions.

    What RFC 7662 leaves out may be absent: `iss` (the issuer itself answered), `sub` (no person stands behind it
    then, and the client stands in), `exp` (the answer is believed for `max_age` then), `iat` (0 then), `jti` ("").
    `aud` must be there and name this API, unless `allow_insecure_missing_audience`; an `aud` that is there always
    counts. A bound token is read as one: the caller asks for the proof.
    Raises: InvalidToken.
    """
    check_active(members)
    claims = {name: value for name, value in members.items() if value is not None or name in _KEPT_NULLS}
    claims.setdefault("iss", rules.policy.issuer)
    claims.setdefault("exp", now + max(1, rules.max_age))
    claims.setdefault("iat", EPOCH)
    has_sub, has_aud = "sub" in claims, "aud" in claims
    client = next((claims[name] for name in rules.policy.dialect.client_id if name in claims), None)
    if not has_sub and client is not None:
        claims["sub"] = client
    if not has_aud and rules.allow_insecure_missing_audience and "token_type" in claims:
        claims["aud"] = sorted(rules.policy.audience)
    policy = rules.policy
    try:
        token = read_claims(
            claims,
            issuer=policy.issuers,
            audience=policy.audience,
            now=now,
            leeway=policy.leeway,
            dialect=policy.dialect,
            bound=True,
        )
        _check_dpop(claims, token)
    except ClaimError as error:
        if not has_aud and error.facts.get("claim") == "aud":
            raise InvalidToken(error.finding, **error.facts, fix=_NAME_AUDIENCE) from error
        raise InvalidToken(error.finding, **error.facts) from error
    return replace(
        token,
        claims=dict(members),
        aud=token.aud if has_aud else (),
        is_client_only=token.is_client_only or not has_sub,
    )


def _check_dpop(claims: Mapping[str, Any], token: AccessToken) -> None:
    """RFC 9449 §6.2: what is called DPoP has the key that it is bound to."""
    if str(claims.get("token_type")).lower() == "dpop" and (token.cnf is None or token.cnf.jkt is None):
        raise ClaimError(Finding.TOKEN_CLAIM_MISSING, claim="cnf.jkt")


def _check_answer_type(typ: object) -> None:
    name = typ.lower().removeprefix("application/") if isinstance(typ, str) else ""
    if name != HEADER_TYPE:
        raise InvalidToken(Finding.TOKEN_TYPE, typ=str(typ)[:64])


def _unbelievable(error: InvalidToken | ClaimError) -> Unavailable:
    facts = error.facts | {"check": error.finding.id}
    return Unavailable(Finding.INTROSPECTION_ANSWER, retry_after=5, **facts)


def _media_type(answer: Answer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _offered_methods(metadata: ServerMetadata | None) -> tuple[str, ...]:
    """RFC 8414 §2: the endpoint's own list, else the token endpoint's."""
    if metadata is None:
        return ()
    own: object = metadata.document.get("introspection_endpoint_auth_methods_supported")
    if isinstance(own, list):
        return tuple(item for item in cast("list[object]", own) if isinstance(item, str))
    return metadata.token_endpoint_auth_methods_supported
