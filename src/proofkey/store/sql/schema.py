"""The schema: what the migrations add up to (a test compares the two).

Instants are seconds since 1970. Lists and mappings are JSON, scopes are separated by spaces. Opaque values stand
here as digests only; private keys and a provider's tokens are sealed.
"""

from typing import Final

from sqlalchemy import (
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
    Column("disabled", Integer, nullable=False, server_default=text("0")),
    Column("updated_at", Integer, nullable=False),
)

USERS: Final = Table(
    "users",
    METADATA,
    Column("sub", Text, primary_key=True),
    Column("username", Text, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("claims", Text, nullable=False),
    Column("disabled", Integer, nullable=False, server_default=text("0")),
    Column("created_at", Integer, nullable=False),
    Column("password_changed_at", Integer, nullable=False),
    Column("deleted_at", Integer),
    CheckConstraint("(username IS NULL) = (deleted_at IS NOT NULL)", name="tombstone"),
)
"""A deleted user leaves `sub` and `deleted_at`; everything else of the row is emptied."""

SIGN_INS: Final = Table(
    "sign_ins",
    METADATA,
    Column("sid", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("sub", Text, ForeignKey("users.sub"), nullable=False),
    Column("auth_time", Integer, nullable=False),
    Column("amr", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("seen_at", Integer, nullable=False),
    Column("absolute_expires_at", Integer, nullable=False),
    Column("ended_at", Integer),
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
    Column("granted_at", Integer, nullable=False),
    PrimaryKeyConstraint("sub", "client_id"),
)

INTERACTIONS: Final = Table(
    "interactions",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("browser_digest", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
    Column("hint_sub", Text),
    Column("signed_in_since", Integer),
    Column("shown", Text),
    Column("used_at", Integer),
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
    Column("auth_time", Integer),
    Column("code_digest", Text, unique=True),
    Column("code_challenge", Text),
    Column("redirect_uri", Text),
    Column("code_expires_at", Integer, nullable=False),
    Column("code_used_at", Integer),
    Column("generation", Integer, nullable=False),
    Column("rotated_at", Integer),
    Column("refresh_idle_expires_at", Integer),
    Column("refresh_absolute_expires_at", Integer),
    Column("created_at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
    Column("revoked_at", Integer),
    Index("ix_authorizations_sub", "sub"),
    Index("ix_authorizations_sid", "sid"),
    Index("ix_authorizations_expires_at", "expires_at"),
)

SIGNING_KEYS: Final = Table(
    "signing_keys",
    METADATA,
    Column("kid", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("sealed_private_jwk", Text, nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("active_from", Integer, nullable=False),
    Column("retired_at", Integer),
    Column("remove_at", Integer),
)

THROTTLES: Final = Table(
    "throttles",
    METADATA,
    Column("rule", Text, nullable=False),
    Column("key_digest", Text, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("count", Integer, nullable=False),
    Column("forget_at", Float, nullable=False),
    PrimaryKeyConstraint("rule", "key_digest"),
    Index("ix_throttles_forget_at", "forget_at"),
)
"""Keys are digests: people type passwords into username fields."""

AUDIT_EVENTS: Final = Table(
    "audit_events",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
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
    Column("max_age", Integer),
    Column("created_at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
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
    Column("created_at", Integer, nullable=False),
    Column("seen_at", Integer, nullable=False),
    Column("absolute_expires_at", Integer, nullable=False),
    Column("sealed_tokens", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("refresh_holder", Text),
    Column("refresh_until", Integer),
    Index("ix_sessions_absolute_expires_at", "absolute_expires_at"),
)
