"""RecTools' models and shoptalk's baselines on the purchases of one dataset folder: quality, and the cost of each.

Under Python 3.11 and 3.12 RecTools 0.19 needs NumPy 1 and shoptalk NumPy 2, so RecTools gets an environment of its own,
and ranked tables connect the two:

    python3.11 -m venv /tmp/rectools
    /tmp/rectools/bin/pip install "rectools==0.19" "pyarrow<22"
    export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
    /tmp/rectools/bin/python benchmarks/peers/rectools_models.py rectools DATASET --out LISTS
    python benchmarks/peers/rectools_models.py shoptalk DATASET --out LISTS
    python benchmarks/peers/rectools_models.py judge DATASET --out LISTS --reference shoptalk-item_knn

Everything is fitted on all purchases but those of the test, and recommends 10 items that are not in the history to each
test user. ``rectools`` fits each model with its default settings, and once more with the best settings on validation
purchases (fitted on the training part; NDCG@10; one setting changed at a time). ``shoptalk`` does the same with its
baselines. Both write a table ``NAME.parquet`` per model with user_id, item_id, rank and score, and ``NAME.json`` with
the settings and the processor seconds. ``judge`` compares all tables with the test purchases.
"""

import argparse
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

K = 10
#: Validation users on which settings of RecTools' models are compared.
VALIDATION_USERS = 5_000
METRICS = (f"recall@{K}", f"ndcg@{K}")
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """A model of RecTools: how to make it from settings, and the values that are tried of each setting.

    ``start`` holds the settings of the library where ``grid`` changes them.
    """

    make: Callable[[Settings], Any]
    start: Settings
    grid: Mapping[str, Sequence[Any]]


def families() -> dict[str, Family]:
    """The models of RecTools that are compared, each with one thread."""
    from implicit import nearest_neighbours
    from implicit.als import AlternatingLeastSquares
    from rectools.models import EASEModel, ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel, PopularModel

    def make_knn(settings: Settings) -> Any:
        recommender = getattr(nearest_neighbours, settings["recommender"])
        return ImplicitItemKNNWrapperModel(recommender(K=settings["K"], num_threads=1))

    def make_als(settings: Settings) -> Any:
        return ImplicitALSWrapperModel(AlternatingLeastSquares(**settings, num_threads=1, random_state=1))

    def make_popular(settings: Settings) -> Any:
        days = settings["days"]
        return PopularModel() if days is None else PopularModel(period=pd.Timedelta(days=days).to_pytimedelta())

    return {
        "popular": Family(make_popular, {"days": None}, {"days": (None, 365, 90, 30)}),
        "item_knn": Family(
            make_knn,
            {"recommender": "CosineRecommender", "K": 20},
            {
                "recommender": ("CosineRecommender", "TFIDFRecommender", "BM25Recommender"),
                "K": (20, 50, 200, 1_000),
            },
        ),
        "als": Family(
            make_als,
            {"factors": 100, "regularization": 0.01, "alpha": 1.0},
            {"alpha": (1.0, 5.0, 20.0, 60.0), "regularization": (0.01, 0.1, 1.0), "factors": (64, 100, 256)},
        ),
        "ease": Family(
            lambda settings: EASEModel(**settings, recommend_n_threads=1),
            {"regularization": 500.0},
            {"regularization": (500.0, 100.0, 20.0)},
        ),
    }


def read_rows(folder: Path, users: int = 0) -> pd.DataFrame:
    """One row per purchase with its part of the split, by user id and time; with ``users``, only of the first users."""
    rows = pd.read_parquet(folder / "interactions.parquet", columns=["user_id", "item_id", "position", "timestamp"])
    rows = rows.merge(pd.read_parquet(folder / "splits.parquet"), on=["user_id", "position"])
    rows = rows.sort_values(["user_id", "position"], kind="stable", ignore_index=True)
    return rows[rows["user_id"].isin(rows["user_id"].unique()[:users])] if users else rows


def as_dataset(rows: pd.DataFrame) -> Any:
    """Rows as a dataset of RecTools.

    Purchases of one moment are a nanosecond apart, so that they stay in their order.
    """
    from rectools import Columns
    from rectools.dataset import Dataset

    nanoseconds = rows["timestamp"].astype("int64") * 1_000_000_000 + rows["position"]
    return Dataset.construct(
        pd.DataFrame(
            {
                Columns.User: rows["user_id"],
                Columns.Item: rows["item_id"],
                Columns.Weight: 1,
                Columns.Datetime: pd.to_datetime(nanoseconds, unit="ns"),
            }
        )
    )


