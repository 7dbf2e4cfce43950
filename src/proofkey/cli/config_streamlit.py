"""`proofkey config streamlit`: the files of Streamlit's built-in `st.login`."""

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from proofkey.cli.config_files import check_free, write_file
from proofkey.cli.config_git import check_untracked, ignore_in_git
from proofkey.cli.config_source import Source, read_document, read_source, read_toml_text
from proofkey.cli.output import Json, print_data, print_json, say
from proofkey.client.config import check_public_url
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.scope import parse_scope
from proofkey.protocol.secret_strength import check_secret_strength
from proofkey.protocol.text import Secret
from proofkey.protocol.uri import is_web_url
from proofkey.providers import dialect_named
from proofkey.providers.registration import STANDARD_SCOPES
from proofkey.providers.templates.google import ISSUER as GOOGLE
from proofkey.providers.templates.streamlit import (
    StreamlitLogin,
    build_config,
    build_secrets,
    check_streamlit_login,
)
from proofkey.runtime.entropy import system_entropy

_LARGEST: Final = 64 * 1024


class Provider(StrEnum):
    """Providers for `st.login`; `proofkey` is your own `proofkey serve`."""

    AUTH0 = "auth0"
    ENTRA = "entra"
    GOOGLE = "google"
    KEYCLOAK = "keycloak"
    OKTA = "okta"
    COGNITO = "cognito"
    PROOFKEY = "proofkey"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    """What the provider gave."""

    client_id: str
    client_secret: Secret
    redirect_uris: tuple[str, ...] | None = None
    """Those registered, where the provider's file tells."""


def streamlit(
    provider: Annotated[Provider, typer.Argument(help="Names the section: st.login(PROVIDER).")],
    issuer: Annotated[str | None, typer.Option("--issuer", metavar="URL", help="The provider's issuer.")] = None,
    client_id: Annotated[str | None, typer.Option("--client-id", help="As the provider gave it.")] = None,
    client_secret_file: Annotated[
        Path | None,
        typer.Option("--client-secret-file", metavar="FILE", help="Holds the client secret; else stdin."),
    ] = None,
    client_file: Annotated[
        Path | None,
        typer.Option("--client-file", metavar="FILE", help="Google's client_secret_….json: client id and secret."),
    ] = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", metavar="URL", help="Where people reach the Streamlit app.")
    ] = None,
    audience: Annotated[
        str | None, typer.Option("--audience", metavar="ID", help="The API that the access token is for.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", metavar="NAME", help="A scope of the API; several allowed.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Gives what no option gives; else ./proofkey.toml.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Streamlit's folder.")] = Path(
        ".streamlit"
    ),
    force: Annotated[
        bool, typer.Option("--force", help="Replace secrets.toml; what else stands in it is lost.")
    ] = False,
    json: Json = False,
) -> None:
    """Write .streamlit/secrets.toml (for its owner alone, git-ignored) and config.toml: PKCE forced, the API's
    audience and scopes asked for, the access token exposed as st.user.tokens["access"]."""
    secrets_file, config_file = output / "secrets.toml", output / "config.toml"
    check_free([secrets_file], force=force)
    check_untracked(secrets_file)
    source = read_source(config)
    base = config.parent if config is not None else Path()
    client = (
        _google_client(client_file)
        if client_file is not None
        else _Client(
            client_id=_needed(client_id or source.text("login.client_id"), "--client-id"),
            client_secret=_client_secret(client_secret_file, source, base),
        )
    )
    login = _login(provider, client, source, issuer, public_url, audience, scope or [])
    check_existing(config_file)
    changed = _write(login, secrets_file, config_file)
    _report(login, client, changed, as_json=json)


def _login(
    provider: Provider,
    client: _Client,
    source: Source,
    issuer: str | None,
    public_url: str | None,
    audience: str | None,
    scope: list[str],
) -> StreamlitLogin:
    """Raises: ConfigurationError."""
    usual = GOOGLE if provider is Provider.GOOGLE else None
    issuer = _needed(issuer or source.text("login.issuer") or usual, "--issuer")
    if not is_web_url(issuer):
        raise ConfigurationError(Finding.ISSUER_INSECURE, key="--issuer", value=issuer[:200])
    url = _needed(public_url or source.text("login.public_url"), "--public-url")
    check_public_url(url)
    if provider is not Provider.GOOGLE:
        audience = audience or source.text("login.audience")
    asked = tuple(scope) or tuple(
        one for one in parse_scope(source.text("login.scope") or "") if one not in STANDARD_SCOPES
    )
    login = StreamlitLogin(
        provider=str(provider),
        issuer=issuer,
        client_id=client.client_id,
        client_secret=client.client_secret,
        cookie_secret=Secret(system_entropy()),
        public_url=url.rstrip("/"),
        audience=audience,
        scopes=parse_scope(" ".join(asked)),
    )
    check_secret_strength(login.client_secret, key="client_secret")
    check_streamlit_login(login)
    return login


