"""The names of baselines and of sources: what a recipe may name, and the modules that are behind the names.

No such module is imported here, so that recipes, reports, `shoptalk.baselines` and `shoptalk.data` read the same
tables. A new baseline is one file with a function ``learn(split, catalogue, seed)`` and one line here; a new source is
one file with a function ``read(data, fields, engine)`` and one line here.
"""

from dataclasses import dataclass

from shoptalk.plugins import Registry


@dataclass(frozen=True, slots=True)
class BaselineEntry:
    """One baseline.

    Attributes
    ----------
    label
        Its name in tables.
    module
        The module with its function ``learn``; None where the training loop of a run fits it.
    ranks
        Whether it scores the whole catalogue.
    """

    label: str
    module: str | None
    ranks: bool = False


#: By the name in a recipe, in the order in which tables list them.
BASELINES = Registry(
    {
        "chance": BaselineEntry("chance", "shoptalk.baselines.chance"),
        "popularity": BaselineEntry("most popular", "shoptalk.baselines.popularity", ranks=True),
        "tfidf": BaselineEntry("TF-IDF similarity to the history", "shoptalk.baselines.tfidf"),
        "cooccurrence": BaselineEntry("item co-occurrence", "shoptalk.baselines.cooccurrence"),
        "options_only": BaselineEntry("options only, history never seen", "shoptalk.baselines.options_only"),
        "recent_popularity": BaselineEntry("most popular lately", "shoptalk.baselines.recent_popularity", ranks=True),
        "repeat_last": BaselineEntry("repeat the last purchase", "shoptalk.baselines.repeat_last", ranks=True),
        "item_knn": BaselineEntry("item-kNN", "shoptalk.baselines.item_knn", ranks=True),
        "text_knn": BaselineEntry("text-kNN", "shoptalk.baselines.text_knn", ranks=True),
        "transitions": BaselineEntry("graph of transitions, by text", "shoptalk.baselines.transitions", ranks=True),
        "als": BaselineEntry("ALS", "shoptalk.baselines.als", ranks=True),
        "bpr": BaselineEntry("BPR", "shoptalk.baselines.bpr", ranks=True),
        "svd": BaselineEntry("SVD", "shoptalk.baselines.svd", ranks=True),
        "second_stage": BaselineEntry("second stage, without the model", "shoptalk.second_stage.baseline", ranks=True),
        "sasrec": BaselineEntry("SASRec", None, ranks=True),
    }
)

#: Formats of raw files by their name in a recipe (``data.source``), and the modules that read them.
SOURCES = Registry(
    {
        "amazon2014": "shoptalk.data.sources.amazon2014",
        "amazon2018": "shoptalk.data.sources.amazon2018",
        "amazon2023": "shoptalk.data.sources.amazon2023",
        "database": "shoptalk.data.sources.database",
        "events": "shoptalk.data.sources.events",
        "kaggle-books": "shoptalk.data.sources.kaggle_books",
        "movielens": "shoptalk.data.sources.movielens",
        "recbole": "shoptalk.data.sources.recbole",
        "table": "shoptalk.data.sources.table",
    }
)
