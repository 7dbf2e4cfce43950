"""`proofkey client`: applications that may ask the authorization server for tokens."""

import json as json_module
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from proofkey.authorization_server.records import AuditEvent
from proofkey.authorization_server.registration import check_registration
from proofkey.authorization_server.registration_openid import algorithms_of
from proofkey.authorization_server.stores import ServerStore
from proofkey.cli.output import Json, new_app, print_data, print_json, say
from proofkey.cli.store_access import Config, on_store, print_table
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.jose import SigningAlgorithm
from proofkey.protocol.registration import AccessTokenFormat, ClientRegistration
from proofkey.protocol.scope import parse_scope
from proofkey.protocol.text import ClientId, Instant, Secret, Subject
from proofkey.protocol.token_messages import DEVICE_CODE
from proofkey.protocol.uri import origin_of
from proofkey.runtime.entropy import system_entropy
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.server_core import server_sealer
from proofkey.runtime.server_keys import ensure_configured_keys
from proofkey.runtime.server_policy import server_policy
from proofkey.runtime.settings import ServerSettings

app = new_app(help="Add, list or disable clients; also while the server runs.")

ClientIdArgument = Annotated[str, typer.Argument(metavar="CLIENT_ID")]


Method = Literal["client_secret_basic", "client_secret_post"]


