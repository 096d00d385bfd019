"""The first tables."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the key of the hashes of erased users."""
    op.create_table(
        "events",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.Double(), nullable=False),
        sa.Column("recommendation_id", sa.Text()),
        sa.Column("value", sa.Double()),
        sa.Column("received", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_events"),
    )
    op.create_index("ix_events_user_id", "events", ["user_id", "timestamp"])
    op.create_index("ix_events_recommendation_id", "events", ["recommendation_id"])
    op.create_index("ix_events_received", "events", ["received"])
    op.create_table(
        "recommendations",
        sa.Column("recommendation_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("fallback", sa.Boolean(), nullable=False),
        sa.Column("forced", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("milliseconds", sa.Double()),
        sa.Column("probability", sa.Double()),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("recommendation_id", name="pk_recommendations"),
    )
    op.create_index("ix_recommendations_user_id", "recommendations", ["user_id"])
    op.create_index("ix_recommendations_experiment", "recommendations", ["experiment", "created"])
    _create_lists()
    _create_others()
    settings = sa.table("settings", sa.column("name", sa.Text()), sa.column("value", sa.Text()))
    op.execute(settings.insert().values(name="erasure_key", value=secrets.token_hex(32)))


def _create_lists() -> None:
    """The items of the answers."""
    op.create_table(
        "shown",
        sa.Column("recommendation_id", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("score", sa.Double()),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("recommendation_id", "rank", name="pk_shown"),
        sa.ForeignKeyConstraint(
            ["recommendation_id"],
            ["recommendations.recommendation_id"],
            name="fk_shown_recommendation_id",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "alternatives",
        sa.Column("recommendation_id", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("list_probability", sa.Double()),
        sa.PrimaryKeyConstraint("recommendation_id", "policy", "rank", name="pk_alternatives"),
        sa.ForeignKeyConstraint(
            ["recommendation_id"],
            ["recommendations.recommendation_id"],
            name="fk_alternatives_recommendation_id",
            ondelete="CASCADE",
        ),
    )


def _create_others() -> None:
    """Experiments, products, keys, erasures and settings."""
    op.create_table(
        "experiments",
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("weights", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("experiment", "since", name="pk_experiments"),
    )
    op.create_table(
        "items",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("price", sa.Double()),
        sa.Column("stock", sa.Integer()),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("added", sa.Double(), nullable=False),
        sa.Column("changed", sa.Double(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("item_id", name="pk_items"),
    )
    op.create_index("ix_items_revision", "items", ["revision"])
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("rate_per_minute", sa.Integer()),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("revoked", sa.Double()),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
    )
    op.create_table(
        "erased",
        sa.Column("user_hash", sa.Text(), nullable=False),
        sa.Column("erased", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("user_hash", name="pk_erased"),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_settings"),
    )
