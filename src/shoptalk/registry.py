"""The names of the baselines: what a recipe may name, what tables call it, and the module that learns it.

It imports nothing, so that recipes, reports and `shoptalk.baselines` read the same table. A new baseline is one file
with a ``learn(split, catalogue, seed)`` and one line here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BaselineEntry:
    """One baseline.

    ``label`` is its name in tables; ``module`` has its ``learn``, None where a run's own training loop learns it;
    ``ranks`` says that it scores the whole catalogue.
    """

    label: str
    module: str | None
    ranks: bool = False


#: By the name in a recipe, in the order in which tables list them.
BASELINES = {
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