def targets_of(rows: pd.DataFrame, part: str) -> pd.DataFrame:
    """The purchases of one part: user_id and item_id."""
    return rows.loc[rows["split"] == part, ["user_id", "item_id"]]


def mean_ndcg(table: pd.DataFrame, targets: pd.DataFrame) -> float:
    """Mean NDCG@10 of a ranked table for users with one target each; 0 for a user without a list."""
    hits = targets.merge(table, on=["user_id", "item_id"])
    return float((1 / np.log2(1 + hits["rank"])).sum() / len(targets))


def processor_seconds(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of some work, and its processor seconds."""
    begin = time.process_time()
    return work(), time.process_time() - begin


class RecToolsTrial:
    """Fits models of RecTools to one dataset and recommends to the users of some targets."""

    def __init__(self, rows: pd.DataFrame, targets: pd.DataFrame) -> None:
        self.dataset, self.targets = as_dataset(rows), targets

    def fit(self, family: Family, settings: Settings) -> tuple[pd.DataFrame, dict[str, float]]:
        """The ranked table of a model, and the seconds of fitting and of recommending."""
        model, fit = processor_seconds(lambda: family.make(settings).fit(self.dataset))
        users = self.targets["user_id"].unique()
        table, recommend = processor_seconds(lambda: model.recommend(users, self.dataset, k=K, filter_viewed=True))
        return table, {"fit": fit, "recommend": recommend}

    def tune(self, name: str, family: Family) -> Settings:
        """The settings with the highest NDCG@10, found by changing one at a time."""
        best, highest = dict(family.start), -1.0
        tried: dict[str, float] = {}
        for field, values in family.grid.items():
            for value in values:
                settings = {**best, field: value}
                key = json.dumps(settings, sort_keys=True)
                if key not in tried:
                    table, _ = self.fit(family, settings)
                    tried[key] = mean_ndcg(table, self.targets)
                    logging.info("%s %s: validation NDCG@10 %.4f", name, settings, tried[key])
                if tried[key] > highest:
                    best, highest = settings, tried[key]
        return best


def run_rectools(rows: pd.DataFrame, names: Sequence[str], out: Path, *, tune: bool) -> None:
    """Fit and write each model with its default settings and, with ``tune``, with its best settings."""
    users = np.random.default_rng(1).permutation(rows["user_id"].unique())[:VALIDATION_USERS]
    validation = targets_of(rows, "validation")
    choice = RecToolsTrial(rows[rows["split"] == "train"], validation[validation["user_id"].isin(users)])
    final = RecToolsTrial(rows[rows["split"] != "test"], targets_of(rows, "test"))
    for name, family in families().items():
        if names and name not in names:
            continue
        table, seconds = final.fit(family, family.start)
        write(out, f"rectools-{name}-default", table, {"settings": family.start, "seconds": seconds})
        if not tune:
            continue
        best, tuning = processor_seconds(lambda: choice.tune(name, family))  # noqa: B023  (called at once)
        if best != family.start:
            table, seconds = final.fit(family, best)
        write(out, f"rectools-{name}", table, {"settings": best, "seconds": {"tuning": tuning, **seconds}})


def run_shoptalk(folder: Path, names: Sequence[str], out: Path) -> None:
    """Fit and write the baselines of shoptalk, with the settings that they choose on validation cases."""
    from dataclasses import replace

    from shoptalk.baselines import make_ranker
    from shoptalk.data.dataset import open_dataset

    dataset = open_dataset(folder)
    split = replace(dataset.split("last"), refit=True)
    histories = [case.history for case in split.test]

    def rank_and_write(name: str, make: Callable[[], Any]) -> None:
        recommender, fit = processor_seconds(make)
        lists, recommend = processor_seconds(lambda: recommender.rank(histories, K))
        settings = str(getattr(recommender, "settings", ""))
        write(out, name, as_table(lists), {"settings": settings, "seconds": {"fit": fit, "recommend": recommend}})

    for name, make in default_fits(split, tuple(dataset.catalogue)):
        if not names or name in names:
            rank_and_write(f"shoptalk-{name}-default", make)
    for name in names or ("popularity", "recent_popularity", "item_knn", "als", "transitions"):
        rank_and_write(f"shoptalk-{name}", lambda: make_ranker(name, split, dataset.catalogue, 1))  # noqa: B023


def default_fits(split: Any, items: Sequence[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The baselines with the same method as one of RecTools, with their default settings."""
    from shoptalk.baselines import als, item_knn
    from shoptalk.graph.interactions import InteractionMatrix

    index = {item: number for number, item in enumerate(items)}
    histories = split.for_final_fit().train

    def fit_als() -> als.Als:
        purchases = InteractionMatrix.of(histories, index)
        return als.Als(als.factorise(purchases, als.Settings().fit, seed=1), purchases, items)

    yield "item_knn", lambda: item_knn.ItemKnn(InteractionMatrix.of(histories, index), items)
    yield "als", fit_als


def as_table(lists: Sequence[Any]) -> pd.DataFrame:
    """Ranked lists of shoptalk as a table of user_id, item_id, rank and score."""
    rows = [
        (ranked.user_id, item, rank, score)
        for ranked in lists
        for rank, (item, score) in enumerate(zip(ranked.items, ranked.scores, strict=True), 1)
    ]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "rank", "score"])


