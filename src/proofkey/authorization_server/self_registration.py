"""What a client may say of itself: a stranger's metadata as a registration (RFC 7591 §2, OIDC Registration §2)."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast
from unicodedata import category

from proofkey.authorization_server.policy import IDENTITY_SCOPES, Policy
from proofkey.authorization_server.profile import FAPI_DEFAULTS
from proofkey.authorization_server.registration import check_registration
from proofkey.errors import ConfigurationError, InvalidClientMetadata, InvalidRedirectUri
from proofkey.findings import Finding
from proofkey.protocol.registration import AUTH_METHODS, SECRET_METHODS, ClientRegistration
from proofkey.protocol.registration_document import parse_registration
from proofkey.protocol.text import ClientId, Instant, Secret

GRANT_TYPES: Final = ("authorization_code", "refresh_token")
"""No token without a person who said yes."""
MEMBERS: Final = frozenset(
    {
        "redirect_uris", "post_logout_redirect_uris", "token_endpoint_auth_method", "grant_types",
        "response_types", "client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri", "contacts", "scope",
        "software_id", "software_version", "jwks", "jwks_uri", "application_type",
        "token_endpoint_auth_signing_alg",
        "id_token_signed_response_alg", "userinfo_signed_response_alg", "introspection_signed_response_alg",
        "subject_type", "sector_identifier_uri", "default_max_age", "require_auth_time", "default_acr_values",
        "response_modes", "require_pushed_authorization_requests", "require_signed_request_object",
        "request_object_signing_alg", "authorization_signed_response_alg", "dpop_bound_access_tokens",
        "tls_client_auth_subject_dn", "tls_client_auth_san_dns", "tls_client_auth_san_uri",
        "tls_client_auth_san_ip", "tls_client_auth_san_email", "tls_client_certificate_bound_access_tokens",
        "authorization_details_types", "backchannel_logout_uri", "backchannel_logout_session_required",
    }
)  # fmt: skip
"""All others are ignored (RFC 7591 §2), a software_statement too (§3.1.1); nothing here loosens a rule."""
MOST_URIS: Final = 20
LONGEST_NAME: Final = 200
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that show nothing."""
_MOST_MARKS: Final = 3
"""On one letter; no script needs more."""


def read_self_registration(
    document: Mapping[str, Any],
    client_id: ClientId,
    policy: Policy,
    now: Instant,
    *,
    secret: Secret | None = None,
    sectors: frozenset[str] = frozenset(),
    allowed: tuple[str, ...] | None = None,
) -> ClientRegistration:
    """The whole document, judged as one; a member that is null counts as left out. Silent members get the defaults
    of RFC 7591 and OIDC Registration, and the scope all that such clients may have; of a scope that is written
    the rest is left out. `secret` is what a client with such a method has from now on. `sectors` are proven
    (`sector.find_declared_sectors`), and `allowed` is the scope that it may have, in the place of what is for all
    that register themselves.

    Raises: InvalidClientMetadata, InvalidRedirectUri.
    """
    members = {name: value for name, value in document.items() if value is not None}
    _check_members(members)
    known = {name: value for name, value in members.items() if name in MEMBERS}
    known.setdefault("grant_types", ["authorization_code"])
    known = {**(FAPI_DEFAULTS if policy.is_fapi else {}), **known}
    whole = allowed is None and policy.registration.whole_scope
    try:
        client = parse_registration(
            {**known, "client_id": client_id}, issuer=policy.issuer, secret_made_elsewhere=True
        )
        has_secret = client.token_endpoint_auth_method in SECRET_METHODS
        client = replace(
            client,
            secret_digest=secret.digest() if secret and has_secret else None,
            scope=_scope(
                client,
                allowed_scope(policy) if allowed is None else allowed,
                written="scope" in known and not whole,
            ),
            self_registered=True,
            changed_at=now,
        )
        _check_offered(client, policy)
        stand_in = client if secret or not has_secret else replace(client, secret_digest="not made yet")
        check_registration(stand_in, policy.issuer, sectors, policy)
    except ConfigurationError as error:
        raise _told(error) from error
    return client


