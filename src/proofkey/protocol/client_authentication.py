"""How a client proves who it is: none (public), Basic, the secret in the body, or a signed assertion."""

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus, unquote_plus

from proofkey.errors import InvalidClient, InvalidRequest, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.jws import read_unverified_payload
from proofkey.protocol.registration import SECRET_METHODS, AuthMethod, ClientRegistration
from proofkey.protocol.text import ClientId, Pairs, Secret, single

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MAX_BASIC: Final = 4096
_MAY_REPEAT: Final = frozenset({"resource", "audience"})
"""Each grant refuses what it does not let stand twice itself."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What a request says about its client; nothing of it is proven."""

    client_id: ClientId
    secret: Secret | None = field(default=None, repr=False)
    method: AuthMethod = "none"
    assertion: Secret | None = field(default=None, repr=False)


def parse_client_authentication(authorization_headers: tuple[str, ...], pairs: Pairs) -> ClientCredentials:
    """The one method that the request uses (RFC 6749 §2.3.1, §3.2.1).

    Raises: InvalidRequest when it uses two or repeats a parameter; InvalidClient when it uses none that is
    offered.
    """
    sent = single(pairs, may_repeat=_MAY_REPEAT)
    in_body = [name for name in ("client_secret", "client_assertion", "client_assertion_type") if name in sent]
    if len(authorization_headers) > 1 or (authorization_headers and in_body) or _mixes_secret(sent):
        raise InvalidRequest(Finding.CLIENT_METHODS_MIXED)
    if authorization_headers:
        credentials = _parse_basic(authorization_headers[0])
        if sent.get("client_id", credentials.client_id) != credentials.client_id:
            raise InvalidRequest(Finding.CLIENT_METHODS_MIXED, parameter="client_id")
        return credentials
    if "client_assertion" in sent or "client_assertion_type" in sent:
        return _parse_assertion(sent)
    if "client_id" not in sent:
        raise InvalidClient(Finding.CLIENT_NOT_AUTHENTICATED)
    client_id = ClientId(sent["client_id"])
    if "client_secret" in sent:
        return ClientCredentials(client_id, Secret(sent["client_secret"]), "client_secret_post")
    return ClientCredentials(client_id)


def check_client_secret(presented: Secret | None, client: ClientRegistration) -> None:
    """The secret's digest is the stored one; constant time.

    Raises: InvalidClient.
    """
    if presented is None or client.secret_digest is None:
        raise InvalidClient(Finding.CLIENT_SECRET_WRONG, client_id=client.client_id[:64])
    if not hmac.compare_digest(presented.digest().encode(), client.secret_digest.encode()):
        raise InvalidClient(Finding.CLIENT_SECRET_WRONG, client_id=client.client_id[:64])


def check_client_authentication(credentials: ClientCredentials, client: ClientRegistration | None) -> None:
    """Known, enabled, by its registered method, and with its secret where that is the method (RFC 6749 §3.2.1).
    An assertion is proven by `read_client_assertion` besides.

    Raises: InvalidClient, with one public text for every cause.
    """
    client_id = credentials.client_id[:64]
    if client is None:
        raise InvalidClient(Finding.CLIENT_UNKNOWN, client_id=client_id)
    if credentials.method == "none" and not client.is_public:
        raise InvalidClient(Finding.CLIENT_NOT_AUTHENTICATED, client_id=client_id)
    if credentials.method != client.token_endpoint_auth_method:
        raise InvalidClient(Finding.CLIENT_METHOD_WRONG, client_id=client_id, method=credentials.method)
    if credentials.method in SECRET_METHODS:
        check_client_secret(credentials.secret, client)
    if client.disabled:
        raise InvalidClient(Finding.CLIENT_DISABLED, client_id=client_id)


def build_basic(client_id: str, secret: Secret) -> str:
    """The Authorization header's value: both halves form-encoded first (RFC 6749 §2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret.reveal())}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _mixes_secret(sent: dict[str, str]) -> bool:
    return "client_secret" in sent and ("client_assertion" in sent or "client_assertion_type" in sent)


def _parse_assertion(sent: dict[str, str]) -> ClientCredentials:
    """RFC 7521 §4.2, RFC 7523 §2.2: `client_id` may be left out, for the assertion names the client."""
    if sent.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in sent:
        raise InvalidClient(Finding.CLIENT_METHOD_WRONG, method="client_assertion of another type")
    assertion = sent["client_assertion"]
    try:
        named: object = read_unverified_payload(assertion).get("sub")
    except InvalidToken as error:
        raise InvalidClient(error.finding, **error.facts) from error
    if not isinstance(named, str) or not named:
        raise InvalidClient(Finding.ASSERTION_CLIENT)
    client_id = sent.get("client_id", named)
    if client_id != named:
        raise InvalidClient(Finding.ASSERTION_CLIENT, client_id=client_id[:64])
    return ClientCredentials(ClientId(client_id), None, "private_key_jwt", Secret(assertion))


def _parse_basic(header: str) -> ClientCredentials:
    scheme, _, encoded = header.strip(" ").partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient(Finding.CLIENT_METHOD_WRONG, method="Authorization header of another scheme")
    try:
        if len(encoded) > _MAX_BASIC:
            raise ValueError("too long")
        client_id, colon, secret = (
            binascii.a2b_base64(encoded.strip(" "), strict_mode=True).decode().partition(":")
        )
        client_id = unquote_plus(client_id, errors="strict")
        secret = unquote_plus(secret, errors="strict")
    except ValueError as error:
        raise InvalidClient(Finding.CLIENT_NOT_AUTHENTICATED, reason="Basic is malformed") from error
    if not colon or not client_id:
        raise InvalidClient(Finding.CLIENT_NOT_AUTHENTICATED, reason="Basic is malformed")
    return ClientCredentials(ClientId(client_id), Secret(secret), "client_secret_basic")
