"""The schema: what the migrations add up to (a test compares the two).

Instants are seconds since 1970. Lists and mappings are JSON, scopes are separated by spaces. Opaque values stand
here as digests only; private keys and a provider's tokens are sealed.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

NUMBER: Final = Integer().with_variant(BigInteger(), "postgresql")
"""64 bits: seconds since 1970 leave 32 in 2038."""
VERSION_TABLE: Final = "proofkey_version"

METADATA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

CLIENTS: Final = Table(
    "clients",
    METADATA,
    Column("client_id", Text, primary_key=True),
    Column("registration", Text, nullable=False),
    Column("disabled", NUMBER, nullable=False, server_default=text("0")),
    Column("updated_at", NUMBER, nullable=False),
)

USERS: Final = Table(
    "users",
    METADATA,
    Column("sub", Text, primary_key=True),
    Column("username", Text, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("claims", Text, nullable=False),
    Column("disabled", NUMBER, nullable=False, server_default=text("0")),
    Column("created_at", NUMBER, nullable=False),
    Column("password_changed_at", NUMBER, nullable=False),
    Column("deleted_at", NUMBER),
    CheckConstraint("(username IS NULL) = (deleted_at IS NOT NULL)", name="tombstone"),
)
"""A deleted user leaves `sub` and `deleted_at`; everything else of the row is emptied."""

SIGN_INS: Final = Table(
    "sign_ins",
    METADATA,
    Column("sid", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("sub", Text, ForeignKey("users.sub"), nullable=False),
    Column("auth_time", NUMBER, nullable=False),
    Column("amr", Text, nullable=False),
    Column("created_at", NUMBER, nullable=False),
    Column("seen_at", NUMBER, nullable=False),
    Column("absolute_expires_at", NUMBER, nullable=False),
    Column("ended_at", NUMBER),
    Index("ix_sign_ins_sub", "sub"),
    Index("ix_sign_ins_absolute_expires_at", "absolute_expires_at"),
)

CONSENTS: Final = Table(
    "consents",
    METADATA,
    Column("sub", Text, ForeignKey("users.sub"), nullable=False),
    Column("client_id", Text, ForeignKey("clients.client_id"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("granted_at", NUMBER, nullable=False),
    PrimaryKeyConstraint("sub", "client_id"),
)

INTERACTIONS: Final = Table(
    "interactions",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("browser_digest", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("created_at", NUMBER, nullable=False),
    Column("expires_at", NUMBER, nullable=False),
    Column("hint_sub", Text),
    Column("signed_in_since", NUMBER),
    Column("shown", Text),
    Column("used_at", NUMBER),
    Column("pushed_digest", Text),
    Index("ix_interactions_expires_at", "expires_at"),
)

AUTHORIZATIONS: Final = Table(
    "authorizations",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("client_id", Text, ForeignKey("clients.client_id"), nullable=False),
    Column("sub", Text, ForeignKey("users.sub")),
    Column("sid", Text),
    Column("scope", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("nonce", Text),
    Column("auth_time", NUMBER),
    Column("code_digest", Text, unique=True),
    Column("code_challenge", Text),
    Column("redirect_uri", Text),
    Column("code_expires_at", NUMBER, nullable=False),
    Column("code_used_at", NUMBER),
    Column("generation", NUMBER, nullable=False),
    Column("rotated_at", NUMBER),
    Column("refresh_idle_expires_at", NUMBER),
    Column("refresh_absolute_expires_at", NUMBER),
    Column("created_at", NUMBER, nullable=False),
    Column("expires_at", NUMBER, nullable=False),
    Column("revoked_at", NUMBER),
    Column("dpop_jkt", Text),
    Column("x5t_s256", Text),
    Column("acr", Text),
    Column("details", Text),
    Index("ix_authorizations_sub", "sub"),
    Index("ix_authorizations_sid", "sid"),
    Index("ix_authorizations_expires_at", "expires_at"),
)

PUSHED_REQUESTS: Final = Table(
    "pushed_requests",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("dpop_jkt", Text),
    Column("hint_sub", Text),
    Column("created_at", NUMBER, nullable=False),
    Column("expires_at", NUMBER, nullable=False),
    Column("used_at", NUMBER),
    Index("ix_pushed_requests_expires_at", "expires_at"),
)
"""The client may be one that registered itself a moment ago, which has no row in `clients` yet."""

REGISTERED_CLIENTS: Final = Table(
    "registered_clients",
    METADATA,
    Column("client_id", Text, primary_key=True),
    Column("registration", Text, nullable=False),
    Column("token_digest", Text, nullable=False),
    Column("registered_at", NUMBER, nullable=False),
    Column("expires_at", NUMBER),
    Index("ix_registered_clients_expires_at", "expires_at"),
)
"""Clients that registered themselves. One has a row in `clients` too, once a person has allowed it something:
nothing refers to this table, so those that nobody wanted are deleted without a look at the grants."""

DEVICE_AUTHORIZATIONS: Final = Table(
    "device_authorizations",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("user_code_digest", Text, nullable=False, unique=True),
    Column("client_id", Text, ForeignKey("clients.client_id"), nullable=False),
    Column("request", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("interval_seconds", NUMBER, nullable=False),
    Column("created_at", NUMBER, nullable=False),
    Column("code_expires_at", NUMBER, nullable=False),
    Column("expires_at", NUMBER, nullable=False),
    Column("polled_at", NUMBER),
    Column("decided_at", NUMBER),
    Column("authorization_id", Text),
    Index("ix_device_authorizations_expires_at", "expires_at"),
)
"""What was allowed is the row of `authorizations` that it names; there it is used once."""

OPAQUE_TOKENS: Final = Table(
    "opaque_tokens",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("authorization_id", Text),
    Column("client_id", Text, ForeignKey("clients.client_id"), nullable=False),
    Column("sub", Text, ForeignKey("users.sub")),
    Column("claims", Text, nullable=False),
    Column("created_at", NUMBER, nullable=False),
    Column("expires_at", NUMBER, nullable=False),
    Column("revoked_at", NUMBER),
    Index("ix_opaque_tokens_authorization_id", "authorization_id"),
    Index("ix_opaque_tokens_expires_at", "expires_at"),
)

LOGOUT_DELIVERIES: Final = Table(
    "logout_deliveries",
    METADATA,
    Column("sid", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("sub", Text, ForeignKey("users.sub"), nullable=False),
    Column("created_at", NUMBER, nullable=False),
    Column("expires_at", NUMBER, nullable=False),
    Column("next_at", NUMBER),
    Column("attempts", NUMBER, nullable=False),
    PrimaryKeyConstraint("sid", "client_id"),
    Index("ix_logout_deliveries_sub", "sub"),
    Index("ix_logout_deliveries_next_at", "next_at"),
    Index("ix_logout_deliveries_expires_at", "expires_at"),
)
"""A row may outlive its sign-in and its client. It holds no token: one is made when it is sent."""

SIGNING_KEYS: Final = Table(
    "signing_keys",
    METADATA,
    Column("kid", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("sealed_private_jwk", Text, nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("created_at", NUMBER, nullable=False),
    Column("active_from", NUMBER, nullable=False),
    Column("retired_at", NUMBER),
    Column("remove_at", NUMBER),
)

THROTTLES: Final = Table(
    "throttles",
    METADATA,
    Column("rule", Text, nullable=False),
    Column("key_digest", Text, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("count", NUMBER, nullable=False),
    Column("forget_at", Float, nullable=False),
    PrimaryKeyConstraint("rule", "key_digest"),
    Index("ix_throttles_forget_at", "forget_at"),
)
"""Keys are digests: people type passwords into username fields."""

AUDIT_EVENTS: Final = Table(
    "audit_events",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("at", NUMBER, nullable=False),
    Column("name", Text, nullable=False),
    Column("sub", Text),
    Column("client_id", Text),
    Column("detail", Text, nullable=False),
)

PENDING_LOGINS: Final = Table(
    "pending_logins",
    METADATA,
    Column("state_digest", Text, primary_key=True),
    Column("browser_digest", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("next_path", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("max_age", NUMBER),
    Column("created_at", NUMBER, nullable=False),
    Column("expires_at", NUMBER, nullable=False),
    Index("ix_pending_logins_expires_at", "expires_at"),
)
"""`sealed` holds nonce and code_verifier."""

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("sub", Text, nullable=False),
    Column("claims", Text, nullable=False),
    Column("sid", Text),
    Column("created_at", NUMBER, nullable=False),
    Column("seen_at", NUMBER, nullable=False),
    Column("absolute_expires_at", NUMBER, nullable=False),
    Column("sealed_tokens", Text, nullable=False),
    Column("version", NUMBER, nullable=False),
    Column("refresh_holder", Text),
    Column("refresh_until", NUMBER),
    Index("ix_sessions_absolute_expires_at", "absolute_expires_at"),
    Index("ix_sessions_sub", "sub", "issuer"),
    Index("ix_sessions_sid", "sid", "issuer"),
)

LOGOUT_TOKENS: Final = Table(
    "logout_tokens",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("expires_at", NUMBER, nullable=False),
    Index("ix_logout_tokens_expires_at", "expires_at"),
)
"""Those that a client has acted on, until their time is over."""
