"""Client assertions, written and read (RFC 7523), and how our own clients prove themselves in what they send:
Basic, the secret in the body, an assertion, or their name alone. Logins, introspection and token exchange all go
through `authenticate`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, Protocol, cast, get_args

from proofkey.errors import ConfigurationError, InvalidClient, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.claims import LEEWAY, ClaimError, read_instant, read_optional_instant, read_text
from proofkey.protocol.client_authentication import ASSERTION_TYPE, build_basic
from proofkey.protocol.exchange import Ask
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import VerifiedJws, verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.signature import ALGORITHM_NAMES, ALGORITHM_OF_NAME
from proofkey.protocol.text import ClientId, Instant, Issuer, Pairs, Secret

HEADER_TYPE: Final = "client-authentication+jwt"
LIFETIME: Final = 60
"""Seconds that an assertion of ours may be used."""
LONGEST_LIFE: Final = 300
"""Seconds that an assertion of others may have left to live."""
MAX_JTI: Final = 512
_TYPES: Final = frozenset({"jwt", HEADER_TYPE})
"""In lower case. RFC 7519 §5.1 has JWT for whatever has no type of its own, and many libraries write it."""

ClientMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
CLIENT_METHODS: Final[tuple[ClientMethod, ...]] = get_args(ClientMethod)


class Signer(Protocol):
    """What signs assertions: a `protocol.jose.SigningKey`, or what stands for a key that is kept elsewhere."""

    @property
    def algorithm(self) -> str: ...

    def sign(self, header_typ: str, claims: Mapping[str, Any]) -> str:
        """A compact JWS with the kid that is registered for the client."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingClient:
    """A client of ours at one authorization server. Made whole by `check_outgoing_client`."""

    client_id: ClientId
    secret: Secret | None = None
    key: Signer | None = None
    """Signs assertions (RFC 7523 §3)."""
    method: ClientMethod | None = None
    """None: an assertion with a key, the secret as the server's metadata offer it, else the name alone."""
    assertion_audience: str | None = None
    """None: the issuer. A server that knows the older rule alone may need its token endpoint's URL, which stands
    here as the operator wrote it and never comes from metadata (RFC 7523bis §4)."""

    @property
    def signs_slowly(self) -> bool:
        """True where an assertion costs an RSA signature: `authenticate` belongs in a thread then."""
        return self.key is not None and self.key.algorithm.startswith(("RS", "PS"))


def check_outgoing_client(client: OutgoingClient) -> None:
    """A name, at most one credential, and the one that the method needs.

    Raises: ConfigurationError.
    """
    if not client.client_id.strip():
        raise ConfigurationError(Finding.CONFIG_MISSING, key="client_id")
    if client.secret is not None and client.key is not None:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="client_secret", reason="there is a private key too")
    if client.method is not None and client.method not in CLIENT_METHODS:
        expected = " or ".join(CLIENT_METHODS)
        raise ConfigurationError(Finding.CONFIG_VALUE, key="auth_method", expected=expected)
    needs_key = client.method == "private_key_jwt" or client.assertion_audience is not None
    if needs_key and client.key is None:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="private_key_file")
    needs_secret = client.method in ("client_secret_basic", "client_secret_post")
    if needs_secret and client.secret is None:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="client_secret")


def choose_method(client: OutgoingClient, offered: tuple[str, ...]) -> ClientMethod:
    """The configured method, else what the client's credential can do: with a secret, basic before post as the
    server's metadata offer (OIDC Discovery §3)."""
    if client.method is not None:
        return client.method
    if client.key is not None:
        return "private_key_jwt"
    if client.secret is None:
        return "none"
    only_post = "client_secret_post" in offered and "client_secret_basic" not in offered
    return "client_secret_post" if only_post else "client_secret_basic"


def authenticate(
    ask: Ask,
    client: OutgoingClient,
    *,
    offered: tuple[str, ...],
    issuer: Issuer,
    now: Instant,
    fresh_id: Callable[[], str],
) -> Ask:
    """The same request with the client's authentication (RFC 6749 §2.3.1, §3.2.1; RFC 7523 §2.2).

    `offered` are the methods that the endpoint takes by the server's metadata, `fresh_id` makes an assertion's
    `jti`. An RSA signature takes 0.2 to 0.7 ms of CPU.
    """
    method = choose_method(client, offered)
    form: Pairs = ask.form or ()
    if method == "client_secret_basic" and client.secret is not None:
        authorization = build_basic(client.client_id, client.secret)
        return replace(ask, headers={**ask.headers, "authorization": authorization}, form=form)
    form = (*form, ("client_id", client.client_id))
    if method == "client_secret_post" and client.secret is not None:
        form = (*form, ("client_secret", client.secret.reveal()))
    elif method == "private_key_jwt" and client.key is not None:
        assertion = build_client_assertion(
            client.key,
            client_id=client.client_id,
            audience=client.assertion_audience or issuer,
            now=now,
            jti=fresh_id(),
        )
        form = (*form, ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion))
    return replace(ask, form=form)