def write(out: Path, name: str, table: pd.DataFrame, record: Mapping[str, Any]) -> None:
    """Write a ranked table and what is known of its model."""
    out.mkdir(parents=True, exist_ok=True)
    table.to_parquet(out / f"{name}.parquet", index=False)
    (out / f"{name}.json").write_text(json.dumps(record, default=str) + "\n", encoding="utf-8")
    logging.info("%s: %s", name, json.dumps(record, default=str))


def judge(rows: pd.DataFrame, out: Path, reference: str) -> list[dict[str, Any]]:
    """Metrics of every table in a folder with intervals, and paired differences from the reference, best first."""
    import shoptalk
    from shoptalk.evaluation.bootstrap import estimate
    from shoptalk.evaluation.catalogue import per_user

    targets = targets_of(rows, "test")
    users = targets["user_id"].tolist()
    results, values = [], {}
    for path in sorted(out.glob("*.parquet")):
        table = pd.read_parquet(path)
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        scores = shoptalk.evaluate_rankings(table, targets, k=K)
        figures = {metric: scores.loc[metric, ["value", "low", "high"]].tolist() for metric in METRICS}
        results.append({"name": path.stem, **record, **figures})
        ranked = table.sort_values("rank").groupby("user_id")["item_id"].agg(list).to_dict()
        values[path.stem] = per_user([ranked.get(user, []) for user in users], [[item] for item in targets["item_id"]])
    for result in results:
        if reference in values and result["name"] != reference:
            for metric in METRICS:
                difference = estimate(values[result["name"]][metric] - values[reference][metric])
                result[f"{metric} difference"] = [difference.value, difference.low, difference.high]
    return sorted(results, key=lambda result: -result[METRICS[1]][0])


def show(results: Sequence[Mapping[str, Any]]) -> None:
    """Print one line for each table."""
    for result in results:
        figures = "  ".join(
            f"{metric} {value:.4f} [{low:.4f}, {high:.4f}]"
            for metric, (value, low, high) in ((name, result[name]) for name in result if "@" in name)
        )
        seconds = ", ".join(f"{stage} {value:.1f} s" for stage, value in result["seconds"].items())
        print(f"{result['name']:<27} {figures}  {seconds}  {result['settings']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["rectools", "shoptalk", "judge"])
    parser.add_argument("dataset", type=Path, help="a folder that `shoptalk prepare` wrote, split by leave-one-out")
    parser.add_argument("--out", type=Path, required=True, help="folder of the ranked tables")
    parser.add_argument("--models", nargs="*", default=[], help="only these, for instance item_knn als")
    parser.add_argument("--defaults", action="store_true", help="models of RecTools with their default settings alone")
    parser.add_argument("--reference", default="", help="of paired differences, for instance shoptalk-item_knn")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.command == "rectools":
        run_rectools(read_rows(options.dataset), options.models, options.out, tune=not options.defaults)
    elif options.command == "shoptalk":
        run_shoptalk(options.dataset, options.models, options.out)
    else:
        results = judge(read_rows(options.dataset), options.out, options.reference)
        if options.json:
            print(json.dumps(results))
        else:
            show(results)


if __name__ == "__main__":
    main()