def _write(login: StreamlitLogin, secrets_file: Path, config_file: Path) -> list[Path]:
    """What was written or changed; the secret comes last, when git ignores it already."""
    folder = secrets_file.parent
    folder.mkdir(parents=True, exist_ok=True)
    changed = [ignore_in_git(secrets_file.absolute(), folder.absolute().parent)]
    if not config_file.exists():
        write_file(config_file, build_config(login))
        changed.append(config_file)
    write_file(secrets_file, build_secrets(login, dialect_named(login.provider).login), private=True)
    return [path for path in (*changed, secrets_file) if path is not None]


def check_existing(config_file: Path) -> None:
    """A config.toml that is there stays as it is; it must not undo Streamlit's own protection (ST-12).

    Raises: ConfigurationError.
    """
    if not config_file.is_file():
        return
    try:
        text = config_file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(Finding.CONFIG_FILE, file=str(config_file), reason="not UTF-8") from error
    server: object = read_toml_text(text, config_file).get("server")
    options = cast("dict[str, Any]", server) if isinstance(server, dict) else {}
    for name in ("enableCORS", "enableXsrfProtection"):
        if options.get(name, True) is not True:
            raise ConfigurationError(Finding.STREAMLIT_PROTECTION_OFF, file=str(config_file), key=f"server.{name}")


def _google_client(file: Path) -> _Client:
    """Raises: ConfigurationError, which names the member and never its value."""
    inner: object = read_document(file).get("web")
    web = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
    client_id, secret, uris = web.get("client_id"), web.get("client_secret"), web.get("redirect_uris", [])
    if not isinstance(client_id, str) or not isinstance(secret, str) or not isinstance(uris, list):
        reason = "no web client of Google's console: web.client_id and web.client_secret are needed"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="--client-file", file=str(file), reason=reason)
    registered = tuple(str(uri) for uri in cast("list[object]", uris))
    return _Client(client_id=client_id, client_secret=Secret(secret), redirect_uris=registered)


def _client_secret(file: Path | None, source: Source, base: Path) -> Secret:
    """From the file, else the configuration, else stdin (asked for without echo on a terminal)."""
    configured = source.text("login.client_secret")
    named = source.text("login.client_secret_file")
    if file is None and configured is not None:
        return Secret(configured)
    if file is None and named is not None:
        file = base / named
    if file is None and sys.stdin.isatty():
        return Secret(typer.prompt("Client secret", hide_input=True, err=True))
    if file is None or str(file) == "-":
        data = sys.stdin.buffer.read(_LARGEST)
    else:
        with file.open("rb") as stream:
            data = stream.read(_LARGEST)
    text = data.decode().strip()
    if not text:
        raise typer.BadParameter("the client secret is missing; send it to stdin, or use --client-secret-file")
    return Secret(text)


def _needed(value: str | None, option: str) -> str:
    if not value:
        raise ConfigurationError(Finding.CONFIG_MISSING, key=option)
    return value


def _report(login: StreamlitLogin, client: _Client, changed: list[Path], *, as_json: bool) -> None:
    call = f'st.login("{login.provider}")'
    if as_json:
        print_json(
            {
                "provider": login.provider,
                "login": call,
                "redirect_uris": [login.redirect_uri],
                "post_logout_redirect_uris": [login.redirect_uri],
                "written": [str(path) for path in changed],
            }
        )
    else:
        print_data(call)
    for path in changed:
        say(f"Written: {path}")
    say(f"Register at {login.provider}, as redirect URI and as post-logout URI: {login.redirect_uri}")
    if client.redirect_uris is not None and login.redirect_uri not in client.redirect_uris:
        say("Note: that redirect URI is not in the downloaded file; add it in Google's console.")
    if login.provider != Provider.GOOGLE:
        say('In the page: st.user.tokens["access"] is the API\'s token.')
    say(
        "Note: st.login keeps the tokens in cookies for 30 days and never refreshes them; for long sessions use"
        " proofkey.streamlit.protect, which keeps them on the server."
    )
