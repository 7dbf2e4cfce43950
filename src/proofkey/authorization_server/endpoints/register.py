"""The client registration endpoint (RFC 7591 §3, OIDC Registration §3) and what it opens (RFC 7592 §2)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NoReturn

from proofkey.authorization_server.answers import Empty, Json
from proofkey.authorization_server.records import AuditEvent, RegisteredClient
from proofkey.authorization_server.registration_openid import algorithms_of
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sector import find_declared_sectors
from proofkey.authorization_server.self_registration import build_members, read_self_registration
from proofkey.authorization_server.throttles import ALL_REGISTRATIONS, REGISTRATION, address_key, take_attempt
from proofkey.errors import ConfigurationError, InvalidClientMetadata, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.registration import SECRET_METHODS, ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Secret, digest_of
from proofkey.resource_server.credentials import read_credentials

PATH: Final = "/register"
_NOBODY: Final = digest_of("")
_OF_THE_SECTOR: Final = ("sector_identifier_uri", "subject_type")
_WRITTEN_BY_THE_SERVER: Final = (
    *("registration_access_token", "registration_client_uri"),
    *("client_secret_expires_at", "client_id_issued_at"),
)


async def register(
    server: AuthorizationServer,
    document: Mapping[str, Any],
    authorization: tuple[str, ...],
    peer: str,
    now: Instant,
) -> Json:
    """RFC 7591 §3: the client gets its id, its secret where it has one, and the token that opens its registration;
    none of them is told again.

    Raises: NoCredentials, MalformedCredentials, InvalidToken, TooManyRequests, InvalidClientMetadata.
    """
    await _check_may_register(server, authorization, peer, now)
    await take_attempt(server, ALL_REGISTRATIONS, "", now)
    client_id, secret, token = ClientId(server.entropy()), Secret(server.entropy()), Secret(server.entropy())
    client = await _read(server, document, client_id, secret, now)
    registered = RegisteredClient(
        client=client,
        token_digest=token.digest(),
        registered_at=now,
        expires_at=Instant(now + server.policy.registration.unused),
    )
    event = _event("client.registered", client, now)
    await server.store.insert_registered(registered, event)
    told = _told(server, registered, token, secret if client.secret_digest else None)
    return Json(body=told, status=201, told=event)


async def read(
    server: AuthorizationServer, client_id: str, authorization: tuple[str, ...], peer: str, now: Instant
) -> Json:
    """RFC 7592 §2.1: what is registered; the token stays. Raises: as `_open_registration`."""
    registered, token = await _open_registration(server, client_id, authorization, peer, now)
    return Json(body=_told(server, registered, token))


async def update(
    server: AuthorizationServer,
    client_id: str,
    document: Mapping[str, Any],
    authorization: tuple[str, ...],
    peer: str,
    now: Instant,
) -> Json:
    """RFC 7592 §2.2: the whole registration anew, judged as a new one would be. The token of before is dead
    afterwards, and people are asked anew whether they allow what the client is now.

    Raises: as `_open_registration`; InvalidClientMetadata.
    """
    registered, token = await _open_registration(server, client_id, authorization, peer, now)
    before = registered.client
    _check_update(document, before)
    secret, new_token = Secret(server.entropy()), Secret(server.entropy())
    client = await _read(server, document, before.client_id, secret, now)
    _check_same_kind(before, client)
    if client.secret_digest and before.secret_digest:
        client = replace(client, secret_digest=before.secret_digest)
    if replace(client, changed_at=before.changed_at) == before:
        client = before
    event = _event("client.updated", client, now)
    if not await server.store.replace_registered(client, token.digest(), new_token.digest(), now, event):
        raise InvalidToken(Finding.REGISTRATION_TOKEN_WRONG, reason="another update was first")
    made = secret if client.secret_digest and not before.secret_digest else None
    return Json(body=_told(server, replace(registered, client=client), new_token, made), told=event)


async def delete(
    server: AuthorizationServer, client_id: str, authorization: tuple[str, ...], peer: str, now: Instant
) -> Empty:
    """RFC 7592 §2.3: client, secret and token are dead, and whatever was granted to the client with them.

    Raises: as `_open_registration`.
    """
    registered, token = await _open_registration(server, client_id, authorization, peer, now)
    event = _event("client.deleted", registered.client, now)
    if not await server.store.delete_registered(registered.client.client_id, token.digest(), now, event):
        raise InvalidToken(Finding.REGISTRATION_TOKEN_WRONG, reason="another request was first")
    return Empty(told=event)


async def _read(
    server: AuthorizationServer, document: Mapping[str, Any], client_id: ClientId, secret: Secret, now: Instant
) -> ClientRegistration:
    """The document, judged, and the keys that the client is to be served with. Raises: InvalidClientMetadata."""
    client = await _judge(server, document, client_id, secret, now)
    for algorithm in sorted(algorithms_of(client)):
        try:
            await server.signing_key(algorithm)  # published before its first use, so that nobody misses it
        except Unavailable as error:
            if isinstance(error.__cause__, ConfigurationError):  # a signer that has none, and nobody makes one
                raise InvalidClientMetadata(Finding.REGISTRATION_MEMBER_REFUSED, member=algorithm) from error
            raise
    return client


async def _judge(
    server: AuthorizationServer, document: Mapping[str, Any], client_id: ClientId, secret: Secret, now: Instant
) -> ClientRegistration:
    """Nothing is fetched for what is refused anyhow. Raises: InvalidClientMetadata."""
    sector: object = document.get("sector_identifier_uri")
    if sector is None:
        return read_self_registration(document, client_id, server.policy, now, secret=secret)
    plain = {name: value for name, value in document.items() if name not in _OF_THE_SECTOR}
    read_self_registration(plain, client_id, server.policy, now, secret=secret)
    try:
        sectors = await find_declared_sectors(sector, document.get("redirect_uris"), client_id, server.documents)
    except (ConfigurationError, Unavailable) as error:
        facts = {**error.facts, "member": "sector_identifier_uri"}
        raise InvalidClientMetadata(error.finding, **facts) from error
    return read_self_registration(document, client_id, server.policy, now, secret=secret, sectors=sectors)


async def _check_may_register(
    server: AuthorizationServer, authorization: tuple[str, ...], peer: str, now: Instant
) -> None:
    """RFC 7591 §3: with an initial access token, or as anybody where the operator has opened the endpoint. Who has
    none is counted by address."""
    rules = server.policy.registration
    token = _read_token(authorization) if authorization or not rules.allow_insecure_open else None
    if token is None:
        await take_attempt(server, REGISTRATION, address_key(peer), now)
        return
    digest = Secret(token.digest())
    if True not in [digest.matches(Secret(one)) for one in rules.token_digests]:  # all of them, in constant time
        await _refuse_token(server, peer, now, "no initial access token")


async def _open_registration(
    server: AuthorizationServer, client_id: str, authorization: tuple[str, ...], peer: str, now: Instant
) -> tuple[RegisteredClient, Secret]:
    """RFC 7592 §2: the registration that the token opens, which no other client's does. One text for every cause.

    Raises: NoCredentials, MalformedCredentials, InvalidToken, TooManyRequests.
    """
    token = _read_token(authorization)
    named = client_id if client_id.isascii() and client_id.isprintable() else ""
    registered = await server.store.find_registered(ClientId(named[:255]))
    expected = registered.token_digest if registered else _NOBODY
    is_right = Secret(expected).matches(Secret(token.digest()))
    if registered is None or not is_right or registered.client.disabled:
        await _refuse_token(server, peer, now, "not this client's registration_access_token")
    if registered.expires_at is not None and now >= registered.expires_at:
        await _refuse_token(server, peer, now, "forgotten")
    return registered, token


def _read_token(authorization: tuple[str, ...]) -> Secret:
    """RFC 6750 §2.1. Raises: NoCredentials, MalformedCredentials, InvalidToken."""
    headers = tuple((b"authorization", value.encode("latin-1", "replace")) for value in authorization)
    return Secret(read_credentials(headers).token)


async def _refuse_token(server: AuthorizationServer, peer: str, now: Instant, reason: str) -> NoReturn:
    await take_attempt(server, REGISTRATION, address_key(peer), now)
    raise InvalidToken(Finding.REGISTRATION_TOKEN_WRONG, reason=reason)


def _check_update(document: Mapping[str, Any], before: ClientRegistration) -> None:
    """RFC 7592 §2.2. Raises: InvalidClientMetadata."""
    for name in _WRITTEN_BY_THE_SERVER:
        if name in document:
            raise InvalidClientMetadata(Finding.REGISTRATION_UPDATE_WRONG, member=name)
    if document.get("client_id") != before.client_id:
        raise InvalidClientMetadata(Finding.REGISTRATION_UPDATE_WRONG, member="client_id")
    secret: object = document.get("client_secret")
    if secret is None:
        return
    if not isinstance(secret, str) or not Secret(before.secret_digest or _NOBODY).matches(
        Secret(digest_of(secret))
    ):
        raise InvalidClientMetadata(Finding.REGISTRATION_UPDATE_WRONG, member="client_secret")


def _check_same_kind(before: ClientRegistration, after: ClientRegistration) -> None:
    """What was granted was granted to a client of that kind: tokens of a confidential one do not become those of a
    public one. Raises: InvalidClientMetadata."""
    if before.is_public != after.is_public:
        raise InvalidClientMetadata(Finding.REGISTRATION_UPDATE_WRONG, member="token_endpoint_auth_method")
    if before.application_type != after.application_type:
        raise InvalidClientMetadata(Finding.REGISTRATION_UPDATE_WRONG, member="application_type")


def _told(
    server: AuthorizationServer, registered: RegisteredClient, token: Secret, secret: Secret | None = None
) -> dict[str, Any]:
    """RFC 7591 §3.2.1, RFC 7592 §3: the client's information, its secrets for this once."""
    client = registered.client
    body: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": registered.registered_at,
        **build_members(client),
        "registration_access_token": token.reveal(),
        "registration_client_uri": server.policy.url(f"{PATH}/{client.client_id}"),
    }
    if client.token_endpoint_auth_method in SECRET_METHODS:
        body["client_secret_expires_at"] = 0
    if secret is not None:
        body["client_secret"] = secret.reveal()
    return body


def _event(name: str, client: ClientRegistration, now: Instant) -> AuditEvent:
    detail = {"name": client.client_name[:200], "redirect_uris": " ".join(sorted(client.redirect_uris))[:1000]}
    return AuditEvent(at=now, name=name, client_id=client.client_id, detail=detail)
