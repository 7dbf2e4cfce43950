"""`proofkey config template`: what to register at a provider, in the form that the provider takes."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from proofkey.cli.config_files import write_files
from proofkey.cli.config_source import Source, read_document, read_source
from proofkey.cli.output import Json, print_data, print_json, say
from proofkey.client.config import check_public_url
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.protocol.uri import is_loopback_host, split_uri
from proofkey.providers.registration import (
    STANDARD_SCOPES,
    Registration,
    build_document,
    read_registration,
    slug_of,
)
from proofkey.providers.templates import TEMPLATES, LocalRealm, Template, build_keycloak, uris_to_register
from proofkey.runtime.entropy import system_entropy

STREAMLIT_CALLBACK: Final = "/oauth2callback"
"""Streamlit's built-in `st.login` comes back here, from signing in and from signing out."""


class Provider(StrEnum):
    """Providers that have a template."""

    AUTH0 = "auth0"
    ENTRA = "entra"
    GOOGLE = "google"
    KEYCLOAK = "keycloak"
    OKTA = "okta"
    COGNITO = "cognito"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The options that describe the application."""

    name: str | None
    public_url: str | None
    issuer: str | None
    audience: str | None
    scope: list[str]
    role: list[str]
    client_id: str | None
    path_prefix: str
    st_login: bool
    backchannel_logout: bool
    service_client: list[str]
    dpop: bool
    introspection: bool


def template(
    provider: Annotated[Provider, typer.Argument(help="Where the application is registered.")],
    name: Annotated[
        str | None, typer.Option("--name", help="What people read; else the host of the public URL.")
    ] = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", metavar="URL", help="The application's own origin.")
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(
            "--issuer", metavar="URL", help="The provider's issuer, where it is known (Keycloak's realm)."
        ),
    ] = None,
    audience: Annotated[
        str | None,
        typer.Option("--audience", metavar="ID", help="The API's identifier; without it there is no API."),
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", metavar="NAME", help="A scope of the API; several allowed.")
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option("--role", metavar="NAME", help="A role of the API; several allowed.")
    ] = None,
    client_id: Annotated[
        str | None, typer.Option("--client-id", help="For providers that let you choose; else made of the name.")
    ] = None,
    path_prefix: Annotated[
        str, typer.Option("--path-prefix", help="Where `Login` has its routes in the application.")
    ] = "/auth",
    st_login: Annotated[
        bool, typer.Option("--st-login", help="Also what Streamlit's built-in st.login needs.")
    ] = False,
    backchannel_logout: Annotated[
        bool, typer.Option(help="Whether to register the back-channel logout URI, where the provider takes one.")
    ] = True,
    service_client: Annotated[
        list[str] | None,
        typer.Option("--service-client", metavar="ID", help="A client that acts for itself; several allowed."),
    ] = None,
    dpop: Annotated[
        bool, typer.Option("--dpop", help="Bind access tokens to the client's key (RFC 9449).")
    ] = False,
    introspection: Annotated[
        bool, typer.Option("--introspection", help="Also a client by which the API asks about tokens (Keycloak).")
    ] = False,
    registration: Annotated[
        Path | None,
        typer.Option(
            "--registration", metavar="FILE", help="All of it as JSON or TOML, in the names of RFC 7591."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Gives what no option gives; else ./proofkey.toml.")
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Keycloak on this computer: with client secrets and users ann and bob.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE|DIR", help="A folder if it has no suffix; else stdout."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    json: Json = False,
) -> None:
    """Write what to register at a provider: client, API, scopes, roles. Secrets stay with the provider."""
    asked = _Asked(
        name=name, public_url=public_url, issuer=issuer, audience=audience, scope=scope or [], role=role or [],
        client_id=client_id, path_prefix=path_prefix, st_login=st_login, backchannel_logout=backchannel_logout,
        service_client=service_client or [], dpop=dpop, introspection=introspection,
    )  # fmt: skip
    document = read_document(registration) if registration is not None else _document(asked, read_source(config))
    known = read_registration(document)
    made, secrets = _make(provider, known, local=local, output=output)
    written = _write(output, made, secrets, force=force)
    _report(provider, known, made, written, as_json=json)


def _document(asked: _Asked, source: Source) -> dict[str, Any]:
    """The neutral registration of the options and the configuration."""
    public_url = asked.public_url or source.text("login.public_url")
    if public_url is None:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="--public-url")
    check_public_url(public_url)
    public_url = public_url.rstrip("/")
    name = asked.name or _name_of(public_url)
    audience = asked.audience or source.text("login.audience", "api.audience")
    scopes = asked.scope or list(source.resource_scopes(audience))
    if audience is None and (scopes or asked.role):
        raise ConfigurationError(Finding.CONFIG_MISSING, key="--audience", reason="scopes and roles are an API's")
    document: dict[str, Any] = {
        "name": name,
        "clients": [_web_client(asked, source, public_url, name, scopes)],
    }
    document["clients"] += [_service_client(one, scopes, asked) for one in asked.service_client]
    issuer = asked.issuer or source.text("login.issuer", "api.issuer")
    if issuer is not None:
        document["issuer"] = issuer
    if audience is not None:
        document["api"] = {
            "resource": audience,
            "scopes_supported": scopes,
            "roles": asked.role,
            "introspection": asked.introspection,
        }
    return document


def _web_client(asked: _Asked, source: Source, public_url: str, name: str, scopes: list[str]) -> dict[str, Any]:
    prefix = f"{public_url}{asked.path_prefix}"
    streamlit = [f"{public_url}{STREAMLIT_CALLBACK}"] if asked.st_login else []
    wanted = (source.text("login.scope") or "openid profile email offline_access").split(" ")
    client: dict[str, Any] = {
        "client_id": asked.client_id or source.text("login.client_id") or slug_of(name),
        "client_name": name,
        "redirect_uris": [f"{prefix}/callback", *streamlit],
        "post_logout_redirect_uris": [f"{prefix}/signed-out", *streamlit],
        "scope": " ".join([*(one for one in wanted if one in STANDARD_SCOPES), *scopes]),
        "dpop_bound_access_tokens": asked.dpop,
    }
    if asked.backchannel_logout:
        client["backchannel_logout_uri"] = f"{prefix}/backchannel-logout"
    return client


def _service_client(client_id: str, scopes: list[str], asked: _Asked) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "client_name": client_id,
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": " ".join(scopes),
        "dpop_bound_access_tokens": asked.dpop,
    }


def _name_of(public_url: str) -> str:
    host = split_uri(public_url).host
    return "app" if is_loopback_host(host) else host


def _make(
    provider: Provider, registration: Registration, *, local: bool, output: Path | None
) -> tuple[Template, dict[str, Secret]]:
    """The template, and secrets that get files of their own."""
    if not local:
        return TEMPLATES[provider](registration), {}
    if provider is not Provider.KEYCLOAK:
        raise typer.BadParameter("only Keycloak has users and secrets in its file", param_hint="--local")
    if output is None or not _is_folder(output):
        raise typer.BadParameter("it makes secrets: name a folder for them with --output", param_hint="--local")
    names = [client.client_id for client in registration.clients]
    if registration.api is not None and registration.api.introspection:
        names.append(registration.api.audience)
    secrets = {name: Secret(system_entropy()) for name in names}
    password = Secret(system_entropy()[:24])
    users = {"ann": registration.roles, "bob": ()}
    made = build_keycloak(registration, LocalRealm(client_secrets=secrets, users=users, password=password))
    files = {f"{slug_of(client_id)}.secret": secret for client_id, secret in secrets.items()}
    return made, files | {"users.password": password}


def _write(output: Path | None, made: Template, secrets: dict[str, Secret], *, force: bool) -> list[Path]:
    if output is None:
        return []
    if _is_folder(output):
        files = dict(made.files) | {name: f"{secret.reveal()}\n" for name, secret in secrets.items()}
        return write_files(output, files, made.private | frozenset(secrets), force=force)
    return write_files(output.parent, {output.name: made.printed}, force=force)


def _is_folder(output: Path) -> bool:
    return output.is_dir() or not output.suffix


def _report(
    provider: Provider, registration: Registration, made: Template, written: list[Path], *, as_json: bool
) -> None:
    uris = uris_to_register(provider, registration)
    if as_json:
        print_json(
            {
                "provider": str(provider),
                "registration": build_document(registration),
                "register": [{"kind": kind, "uri": uri} for kind, uri in uris],
                "notes": list(made.notes),
            }
            | ({"written": [str(path) for path in written]} if written else {"files": dict(made.files)})
        )
    elif not written:
        print_data(made.printed.removesuffix("\n"))
    if uris:
        say(f"To be registered at {provider}, letter for letter (the template says so too):")
    for kind, uri in uris:
        say(f"  {kind:<24} {uri}")
    for path in written:
        say(f"Written: {path}")
    for note in made.notes:
        say(f"Note: {note}")
