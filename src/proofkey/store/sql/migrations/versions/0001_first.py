"""The first schema."""

import sqlalchemy as sa
from alembic import op

from proofkey.store.sql.schema import NUMBER

revision = "0001"
down_revision = None


def upgrade() -> None:
    _accounts()
    _sign_ins()
    _authorizations()
    _server()
    _sessions()


def _accounts() -> None:
    """Clients and people."""
    op.create_table(
        "clients",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("registration", sa.Text(), nullable=False),
        sa.Column("disabled", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.Column("updated_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_clients")),
    )
    op.create_table(
        "users",
        sa.Column("sub", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.Column("disabled", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("password_changed_at", NUMBER, nullable=False),
        sa.Column("deleted_at", NUMBER, nullable=True),
        sa.CheckConstraint("(username IS NULL) = (deleted_at IS NOT NULL)", name=op.f("ck_users_tombstone")),
        sa.PrimaryKeyConstraint("sub", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
    )
    op.create_table(
        "consents",
        sa.Column("sub", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("granted_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name=op.f("fk_consents_client_id")),
        sa.ForeignKeyConstraint(["sub"], ["users.sub"], name=op.f("fk_consents_sub")),
        sa.PrimaryKeyConstraint("sub", "client_id", name=op.f("pk_consents")),
    )


def _sign_ins() -> None:
    """The server's own sessions, and requests that wait for a page."""
    op.create_table(
        "sign_ins",
        sa.Column("sid", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("sub", sa.Text(), nullable=False),
        sa.Column("auth_time", NUMBER, nullable=False),
        sa.Column("amr", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("seen_at", NUMBER, nullable=False),
        sa.Column("absolute_expires_at", NUMBER, nullable=False),
        sa.Column("ended_at", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["sub"], ["users.sub"], name=op.f("fk_sign_ins_sub")),
        sa.PrimaryKeyConstraint("sid", name=op.f("pk_sign_ins")),
        sa.UniqueConstraint("digest", name=op.f("uq_sign_ins_digest")),
    )
    op.create_index("ix_sign_ins_absolute_expires_at", "sign_ins", ["absolute_expires_at"])
    op.create_index("ix_sign_ins_sub", "sign_ins", ["sub"])
    op.create_table(
        "interactions",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("browser_digest", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("expires_at", NUMBER, nullable=False),
        sa.Column("hint_sub", sa.Text(), nullable=True),
        sa.Column("signed_in_since", NUMBER, nullable=True),
        sa.Column("shown", sa.Text(), nullable=True),
        sa.Column("used_at", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_interactions")),
    )
    op.create_index("ix_interactions_expires_at", "interactions", ["expires_at"])


def _authorizations() -> None:
    """Codes, refresh families and grants."""
    op.create_table(
        "authorizations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("sub", sa.Text(), nullable=True),
        sa.Column("sid", sa.Text(), nullable=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=True),
        sa.Column("auth_time", NUMBER, nullable=True),
        sa.Column("code_digest", sa.Text(), nullable=True),
        sa.Column("code_challenge", sa.Text(), nullable=True),
        sa.Column("redirect_uri", sa.Text(), nullable=True),
        sa.Column("code_expires_at", NUMBER, nullable=False),
        sa.Column("code_used_at", NUMBER, nullable=True),
        sa.Column("generation", NUMBER, nullable=False),
        sa.Column("rotated_at", NUMBER, nullable=True),
        sa.Column("refresh_idle_expires_at", NUMBER, nullable=True),
        sa.Column("refresh_absolute_expires_at", NUMBER, nullable=True),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("expires_at", NUMBER, nullable=False),
        sa.Column("revoked_at", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name=op.f("fk_authorizations_client_id")),
        sa.ForeignKeyConstraint(["sub"], ["users.sub"], name=op.f("fk_authorizations_sub")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorizations")),
        sa.UniqueConstraint("code_digest", name=op.f("uq_authorizations_code_digest")),
    )
    op.create_index("ix_authorizations_expires_at", "authorizations", ["expires_at"])
    op.create_index("ix_authorizations_sid", "authorizations", ["sid"])
    op.create_index("ix_authorizations_sub", "authorizations", ["sub"])


def _server() -> None:
    """Signing keys, throttles, audit log."""
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("sealed_private_jwk", sa.Text(), nullable=False),
        sa.Column("public_jwk", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("active_from", NUMBER, nullable=False),
        sa.Column("retired_at", NUMBER, nullable=True),
        sa.Column("remove_at", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "throttles",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("key_digest", sa.Text(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("count", NUMBER, nullable=False),
        sa.Column("forget_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "key_digest", name=op.f("pk_throttles")),
    )
    op.create_index("ix_throttles_forget_at", "throttles", ["forget_at"])
    op.create_table(
        "audit_events",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("at", NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sub", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )


def _sessions() -> None:
    """A client's pending logins and sessions."""
    op.create_table(
        "pending_logins",
        sa.Column("state_digest", sa.Text(), nullable=False),
        sa.Column("browser_digest", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("next_path", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("max_age", NUMBER, nullable=True),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("expires_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("state_digest", name=op.f("pk_pending_logins")),
    )
    op.create_index("ix_pending_logins_expires_at", "pending_logins", ["expires_at"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("sub", sa.Text(), nullable=False),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.Column("sid", sa.Text(), nullable=True),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("seen_at", NUMBER, nullable=False),
        sa.Column("absolute_expires_at", NUMBER, nullable=False),
        sa.Column("sealed_tokens", sa.Text(), nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("refresh_holder", sa.Text(), nullable=True),
        sa.Column("refresh_until", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_absolute_expires_at", "sessions", ["absolute_expires_at"])