@app.command()
def add(
    client_id: ClientIdArgument,
    redirect_uri: Annotated[
        list[str] | None,
        typer.Option("--redirect-uri", "--redirect", metavar="URI", help="Exactly as sent; several allowed."),
    ] = None,
    post_logout: Annotated[
        list[str] | None,
        typer.Option("--post-logout-redirect-uri", metavar="URI", help="Where logout may lead; several allowed."),
    ] = None,
    logout_uri: Annotated[
        str | None,
        typer.Option(
            "--backchannel-logout-uri", metavar="URL", help="Where it is told that a person signed out; https."
        ),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="What people read on the consent page.")] = "",
    scope: Annotated[str, typer.Option("--scope", help="Separated by spaces.")] = " ".join(
        ClientRegistration(client_id=ClientId("")).scope
    ),
    grant: Annotated[
        list[str] | None,
        typer.Option(
            "--grant", metavar="TYPE", help="Several allowed; else authorization_code and refresh_token."
        ),
    ] = None,
    device: Annotated[
        bool,
        typer.Option("--device", help="It shows a code that people type elsewhere (RFC 8628); needs no redirect."),
    ] = False,
    method: Annotated[
        Method, typer.Option("--auth-method", help="How it sends its secret.")
    ] = "client_secret_basic",
    id_token_alg: Annotated[
        SigningAlgorithm, typer.Option("--id-token-alg", help="What its ID tokens are signed with.")
    ] = "ES256",
    userinfo_alg: Annotated[
        SigningAlgorithm | None,
        typer.Option("--userinfo-alg", help="UserInfo as a JWT, signed with that; else as JSON."),
    ] = None,
    pairwise: Annotated[
        bool, typer.Option("--pairwise", help="It knows people by a name that no other host's clients know.")
    ] = False,
    jwks: Annotated[
        Path | None,
        typer.Option(
            "--jwks",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Its public keys (JWK Set): it signs instead of sending a secret.",
        ),
    ] = None,
    jwks_uri: Annotated[
        str | None, typer.Option("--jwks-uri", metavar="URL", help="Where they are, instead of --jwks.")
    ] = None,
    details_type: Annotated[
        list[str] | None,
        typer.Option("--details-type", help="What it may ask for by authorization_details; several allowed."),
    ] = None,
    dpop: Annotated[bool, typer.Option("--dpop", help="It gets tokens bound to its key alone.")] = False,
    token_format: Annotated[
        AccessTokenFormat,
        typer.Option("--access-token-format", help="opaque: random values that APIs ask the server about."),
    ] = "jwt",
    require_par: Annotated[
        bool, typer.Option("--require-par", help="It must push its authorization requests (RFC 9126).")
    ] = False,
    response_mode: Annotated[
        list[str] | None,
        typer.Option(
            "--response-mode", metavar="MODE", help="How answers may go back; several allowed, else as offered."
        ),
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="It cannot keep a secret (browser).")] = False,
    native: Annotated[bool, typer.Option("--native", help="On a device; public, free loopback port.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Register a client; its secret is made here and printed once, with the configuration that it needs."""
    has_keys = jwks is not None or jwks_uri is not None
    if public and has_keys:
        member, reason = "jwks" if jwks else "jwks_uri", "a public client has none"
        raise ConfigurationError(Finding.CLIENT_METADATA_BAD, client_id=client_id, member=member, reason=reason)
    secret = None if public or native or has_keys else Secret(system_entropy())
    client = ClientRegistration(
        client_id=ClientId(client_id),
        secret_digest=secret.digest() if secret else None,
        token_endpoint_auth_method="private_key_jwt" if has_keys else method if secret else "none",
        jwks_uri=jwks_uri,
        jwks=jwks.read_text(encoding="utf-8", errors="replace") if jwks else None,
        authorization_details_types=tuple(details_type or ()),
        dpop_bound_access_tokens=dpop,
        client_name=name,
        application_type="native" if native else "web",
        redirect_uris=frozenset(redirect_uri or ()),
        post_logout_redirect_uris=frozenset(post_logout or ()),
        backchannel_logout_uri=logout_uri,
        grant_types=_grants(grant, device=device, redirects=bool(redirect_uri)),
        scope=parse_scope(scope),
        id_token_signed_response_alg=id_token_alg,
        userinfo_signed_response_alg=userinfo_alg,
        subject_type="pairwise" if pairwise else "public",
        access_token_format=token_format,
        require_pushed_authorization_requests=require_par,
        response_modes=frozenset(response_mode or ()),
    )
    if "authorization_code" not in client.grant_types:
        client = replace(client, response_types=frozenset())

    async def work(store: ServerStore, settings: ServerSettings, now: Instant) -> str:
        policy = server_policy(settings)
        check_registration(client, policy.issuer, policy.sector_identifier_uris, policy)
        if await store.find_client(client.client_id):
            raise ConfigurationError(Finding.CLIENT_TAKEN, client_id=client_id)
        if await store.find_user(Subject(client_id)):
            why = "a user's sub"
            raise ConfigurationError(Finding.CLIENT_METADATA_BAD, client_id=client_id, member="client_id", why=why)
        sealer = server_sealer(MasterKey(settings.master_key))
        await ensure_configured_keys(store, sealer, settings.signer, algorithms_of(client), now)
        await store.put_client(client, now, _event("client.added", client_id, now))
        return settings.issuer

    issuer = on_store(config, work)
    if json:
        made = {"client_secret": secret.reveal()} if secret else {}
        print_json({"issuer": issuer} | _document(client) | made)
        return
    say(f"Client {client_id} added." + (" Its secret is shown this once." if secret else ""))
    if not has_keys:
        print_data(_ready_configuration(issuer, client, secret, redirect_uri or []))


@app.command("list")
def list_(config: Config = None, json: Json = False) -> None:
    """List the clients."""

    async def work(store: ServerStore, _settings: ServerSettings, _now: Instant) -> list[ClientRegistration]:
        return list(await store.list_clients())

    clients = on_store(config, work)
    if json:
        print_json([_document(client) for client in clients])
        return
    rows = [
        (
            client.client_id,
            client.client_name,
            client.token_endpoint_auth_method,
            " ".join(client.scope),
            "disabled" if client.disabled else "active",
        )
        for client in clients
    ]
    print_table(("CLIENT_ID", "NAME", "AUTHENTICATION", "SCOPE", "STATE"), rows)
    say(f"{len(clients)} clients." if len(clients) != 1 else "1 client.")


@app.command()
def disable(client_id: ClientIdArgument, config: Config = None, json: Json = False) -> None:
    """Refuse the client from now on; its grants stop at once."""

    async def work(store: ServerStore, _settings: ServerSettings, now: Instant) -> bool:
        return await store.disable_client(ClientId(client_id), now, _event("client.disabled", client_id, now))

    _answer(client_id, "disabled", found=on_store(config, work), as_json=json)


@app.command()
def enable(client_id: ClientIdArgument, config: Config = None, json: Json = False) -> None:
    """Let a disabled client work again."""

    async def work(store: ServerStore, _settings: ServerSettings, now: Instant) -> bool:
        return await store.enable_client(ClientId(client_id), now, _event("client.enabled", client_id, now))

    _answer(client_id, "enabled", found=on_store(config, work), as_json=json)


def _answer(client_id: str, word: str, *, found: bool, as_json: bool) -> None:
    if not found:
        raise ConfigurationError(Finding.CLIENT_UNKNOWN, client_id=client_id[:64])
    if as_json:
        print_json({"client_id": client_id, "result": word})
    else:
        say(f"{client_id}: {word}.")


def _grants(named: list[str] | None, *, device: bool, redirects: bool) -> frozenset[str]:
    """Those that were named; else the code flow, which a device without a redirect URI has no use for."""
    if not device:
        return frozenset(named or ("authorization_code", "refresh_token"))
    usual = ("authorization_code", "refresh_token") if redirects else ("refresh_token",)
    return frozenset({DEVICE_CODE, *(named or usual)})


def _event(name: str, client_id: str, now: Instant) -> AuditEvent:
    return AuditEvent(at=now, name=name, client_id=client_id, detail={"by": "command line"})


def _document(client: ClientRegistration) -> dict[str, object]:
    """RFC 7591 §2 names."""
    return {
        "client_id": client.client_id,
        "client_name": client.client_name,
        "application_type": client.application_type,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "redirect_uris": sorted(client.redirect_uris),
        "post_logout_redirect_uris": sorted(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "grant_types": sorted(client.grant_types),
        "response_types": sorted(client.response_types),
        "scope": " ".join(client.scope),
        "id_token_signed_response_alg": client.id_token_signed_response_alg,
        "userinfo_signed_response_alg": client.userinfo_signed_response_alg,
        "jwks_uri": client.jwks_uri,
        "subject_type": client.subject_type,
        "access_token_format": client.access_token_format,
        "authorization_details_types": list(client.authorization_details_types),
        "dpop_bound_access_tokens": client.dpop_bound_access_tokens,
        "require_pushed_authorization_requests": client.require_pushed_authorization_requests,
        "response_modes": sorted(client.response_modes),
        "self_registered": client.self_registered,
        "disabled": client.disabled,
    }


def _ready_configuration(
    issuer: str, client: ClientRegistration, secret: Secret | None, redirect_uris: list[str]
) -> str:
    """The section `[login]` of the client's own proofkey.toml."""
    members = {"issuer": issuer, "client_id": str(client.client_id)}
    if secret:
        members["client_secret"] = secret.reveal()
    web = [uri for uri in redirect_uris if uri.lower().startswith(("https://", "http://"))]
    if web:
        members["public_url"] = origin_of(web[0])
    lines = [f"{key} = {json_module.dumps(value, ensure_ascii=False)}" for key, value in members.items()]
    return "\n".join(["[login]", *lines])
