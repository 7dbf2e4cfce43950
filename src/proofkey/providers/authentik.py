"""Authentik: an access token is the ID token's claims with `azp` and `uid` added."""

from collections.abc import Mapping
from typing import Any, Final

from proofkey.findings import Finding
from proofkey.protocol.claims import read_optional_text, read_text, read_texts
from proofkey.protocol.dialect import Claims, Dialect, LoginDialect, Relaxation, Source
from proofkey.providers.reading import STANDARD_TYPE, check_has_any, check_no_other_kind, path_of

_APPLICATIONS: Final = "/application/o/"
_CHOOSE_KEY: Final = (
    "choose a Signing Key in the provider: without one, Authentik signs with the client secret (HS256)"
)


def _slug_of(issuer: str) -> str | None:
    """Each application has an issuer of its own."""
    _, found, slug = path_of(issuer).partition(_APPLICATIONS)
    return slug.strip("/") or None if found else None


def _check_use(header: Mapping[str, Any], claims: Claims) -> None:
    """A nonce tells nothing here, and aud is the client's id for both kinds; only access tokens have both of
    azp and uid."""
    check_no_other_kind(claims, ())
    for name in ("azp", "uid"):
        check_has_any(claims, name)
        read_text(claims, name)


def _roles(claims: Claims, audience: frozenset[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*read_texts(claims, "groups"), *read_texts(claims, "entitlements"))))


def _is_client_only(claims: Claims, sub: str, client_id: str) -> bool:
    """The user that stands for a client has a name of this form, which the scope `profile` releases, and no
    session; a person may have chosen such a name, too."""
    name = read_optional_text(claims, "preferred_username") or ""
    named = name.startswith("ak-") and name.endswith("-client_credentials")
    return sub == client_id or (named and "sid" not in claims)


AUTHENTIK: Final = Dialect(
    name="authentik",
    title="Authentik",
    matches=lambda issuer: _slug_of(issuer) is not None,
    tenant_of=_slug_of,
    header_types=frozenset({STANDARD_TYPE, "jwt"}),
    client_id=("azp",),
    jti_required=False,
    check_use=_check_use,
    roles=_roles,
    is_client_only=_is_client_only,
    remedies={
        Finding.TOKEN_SYMMETRIC: _CHOOSE_KEY,
        Finding.TOKEN_KID: _CHOOSE_KEY,
        Finding.TOKEN_AUDIENCE: "name the provider's client id as audience: it is the aud of every token",
        Finding.TOKEN_TENANT: "configure the issuer of this API's application: each has its own",
        Finding.TOKEN_ENCRYPTED: "remove the Encryption Key from the provider",
    },
    relaxes=(
        Relaxation("RFC 9068 §4 typ", "JWT: azp and uid, which ID tokens have not"),
        Relaxation("RFC 9068 §2.2 client_id", "azp"),
        Relaxation("RFC 9068 §2.2 jti", "none"),
        Relaxation("RFC 9068 §2.2.3.1 roles", "groups (scope profile) and entitlements"),
        Relaxation(
            "RFC 9068 §2.2 sub of a client's own token",
            "the user name ak-…-client_credentials without sid, where the scope profile releases it; else nothing",
        ),
    ),
    source=Source(title="goauthentik/authentik, authentik/providers/oauth2/id_token.py", date="2026-11"),
    login=LoginDialect(audience_parameter="none"),
)