def build_client_assertion(
    key: Signer, *, client_id: ClientId, audience: str, now: Instant, jti: str, lifetime: int = LIFETIME
) -> str:
    """RFC 7523 §3, RFC 7523bis §4: for this one server, used once, over after `lifetime` seconds.

    Raises: ValueError when the lifetime is not between 1 and 60 seconds.
    """
    if not 1 <= lifetime <= LIFETIME:
        raise ValueError("an assertion lives for 1 to 60 seconds")
    claims: dict[str, Any] = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": jti,
        "iat": int(now),
        "exp": int(now) + lifetime,
    }
    return key.sign(HEADER_TYPE, claims)


# --- the reading side ---------------------------------------------------------------------------------------


class ClientAssertion(NamedTuple):
    """An assertion after every check but the one that needs a memory: its `jti` is used once."""

    jti: str
    exp: Instant
    iat: Instant | None = None


def read_client_assertion(
    assertion: Secret,
    client: ClientRegistration,
    *,
    issuer: Issuer,
    now: Instant,
    algorithms: frozenset[str] = ALGORITHM_NAMES,
    one_audience: bool = False,
) -> ClientAssertion:
    """RFC 7523 §3, RFC 7523bis §4, OIDC Core §9: signed by a key that is registered for the client, for this one
    server, with little time left to live. `iat` and `nbf` may be 10 seconds ahead (FAPI 2.0 §5.3.2.1).

    `algorithms` are those that the server takes at all; with `one_audience` `aud` is a string, never a list.
    Raises: InvalidClient, and nothing else.
    """
    try:
        keys = client_keys(client.jwks or "", client.token_endpoint_auth_signing_alg)
        jws = verify_compact(assertion.reveal(), keys, assertion_algorithms(client) & algorithms)
        audiences = (issuer,) if one_audience else (issuer, [issuer])
        return _read_assertion(jws, client.client_id, audiences, now)
    except (InvalidToken, ClaimError, Unavailable) as error:
        raise InvalidClient(error.finding, **{**error.facts, "client_id": client.client_id}) from error


def assertion_algorithms(client: ClientRegistration) -> frozenset[str]:
    """The header's `alg` for that client: the registered one, else what its keys are for (RFC 8725 §3.1)."""
    name = client.token_endpoint_auth_signing_alg
    if name is None:
        return ALGORITHM_NAMES
    algorithm = ALGORITHM_OF_NAME.get(name)
    return frozenset(each for each, meant in ALGORITHM_OF_NAME.items() if meant == algorithm)


@lru_cache(maxsize=1024)
def client_keys(jwks: str, algorithm: str | None) -> KeySet:
    """The usable keys of a registered JWK Set; a key that names no algorithm is for the registered one.

    Raises: Unavailable when it is no JWK Set.
    """
    try:
        listed: object = parse_object(jwks.encode()).get("keys")
    except ValueError as error:
        raise Unavailable(Finding.KEYS_UNAVAILABLE, reason=str(error)) from error
    if algorithm is not None and isinstance(listed, list):
        own = [cast("dict[str, Any]", jwk) for jwk in cast("list[object]", listed) if isinstance(jwk, dict)]
        listed = [{"alg": algorithm, **jwk} for jwk in own]
    return KeySet.from_document(json.dumps({"keys": listed}).encode())


def _read_assertion(
    jws: VerifiedJws, client_id: ClientId, audiences: tuple[Issuer | list[Issuer], ...], now: Instant
) -> ClientAssertion:
    """Raises: ClaimError."""
    typ: object = jws.header.get("typ", HEADER_TYPE)
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in _TYPES:
        raise ClaimError(Finding.ASSERTION_TYPE, typ=str(typ)[:64])
    try:
        claims = parse_object(jws.payload)
    except ValueError as error:
        raise ClaimError(Finding.TOKEN_JSON) from error
    if read_text(claims, "iss") != client_id or read_text(claims, "sub") != client_id:
        raise ClaimError(Finding.ASSERTION_CLIENT)
    if claims.get("aud") not in audiences:
        found = str(claims.get("aud"))[:200]
        raise ClaimError(Finding.ASSERTION_AUDIENCE, expected=str(audiences[0]), found=found)
    jti = read_text(claims, "jti")
    if len(jti) > MAX_JTI:
        raise ClaimError(Finding.TOKEN_CLAIM_TYPE, claim="jti")
    exp, iat = read_instant(claims, "exp"), read_optional_instant(claims, "iat")
    starts = max(iat or now, read_optional_instant(claims, "nbf") or now)
    if not now - LEEWAY < exp <= now + LONGEST_LIFE + LEEWAY or starts > now + LEEWAY:
        raise ClaimError(Finding.ASSERTION_TIME, exp=str(exp), starts=str(starts), now=str(now))
    return ClientAssertion(jti, exp, iat)
