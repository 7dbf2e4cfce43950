"""What an exporter makes, and what exporters share."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import NAMESPACE_URL, uuid5

from proofkey.providers.registration import STANDARD_SCOPES, Client, Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One provider's registration files.

    `files` are for a folder, by name; `printed` is what goes to stdout or into one file. `notes` are for the
    person who applies them. `private` names the files that hold secrets.
    """

    printed: str
    files: Mapping[str, str]
    notes: tuple[str, ...] = ()
    private: frozenset[str] = frozenset()


def json_text(document: object) -> str:
    """Indented JSON with a line end."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def yaml_text(document: Mapping[str, Any], depth: int = 0) -> str:
    """YAML of mappings in mappings; all other values in JSON's form, which is YAML 1.2's flow form."""
    lines = ""
    for name, value in document.items():
        head = "  " * depth + name + ":"
        if isinstance(value, dict):
            lines += f"{head}\n" + yaml_text(cast("dict[str, Any]", value), depth + 1)
        else:
            lines += f"{head} {json.dumps(value, ensure_ascii=False)}\n"
    return lines


def stable_uuid(*parts: str) -> str:
    """The same for the same parts, so that a template written twice changes nothing (RFC 9562 §5.5)."""
    return str(uuid5(NAMESPACE_URL, "\n".join(parts)))


def standard_scopes(client: Client) -> list[str]:
    """Scopes of the provider itself that the client asks for."""
    return [scope for scope in client.registration.scope if scope in STANDARD_SCOPES]


def api_scopes(client: Client, registration: Registration) -> list[str]:
    """The API's scopes that the client asks for; all of them when it names none."""
    asked = [scope for scope in client.registration.scope if scope not in STANDARD_SCOPES]
    return asked or list(registration.scopes)


def wants_refresh(client: Client) -> bool:
    """Whether the client gets refresh tokens."""
    return "refresh_token" in client.registration.grant_types


def wants_offline_access(client: Client) -> bool:
    """Whether it asks for them by scope (OIDC Core §11)."""
    return "offline_access" in client.registration.scope


def without_empty(document: Mapping[str, Any]) -> dict[str, Any]:
    """Without the members that are None or empty lists."""
    return {name: value for name, value in document.items() if value is not None and value != []}


def uris_to_register(provider: str, registration: Registration) -> list[tuple[str, str]]:
    """(what it is, the URI), in the order of the clients: exactly what the provider must know, and no more."""
    found: list[tuple[str, str]] = []
    for client in registration.web_clients:
        found += [("redirect URI", uri) for uri in client.redirect_uris]
        if provider in _POST_LOGOUT:
            found += [("post-logout URI", uri) for uri in client.post_logout_redirect_uris]
        if provider in _BACKCHANNEL and client.backchannel_logout_uri is not None:
            found.append(("back-channel logout URI", client.backchannel_logout_uri))
    return found


_POST_LOGOUT: Final = frozenset({"auth0", "cognito", "entra", "keycloak", "okta"})
_BACKCHANNEL: Final = frozenset({"auth0", "keycloak"})
