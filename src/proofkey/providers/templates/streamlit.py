"""Streamlit's files for its built-in `st.login`: secrets.toml and config.toml."""

import json
from dataclasses import dataclass
from typing import Final

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.dialect import LoginDialect
from proofkey.protocol.text import Secret
from proofkey.protocol.uri import is_loopback_host, split_uri

CALLBACK: Final = "/oauth2callback"
"""Where Streamlit is come back to, from signing in and from signing out; it cannot be changed."""
_SCOPES_WITH_AUDIENCE: Final = frozenset({"cognito", "entra"})
"""Providers at which a scope of an API is asked for as `AUDIENCE/SCOPE`."""
_NO_API: Final = frozenset({"google"})
"""Providers whose access tokens are never for an API of one's own."""
_HEAD: Final = "# Written by `proofkey config streamlit`."


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamlitLogin:
    """One provider for `st.login(provider)`. `scopes` are those of the API."""

    provider: str
    issuer: str
    client_id: str
    client_secret: Secret
    cookie_secret: Secret
    public_url: str
    audience: str | None = None
    scopes: tuple[str, ...] = ()

    @property
    def redirect_uri(self) -> str:
        return f"{self.public_url}{CALLBACK}"


def check_streamlit_login(login: StreamlitLogin) -> None:
    """Raises: ConfigurationError when the provider has no tokens for an API, or a name that Streamlit refuses."""
    if login.provider in _NO_API and (login.audience or login.scopes):
        reason = f"access tokens of {login.provider} are for its own APIs"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="--audience", reason=reason)
    if login.provider in _SCOPES_WITH_AUDIENCE and login.scopes and not login.audience:
        reason = f"at {login.provider} a scope is asked for as AUDIENCE/SCOPE"
        raise ConfigurationError(Finding.CONFIG_MISSING, key="--audience", reason=reason)
    if "_" in login.provider:  # streamlit.auth_util.validate_auth_credentials
        raise ConfigurationError(Finding.CONFIG_VALUE, key="provider", reason="Streamlit takes no underscore here")


def build_secrets(login: StreamlitLogin, dialect: LoginDialect) -> str:
    """`.streamlit/secrets.toml`. PKCE stands in it because Streamlit sends none to a provider whose metadata do
    not announce it; the audience in `authorize_params`, because nothing else of a section is passed on. What a
    dialect sends to get refresh tokens is left out: Streamlit throws them away."""
    section = f"auth.{login.provider}"
    parameters = _audience(login, dialect)
    auth = {"redirect_uri": login.redirect_uri, "cookie_secret": login.cookie_secret.reveal()}
    lines = [
        f"{_HEAD} It holds secrets: keep it out of version control and readable by its owner alone.",
        "[auth]",
        *(_line(name, value) for name, value in auth.items()),
        *([] if login.provider in _NO_API else [_line("expose_tokens", ["access"])]),
        "",
        f"[{section}]",
        _line("client_id", login.client_id),
        _line("client_secret", login.client_secret.reveal()),
        _line("server_metadata_url", f"{login.issuer.rstrip('/')}/.well-known/openid-configuration"),
        "",
        f"[{section}.client_kwargs]",
        _line("scope", " ".join(["openid", "profile", "email", *asked_scopes(login)])),
        _line("code_challenge_method", "S256"),
    ]
    if parameters:
        lines += ["", f"[{section}.authorize_params]", *(_line(name, value) for name, value in parameters.items())]
    return "\n".join(lines) + "\n"


def build_config(login: StreamlitLogin) -> str:
    """`.streamlit/config.toml`: the identity of a socket counts only for the origin of `redirect_uri`, so the app
    must be reached there and nowhere else."""
    parts = split_uri(login.public_url)
    port = parts.port or ("443" if parts.scheme == "https" else "80")
    server = {"enableCORS": True, "enableXsrfProtection": True}
    lines = [_HEAD, "[server]", *(_line(name, value) for name, value in server.items())]
    if is_loopback_host(parts.host):
        lines.append(_line("port", int(port)))
    lines += ["", "[browser]", _line("serverAddress", parts.host), _line("serverPort", int(port))]
    return "\n".join(lines) + "\n"


def asked_scopes(login: StreamlitLogin) -> list[str]:
    """The API's scopes as this provider wants them asked for."""
    prefix = f"{login.audience}/" if login.provider in _SCOPES_WITH_AUDIENCE else ""
    return [scope if scope.startswith(prefix) else f"{prefix}{scope}" for scope in login.scopes]


def _audience(login: StreamlitLogin, dialect: LoginDialect) -> dict[str, str]:
    if login.audience is None or dialect.audience_parameter not in ("audience", "resource"):
        return {}
    return {dialect.audience_parameter: login.audience}


def _line(name: str, value: object) -> str:
    """JSON's texts, numbers, booleans and lists are TOML's, except that TOML wants DEL escaped."""
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"{name} = {text}"
