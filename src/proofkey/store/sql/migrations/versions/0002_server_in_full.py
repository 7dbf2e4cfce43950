"""Pushed requests, opaque tokens, bound grants.

Only additions, so that workers of the version before go on beside it.
"""

import sqlalchemy as sa
from alembic import op

from proofkey.store.sql.schema import NUMBER

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("interactions", sa.Column("pushed_digest", sa.Text(), nullable=True))
    for name in ("dpop_jkt", "x5t_s256", "acr", "details"):
        op.add_column("authorizations", sa.Column(name, sa.Text(), nullable=True))
    _pushed_requests()
    _opaque_tokens()
    _registered_clients()
    _device_authorizations()
    _logout_deliveries()
    _logouts_of_clients()


def _pushed_requests() -> None:
    op.create_table(
        "pushed_requests",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("dpop_jkt", sa.Text(), nullable=True),
        sa.Column("hint_sub", sa.Text(), nullable=True),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("expires_at", NUMBER, nullable=False),
        sa.Column("used_at", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_pushed_requests")),
    )
    op.create_index("ix_pushed_requests_expires_at", "pushed_requests", ["expires_at"])


def _device_authorizations() -> None:
    op.create_table(
        "device_authorizations",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("user_code_digest", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("interval_seconds", NUMBER, nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("code_expires_at", NUMBER, nullable=False),
        sa.Column("expires_at", NUMBER, nullable=False),
        sa.Column("polled_at", NUMBER, nullable=True),
        sa.Column("decided_at", NUMBER, nullable=True),
        sa.Column("authorization_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.client_id"], name=op.f("fk_device_authorizations_client_id")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_device_authorizations")),
        sa.UniqueConstraint("user_code_digest", name=op.f("uq_device_authorizations_user_code_digest")),
    )
    op.create_index("ix_device_authorizations_expires_at", "device_authorizations", ["expires_at"])


def _registered_clients() -> None:
    op.create_table(
        "registered_clients",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("registration", sa.Text(), nullable=False),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("registered_at", NUMBER, nullable=False),
        sa.Column("expires_at", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_registered_clients")),
    )
    op.create_index("ix_registered_clients_expires_at", "registered_clients", ["expires_at"])


def _opaque_tokens() -> None:
    op.create_table(
        "opaque_tokens",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("authorization_id", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("sub", sa.Text(), nullable=True),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("expires_at", NUMBER, nullable=False),
        sa.Column("revoked_at", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name=op.f("fk_opaque_tokens_client_id")),
        sa.ForeignKeyConstraint(["sub"], ["users.sub"], name=op.f("fk_opaque_tokens_sub")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_opaque_tokens")),
    )
    op.create_index("ix_opaque_tokens_authorization_id", "opaque_tokens", ["authorization_id"])
    op.create_index("ix_opaque_tokens_expires_at", "opaque_tokens", ["expires_at"])


def _logout_deliveries() -> None:
    op.create_table(
        "logout_deliveries",
        sa.Column("sid", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("sub", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("expires_at", NUMBER, nullable=False),
        sa.Column("next_at", NUMBER, nullable=True),
        sa.Column("attempts", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["sub"], ["users.sub"], name=op.f("fk_logout_deliveries_sub")),
        sa.PrimaryKeyConstraint("sid", "client_id", name=op.f("pk_logout_deliveries")),
    )
    for column in ("sub", "next_at", "expires_at"):
        op.create_index(f"ix_logout_deliveries_{column}", "logout_deliveries", [column])


def _logouts_of_clients() -> None:
    op.create_index("ix_sessions_sub", "sessions", ["sub", "issuer"])
    op.create_index("ix_sessions_sid", "sessions", ["sid", "issuer"])
    op.create_table(
        "logout_tokens",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("expires_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_logout_tokens")),
    )
    op.create_index("ix_logout_tokens_expires_at", "logout_tokens", ["expires_at"])
