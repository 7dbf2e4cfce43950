"""What every token of a provider must say, and in which words: written down apart from the dialects, which the
corpus is to test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from proofkey.findings import Finding
from proofkey.testing.persona_claims import PROJECT_ROLES

Claims = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The vocabulary of one persona."""

    types: frozenset[str]
    """Values of the header's `typ` that an access token may have; "" is none at all."""
    required: tuple[str, ...]
    """Claims without which there is no access token."""
    texts: tuple[str, ...]
    """Claims that are strings, and not empty."""
    scope: str = "scope"
    scope_is_list: bool = False
    no_scope: Callable[[], Claims] = lambda: {"scope": None}
    """The change that takes every scope away."""
    roles: Callable[[object], Claims] = lambda value: {"roles": value}
    """Claims with that value where the roles are."""
    roles_are_object: bool = False
    told: Mapping[str, Finding] = field(default_factory=dict[str, Finding])
    """By name of the hostile token: what this provider's dialect says of it, where that is plainer."""


_ID, _MISSING = Finding.TOKEN_IS_ID_TOKEN, Finding.TOKEN_CLAIM_MISSING
_REFRESH, _OPAQUE = Finding.TOKEN_IS_REFRESH_TOKEN, Finding.TOKEN_IS_AUTH0_OPAQUE
_STANDARD: Final = frozenset({"at+jwt"})
_OR_JWT: Final = _STANDARD | {"jwt"}
_BASIC: Final = ("iss", "aud", "exp", "iat", "sub")


def _foreign(*names: str) -> dict[str, Finding]:
    """Issuers that look like another tenant of the same provider."""
    return {f"iss {name}": Finding.TOKEN_TENANT for name in names}


_RFC9068: Final = Words(
    types=_STANDARD,
    required=(*_BASIC, "client_id", "jti"),
    texts=("iss", "sub", "client_id", "jti"),
)
_AUTH0: Final = Words(
    types=_OR_JWT,
    required=(*_BASIC, "azp"),
    texts=("iss", "sub", "azp"),
    told={"no azp": _ID, "no client_id": _ID, "aud the client": _ID}
    | dict.fromkeys(
        ("two parts", "flattened JSON", "general JSON without a signature", "opaque", "empty", "the word null"),
        _OPAQUE,
    ),
)
_ENTRA: Final = Words(
    types=_OR_JWT,
    required=(*_BASIC, "azp", "tid", "oid"),
    texts=("iss", "sub", "azp", "tid", "oid", "uti"),
    scope="scp",
    no_scope=lambda: {"scp": None, "roles": ["orders.read"]},
    told={"no azp": _ID, "no appid": _ID},
)
WORDS: Final[Mapping[str, Words]] = {
    "rfc9068": _RFC9068,
    "proofkey": _RFC9068,
    "keycloak": Words(
        types=_OR_JWT,
        required=(*_BASIC, "azp", "jti", "typ"),
        texts=("iss", "sub", "azp", "jti", "typ"),
        roles=lambda value: {"realm_access": {"roles": value}},
        told=_foreign("a prefix", "longer"),
    ),
    "auth0": _AUTH0,
    "auth0-rfc9068": replace(_AUTH0, required=(*_BASIC, "client_id"), texts=("iss", "sub", "client_id", "jti")),
    "entra": _ENTRA,
    "entra-v1": replace(
        _ENTRA,
        required=(*_BASIC, "appid", "tid", "oid"),
        texts=("iss", "sub", "appid", "tid", "oid", "uti"),
    ),
    "okta": Words(
        types=_OR_JWT | {""},
        required=(*_BASIC, "cid", "jti"),
        texts=("iss", "sub", "cid", "jti", "uid"),
        scope="scp",
        scope_is_list=True,
        no_scope=lambda: {"scp": None},
        roles=lambda value: {"groups": value},
        told={"no cid": _ID, "aud the client": _ID, "client assertion, untyped": _ID, "DPoP proof, untyped": _ID}
        | _foreign("with a slash", "in capitals", "a prefix", "longer"),
    ),
    "cognito": Words(
        types=_STANDARD | {""},
        required=("iss", "exp", "iat", "sub", "client_id", "jti", "token_use"),
        texts=("iss", "sub", "client_id", "jti", "token_use"),
        roles=lambda value: {"cognito:groups": value},
        told={"client assertion, untyped": _MISSING, "DPoP proof, untyped": _MISSING}
        | {"JWE": _REFRESH, "JWE of a password": _REFRESH, "the token in a JWE's form": Finding.TOKEN_ENCRYPTED}
        | _foreign("in capitals", "a prefix", "longer"),
    ),
    "zitadel": Words(
        types=_OR_JWT | {""},
        required=(*_BASIC, "client_id", "jti"),
        texts=("iss", "sub", "client_id", "jti"),
        roles=lambda value: {PROJECT_ROLES: value},
        roles_are_object=True,
        told={"client assertion, untyped": Finding.TOKEN_ISSUER, "DPoP proof, untyped": _MISSING}
        | {"amr of str": _ID, "amr of list": _ID, "aud the client": _ID},
    ),
    "authentik": Words(
        types=_OR_JWT,
        required=(*_BASIC, "azp", "uid"),
        texts=("iss", "sub", "azp", "uid"),
        roles=lambda value: {"groups": value},
        told={"no azp": _ID, "no uid": _ID} | _foreign("longer"),
    ),
}
"""By name of the persona."""
