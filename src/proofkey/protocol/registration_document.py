"""A client's registration, read from a document with the names of RFC 7591 §2."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from proofkey.errors import ConfigurationError, InvalidScope
from proofkey.findings import Finding
from proofkey.protocol.messages import PLAIN_MODES, SIGNED_MODES
from proofkey.protocol.redirect_uri import check_redirect_uri_syntax
from proofkey.protocol.registration import (
    ACCESS_TOKEN_FORMATS,
    APPLICATION_TYPES,
    AUTH_METHODS,
    SECRET_METHODS,
    TLS_METHODS,
    AccessTokenFormat,
    ApplicationType,
    AuthMethod,
    ClientRegistration,
    SubjectType,
)
from proofkey.protocol.scope import parse_scope
from proofkey.protocol.secret_strength import check_secret_strength
from proofkey.protocol.text import ClientId, Secret
from proofkey.protocol.token_messages import TOKEN_EXCHANGE

GRANT_TYPES: Final = ("authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE)
ID_TOKEN_ALGORITHMS: Final = ("RS256", "ES256", "PS256", "Ed25519", "EdDSA")
REQUEST_OBJECT_ALGORITHMS: Final = ("ES256", "PS256", "Ed25519", "EdDSA", "RS256")
RESPONSE_MODES: Final = (*PLAIN_MODES, *SIGNED_MODES)
SUBJECT_TYPES: Final = ("public", "pairwise")
_DEFAULTS: Final = ClientRegistration(client_id=ClientId("default"))
_MEMBERS: Final = frozenset(
    {
        "client_id", "client_secret", "client_secret_file", "client_name", "application_type", "redirect_uris",
        "post_logout_redirect_uris", "grant_types", "response_types", "scope", "token_endpoint_auth_method",
        "id_token_signed_response_alg", "userinfo_signed_response_alg", "introspection_signed_response_alg",
        "access_token_format", "subject_type", "sector_identifier_uri", "default_max_age", "require_auth_time",
        "default_acr_values", "response_modes", "require_pushed_authorization_requests",
        "require_signed_request_object", "request_object_signing_alg", "authorization_signed_response_alg",
        "skip_consent", "disabled", "allow_insecure_without_pkce",
        "jwks", "jwks_uri", "token_endpoint_auth_signing_alg",
        "tls_client_auth_subject_dn", "tls_client_auth_san_dns", "tls_client_auth_san_uri",
        "tls_client_auth_san_ip", "tls_client_auth_san_email", "tls_client_certificate_bound_access_tokens",
        "dpop_bound_access_tokens", "authorization_details_types", "backchannel_logout_uri",
        "backchannel_logout_session_required", "client_uri", "logo_uri", "policy_uri", "tos_uri", "contacts",
        "software_id", "software_version",
    }
)  # fmt: skip
_NOT_BUILT: Final = frozenset(
    {
        "id_token_encrypted_response_alg", "id_token_encrypted_response_enc", "private_key_file",
        "request_uris",
    }
)  # fmt: skip
_METHODS_NOT_BUILT: Final = ("client_secret_jwt",)
_ADDRESSES: Final = ("jwks_uri", "backchannel_logout_uri", "client_uri", "logo_uri", "policy_uri", "tos_uri")
_TEXTS: Final = (
    *("tls_client_auth_subject_dn", "tls_client_auth_san_dns", "tls_client_auth_san_uri"),
    *("tls_client_auth_san_ip", "tls_client_auth_san_email", "software_id", "software_version"),
)
_FLAGS: Final = (
    *("tls_client_certificate_bound_access_tokens", "dpop_bound_access_tokens"),
    "backchannel_logout_session_required",
)


def parse_registration(
    document: Mapping[str, Any],
    *,
    issuer: str,
    secret: Secret | None = None,
    secret_made_elsewhere: bool = False,
) -> ClientRegistration:
    """The registration; `secret` is the client's secret where it was read from a file (RFC 7591 §2).

    Silent members get RFC 7591's defaults, the ID token's algorithm OpenID's: RS256 (OIDC Registration §2).
    `secret_made_elsewhere` is for a registration at another server, which makes the secret itself.
    Raises: ConfigurationError, which names client and member.
    """
    reader = _Reader(document, _read_client_id(document), secret_made_elsewhere)
    reader.check_names()
    secret = secret or reader.secret()
    method = reader.method(secret)
    application_type = reader.application_type()
    return ClientRegistration(
        client_id=reader.client_id,
        secret_digest=secret.digest() if secret else None,
        token_endpoint_auth_method=method,
        client_name=reader.text("client_name", ""),
        application_type=application_type,
        redirect_uris=reader.uris("redirect_uris", application_type, issuer),
        post_logout_redirect_uris=reader.uris("post_logout_redirect_uris", application_type, issuer),
        grant_types=reader.grant_types(public=method == "none"),
        response_types=frozenset(reader.choices("response_types", ("code",), ("code",))),
        scope=reader.scope(),
        id_token_signed_response_alg=reader.choice("id_token_signed_response_alg", ID_TOKEN_ALGORITHMS, "RS256"),
        userinfo_signed_response_alg=reader.choice("userinfo_signed_response_alg", ID_TOKEN_ALGORITHMS, "")
        or None,
        introspection_signed_response_alg=reader.choice(
            "introspection_signed_response_alg", ID_TOKEN_ALGORITHMS, _DEFAULTS.introspection_signed_response_alg
        ),
        access_token_format=cast(
            "AccessTokenFormat", reader.choice("access_token_format", ACCESS_TOKEN_FORMATS, "jwt")
        ),
        subject_type=cast("SubjectType", reader.choice("subject_type", SUBJECT_TYPES, "public")),
        sector_identifier_uri=reader.text("sector_identifier_uri", "") or None,
        default_max_age=reader.seconds("default_max_age"),
        require_auth_time=reader.flag("require_auth_time"),
        default_acr_values=reader.texts("default_acr_values", ()),
        response_modes=frozenset(reader.choices("response_modes", RESPONSE_MODES, ())),
        require_pushed_authorization_requests=reader.flag("require_pushed_authorization_requests"),
        require_signed_request_object=reader.flag("require_signed_request_object"),
        request_object_signing_alg=reader.choice("request_object_signing_alg", REQUEST_OBJECT_ALGORITHMS, "")
        or None,
        authorization_signed_response_alg=reader.choice(
            "authorization_signed_response_alg", ID_TOKEN_ALGORITHMS, "RS256"
        ),
        skip_consent=reader.flag("skip_consent"),
        allow_insecure_without_pkce=reader.flag("allow_insecure_without_pkce"),
        disabled=reader.flag("disabled"),
        jwks=reader.keys(),
        token_endpoint_auth_signing_alg=reader.choice(
            "token_endpoint_auth_signing_alg", REQUEST_OBJECT_ALGORITHMS, ""
        )
        or None,
        authorization_details_types=reader.texts("authorization_details_types", ()),
        contacts=reader.texts("contacts", ()),
        **reader.plain(issuer),
    )


def _read_client_id(document: Mapping[str, Any]) -> ClientId:
    """Printable ASCII, at most 255 (RFC 6749 Appendix A.1)."""
    value: object = document.get("client_id")
    if not isinstance(value, str) or not 0 < len(value) <= 255 or not (value.isascii() and value.isprintable()):
        raise ConfigurationError(
            Finding.CLIENT_METADATA_BAD, member="client_id", reason="1 to 255 printable characters"
        )
    return ClientId(value)


@dataclass(frozen=True, slots=True)
class _Reader:
    document: Mapping[str, Any]
    client_id: ClientId
    secret_made_elsewhere: bool

    def bad(self, member: str, reason: str) -> ConfigurationError:
        return ConfigurationError(
            Finding.CLIENT_METADATA_BAD, client_id=self.client_id, member=member, reason=reason
        )

    def check_names(self) -> None:
        for name in self.document:
            if name in _NOT_BUILT:
                raise ConfigurationError(Finding.CONFIG_NOT_BUILT, client_id=self.client_id, member=name)
            if name not in _MEMBERS:
                raise ConfigurationError(Finding.CONFIG_UNKNOWN_KEY, client_id=self.client_id, member=name)

    def text(self, member: str, default: str) -> str:
        value: object = self.document.get(member, default)
        if not isinstance(value, str) or len(value) > 4096 or not value.isprintable():
            raise self.bad(member, "a printable string is needed")
        return value

    def flag(self, member: str) -> bool:
        value: object = self.document.get(member, False)
        if not isinstance(value, bool):
            raise self.bad(member, "true or false is needed")
        return value

    def plain(self, issuer: str) -> dict[str, Any]:
        """The members that are one address, text or flag, by name."""
        return {
            **{name: self.address(name, issuer) for name in _ADDRESSES},
            **{name: self.text(name, "") or None for name in _TEXTS},
            **{name: self.flag(name) for name in _FLAGS},
        }

    def keys(self) -> str | None:
        """The JWK Set as JSON text; what is in it is not judged here."""
        value: object = self.document.get("jwks")
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.bad("jwks", "a JWK Set is needed")
        try:
            return json.dumps(value, sort_keys=True)
        except (TypeError, ValueError) as error:
            raise self.bad("jwks", "a JWK Set is needed") from error

    def address(self, member: str, issuer: str) -> str | None:
        """An https URL; http on loopback only while the issuer is that itself."""
        uri = self.text(member, "")
        if not uri:
            return None
        try:
            check_redirect_uri_syntax(uri, application_type="web", issuer=issuer)
        except ConfigurationError as error:
            raise self.bad(member, "an https URL is needed") from error
        return uri

    def seconds(self, member: str) -> int | None:
        value: object = self.document.get(member)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
            raise self.bad(member, "a number of seconds is needed")
        return value

    def texts(self, member: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value: object = self.document.get(member, default)
        if not isinstance(value, list | tuple):
            raise self.bad(member, "a list of strings is needed")
        items = tuple(cast("list[object]", value))
        if not all(isinstance(item, str) and item.isprintable() for item in items):
            raise self.bad(member, "a list of printable strings is needed")
        return cast("tuple[str, ...]", items)

    def choice(self, member: str, allowed: tuple[str, ...], default: str) -> str:
        value: object = self.document.get(member, default)
        if not isinstance(value, str) or (value not in allowed and value != default):
            raise self.bad(member, "one of " + ", ".join(allowed))
        return value

    def choices(self, member: str, allowed: tuple[str, ...], default: tuple[str, ...]) -> tuple[str, ...]:
        values = self.texts(member, default)
        if not set(values) <= set(allowed):
            raise self.bad(member, "some of " + ", ".join(allowed))
        return values

    def application_type(self) -> ApplicationType:
        return cast("ApplicationType", self.choice("application_type", APPLICATION_TYPES, "web"))

    def secret(self) -> Secret | None:
        value = self.text("client_secret", "")
        return Secret(value) if value else None

    def method(self, secret: Secret | None) -> AuthMethod:
        if self.document.get("token_endpoint_auth_method") in _METHODS_NOT_BUILT:
            raise ConfigurationError(
                Finding.CONFIG_NOT_BUILT, client_id=self.client_id, member="token_endpoint_auth_method"
            )
        name = self.choice(
            "token_endpoint_auth_method", (*AUTH_METHODS, *TLS_METHODS), _DEFAULTS.token_endpoint_auth_method
        )
        method = cast("AuthMethod", name)
        if method not in SECRET_METHODS and secret is not None:
            raise self.bad("client_secret", f"token_endpoint_auth_method {method} has none")
        if method in SECRET_METHODS and secret is None and not self.secret_made_elsewhere:
            raise self.bad(
                "client_secret", f"{method} needs one; a public client says token_endpoint_auth_method none"
            )
        if secret is not None:
            check_secret_strength(secret, key=f"client_secret of {self.client_id}")
        return method

    def uris(self, member: str, application_type: ApplicationType, issuer: str) -> frozenset[str]:
        uris = self.texts(member, ())
        for uri in uris:
            try:
                check_redirect_uri_syntax(uri, application_type=application_type, issuer=issuer)
            except ConfigurationError as error:
                facts = {**error.facts, "client_id": self.client_id, "member": member}
                raise ConfigurationError(error.finding, **facts) from error
        return frozenset(uris)

    def grant_types(self, *, public: bool) -> frozenset[str]:
        grants = frozenset(self.choices("grant_types", GRANT_TYPES, tuple(_DEFAULTS.grant_types)))
        if public and "client_credentials" in grants:  # RFC 6749 §4.4
            raise self.bad("grant_types", "client_credentials is for clients with a secret")
        if "authorization_code" in self.texts("grant_types", ()) and not self.texts("redirect_uris", ()):
            raise self.bad("redirect_uris", "authorization_code needs at least one")
        return grants

    def scope(self) -> tuple[str, ...]:
        if "scope" not in self.document:
            return _DEFAULTS.scope
        try:
            return parse_scope(self.text("scope", ""))
        except InvalidScope as error:
            raise self.bad("scope", error.finding.sentence) from error
