"""The tables of the database, as the newest migration leaves them.

Times are seconds since 1970 (UTC) with fraction. Ids and names are texts of any length up to `records.LONGEST_ID`.
"""

from sqlalchemy import JSON, Boolean, Column, Double, ForeignKey, Index, Integer, MetaData, Table, Text, false

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

#: What customers did. ``received`` is when the service took the event, later by a microsecond for each event before it
#: in the same request, so that it orders events of equal timestamps.
EVENTS = Table(
    "events",
    METADATA,
    Column("event_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("timestamp", Double, nullable=False),
    Column("recommendation_id", Text),  # no foreign key: an event may be stored before its recommendation
    Column("value", Double),
    Column("received", Double, nullable=False),
    Index("ix_events_user_id", "user_id", "timestamp"),
    Index("ix_events_recommendation_id", "recommendation_id"),
    Index("ix_events_received", "received"),
)

#: One row per answer. ``probability`` is that of the whole list under the policy that drew it, null if unknown;
#: ``forced`` marks an arm that was set by hand for a test, which no analysis counts.
RECOMMENDATIONS = Table(
    "recommendations",
    METADATA,
    Column("recommendation_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("experiment", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("fallback", Boolean, nullable=False),
    Column("forced", Boolean, nullable=False, server_default=false()),
    Column("created", Double, nullable=False),
    Column("milliseconds", Double),
    Column("probability", Double),
    Column("context", JSON, nullable=False),
    Index("ix_recommendations_user_id", "user_id"),
    Index("ix_recommendations_experiment", "experiment", "created"),
)

#: The items of an answer, ranks from 1. ``probability`` is that of this item at this rank under the policy that drew
#: the list; 1 where nothing is drawn.
SHOWN = Table(
    "shown",
    METADATA,
    Column(
        "recommendation_id",
        Text,
        ForeignKey("recommendations.recommendation_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("rank", Integer, primary_key=True, autoincrement=False),
    Column("item_id", Text, nullable=False),
    Column("score", Double),
    Column("probability", Double, nullable=False),
)

#: The lists that other policies would have shown instead, and the probabilities that the policy in use gave to them:
#: of the item at its rank, and of the whole list (null if unknown). Off-policy estimates are about these policies.
ALTERNATIVES = Table(
    "alternatives",
    METADATA,
    Column(
        "recommendation_id",
        Text,
        ForeignKey("recommendations.recommendation_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("policy", Text, primary_key=True),
    Column("rank", Integer, primary_key=True, autoincrement=False),
    Column("item_id", Text, nullable=False),
    Column("probability", Double, nullable=False),
    Column("list_probability", Double),
)

#: The weights of an experiment's arms from a time on.
EXPERIMENTS = Table(
    "experiments",
    METADATA,
    Column("experiment", Text, primary_key=True),
    Column("since", Double, primary_key=True),
    Column("weights", JSON, nullable=False),  # pairs of arm and weight; the first arm is the control
)

#: Products that were added or changed while serving. ``revision`` grows with every change, in the order of commits.
ITEMS = Table(
    "items",
    METADATA,
    Column("item_id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("brand", Text, nullable=False),
    Column("categories", JSON, nullable=False),
    Column("description", Text, nullable=False),
    Column("features", JSON, nullable=False),
    Column("price", Double),
    Column("stock", Integer),
    Column("hidden", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("added", Double, nullable=False),
    Column("changed", Double, nullable=False),
    Column("revision", Integer, nullable=False),
    Index("ix_items_revision", "revision"),
)

#: Keys of the HTTP interface. Of a key only a hash is stored.
API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("key_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("rate_per_minute", Integer),
    Column("created", Double, nullable=False),
    Column("revoked", Double),
)

#: Users whose data were erased, as a keyed hash, so that an erasure can be repeated after a backup was restored.
ERASED = Table(
    "erased",
    METADATA,
    Column("user_hash", Text, primary_key=True),
    Column("erased", Double, nullable=False),
)

#: Values made once for this database, such as the key of the hashes in ``erased``.
SETTINGS = Table(
    "settings",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