def build_members(client: ClientRegistration) -> dict[str, Any]:
    """All that is registered, defaults too, in the names of RFC 7591 §2 and OIDC Registration §2."""
    said = {name: _said(getattr(client, name)) for name in sorted(MEMBERS)}
    said["scope"] = " ".join(client.scope)
    if client.jwks is not None:
        said["jwks"] = json.loads(client.jwks)
    return {name: value for name, value in said.items() if value not in (None, [], "")}


def _said(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(cast("frozenset[str]", value))
    return list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value


def allowed_scope(policy: Policy) -> tuple[str, ...]:
    """The most that clients which register themselves may have: what the operator says, or people can give."""
    written = policy.registration.scope
    return written if written is not None else tuple(dict.fromkeys((*IDENTITY_SCOPES, *policy.api_scopes)))


def _check_members(members: Mapping[str, Any]) -> None:
    """RFC 7591 §2, and what must not be ignored in silence: a client that wants encryption would get none."""
    if "jwks" in members and "jwks_uri" in members:
        raise InvalidClientMetadata(Finding.REGISTRATION_KEYS_TWICE)
    for name in members:
        if "_encrypted_response_" in name or "_encryption_" in name:
            raise InvalidClientMetadata(Finding.REGISTRATION_MEMBER_REFUSED, member=name[:64])


def _scope(client: ClientRegistration, allowed: tuple[str, ...], *, written: bool) -> tuple[str, ...]:
    """RFC 7591 §2: left out what such clients cannot have; refused when nothing is left."""
    scope = tuple(one for one in client.scope if one in allowed) if written else allowed
    if not scope:
        raise _refused(client, "scope")
    return scope


def _check_offered(client: ClientRegistration, policy: Policy) -> None:
    """What a client asks for, the server has to have: it would wait for it in vain otherwise."""
    methods = (*AUTH_METHODS, *policy.certificate_methods)
    refused = {
        "token_endpoint_auth_method": client.token_endpoint_auth_method not in methods,
        "grant_types": not client.grant_types <= set(GRANT_TYPES)
        or "authorization_code" not in client.grant_types,
        "response_types": client.response_types != frozenset({"code"}),
        "response_modes": not client.response_modes <= set(policy.response_modes),
        "require_pushed_authorization_requests": client.require_pushed_authorization_requests
        and not policy.offers("par"),
        "require_signed_request_object": client.require_signed_request_object and not policy.offers("jar"),
        "client_name": len(client.client_name) > LONGEST_NAME or not _is_readable(client.client_name),
        "redirect_uris": len(client.redirect_uris) > MOST_URIS,
        "post_logout_redirect_uris": len(client.post_logout_redirect_uris) > MOST_URIS,
        "tls_client_certificate_bound_access_tokens": client.tls_client_certificate_bound_access_tokens
        and policy.client_certificates is None,
    }
    for member, is_so in refused.items():
        if is_so:
            raise _refused(client, member)


def _is_readable(name: str) -> bool:
    """Whether a person who is asked sees a name, and no pile of marks over what stands around it. None is none."""
    kinds = "".join("m" if category(sign).startswith("M") else "s" for sign in name)
    seen = any(category(sign)[0] in "LNPS" and sign not in _BLANK for sign in name)
    return not name or (seen and "m" * (_MOST_MARKS + 1) not in kinds)


def _refused(client: ClientRegistration, member: str) -> ConfigurationError:
    return ConfigurationError(Finding.REGISTRATION_MEMBER_REFUSED, client_id=client.client_id[:64], member=member)


def _told(error: ConfigurationError) -> InvalidClientMetadata:
    """By the code that RFC 7591 §3.2.2 has for it."""
    kind = InvalidRedirectUri if error.facts.get("member") == "redirect_uris" else InvalidClientMetadata
    return kind(error.finding, **error.facts)
