"""The learned second stage beside the baseline `transitions`: quality, coverage and cost; and each part left out.

    python benchmarks/second_stage.py --data beauty [--ties set] [--seeds 1 2 3] [--test] [--json]
    python benchmarks/second_stage.py --data beauty --leave-out [--model FOLDER]

All settings are chosen on validation users. Without ``--test`` the test cases are not looked at: figures are NDCG@10 on
the held-out validation users. With it, all test users are ranked, the history excluded, and the difference from
`transitions` is given with its paired bootstrap interval. Times are processor seconds of one thread.

``--leave-out`` learns LambdaMART again without the features of each source, and of each other part, and without the
candidates that only this source proposes; NDCG@10 is that of one fold of the validation users. ``--model`` names a run
of the same data that was trained with ``training.refit = false``: its model is then a source. Without it there is no
language model.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from processor import processor
from shoptalk.baselines import make_baseline
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.catalogue import per_user
from shoptalk.models.encoders import load_encoder
from shoptalk.recipe import read_recipe
from shoptalk.results import as_json
from shoptalk.runs import open_run
from shoptalk.schema import Estimate, Recommender, Split
from shoptalk.second_stage.cross_fitting import LambdaMartKind, Pools, cross_fit
from shoptalk.second_stage.examples import LabelledCases
from shoptalk.second_stage.features import feature_names
from shoptalk.second_stage.fitting import LearningData, Settings, fit_second_stage, make_pools
from shoptalk.second_stage.ranker import Groups
from shoptalk.second_stage.sources import ModelSource
from shoptalk.second_stage.tables import ItemTexts
from shoptalk.stages.second_stage import describe
from shoptalk.stages.trained_run import open_trained_run

RECIPES = Path(__file__).parents[1] / "recipes"
METRICS = ("recall@10", "ndcg@10")
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """The result of some work, and its processor seconds."""
    begin = time.process_time()
    return work(), time.process_time() - begin


def open_data(name: str, overrides: list[str], folder: Path) -> Dataset:
    """Prepare the data of a recipe."""
    prepare(read_recipe(RECIPES / f"{name}-items.toml", overrides), folder / name)
    return open_dataset(folder / name)


def progress(stage: str, done: float, total: float, words: str) -> None:
    """Progress with the processor seconds so far, on standard error."""
    log(f"{time.process_time():.0f} s {stage} {done:g}/{total:g} {words}")


def log(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr, flush=True)


def judge(recommender: Recommender, split: Split) -> tuple[dict[str, Any], float]:
    """Metrics (N,) of all test users with the share of the catalogue that is shown, and the seconds of ranking."""
    histories = [case.history for case in split.test]
    lists, seconds = timed(lambda: recommender.rank(histories, 10))
    values: dict[str, Any] = dict(per_user([ranked.items for ranked in lists], [case.targets for case in split.test]))
    values["coverage"] = len({item for ranked in lists for item in ranked.items}) / len(recommender.items)
    return values, seconds


def figures(values: dict[str, Any], reference: dict[str, Any], tied: Any) -> dict[str, Any]:
    """Estimates, and differences from a reference: of all users, and of those whose target shares no timestamp."""
    found: dict[str, Any] = {"coverage": values["coverage"]}
    for name in METRICS:
        found[name] = as_list(estimate(values[name]))
        if values is not reference:
            found[f"{name} difference"] = as_list(estimate(values[name] - reference[name]))
            found[f"{name} difference, untied"] = as_list(estimate((values[name] - reference[name])[~tied]))
    return found


def as_list(figure: Estimate) -> list[float]:
    """Value, low, high."""
    return [round(number, 4) for number in (figure.value, figure.low, figure.high)]


def measure(data: Dataset, seed: int, settings: Settings, *, test: bool) -> dict[str, Any]:
    """One seed: fit, and with ``test`` rank."""
    split, catalogue = data.split("last"), data.catalogue
    split = Split(split.train, split.train_cases, split.validation, split.test, refit=True)
    (stage, choice), fit_seconds = timed(lambda: fit_second_stage(split, catalogue, seed, settings, progress))
    report: dict[str, Any] = {"seed": seed, **as_json(describe(choice)), "seconds": {"fit": fit_seconds}}
    log(json.dumps(report))
    if not test:
        return report
    tied = np.array([case.tied for case in split.test])
    values, report["seconds"]["rank"] = judge(stage, split)
    log(json.dumps(figures(values, values, tied)))
    transitions, report["seconds"]["fit transitions"] = timed(
        lambda: make_baseline("transitions", split, catalogue, seed)
    )
    reference, report["seconds"]["rank transitions"] = judge(transitions, split)
    report["test"] = {
        "transitions": figures(reference, reference, tied),
        "second_stage": figures(values, reference, tied),
    }
    report["users"] = len(split.test)
    return report


def leave_out(data: Dataset, seed: int, settings: Settings, run: Path | None) -> dict[str, Any]:
    """NDCG@10 on a held-out fold without each part, and the paired difference from all parts."""
    split, catalogue = data.split("last"), data.catalogue
    texts, models = ItemTexts.of(catalogue), []
    if run is not None:
        trained = open_trained_run(open_run(run), data)
        recommender: Any = trained.recommender
        features = load_encoder(trained.run.model).features(
            [recommender.builder.encoder_text(item) for item in catalogue]
        )
        texts, models = ItemTexts.of(catalogue, features), [ModelSource(recommender)]
    given = make_pools(split, catalogue, texts, seed, settings, progress, models)
    sources = given.sources.sources
    names = [name.split(": ")[0] for name in feature_names(sources)]
    everything = held_out_ndcg(given.pools, np.ones(len(names), np.bool_), None, seed, settings)
    report: dict[str, Any] = {"all parts": round(float(everything.mean()), 4), "users": len(everything), "without": {}}
    for part in dict.fromkeys(names):
        keeps = np.array([name != part for name in names])
        begin = time.process_time()
        values = held_out_ndcg(given.pools, keeps, proposed_by_others(part, given, settings), seed, settings)
        report["without"][part] = as_list(estimate(values - everything))
        log(f"without {part}: {report['without'][part]}, {time.process_time() - begin:.0f} s")
    return report


def proposed_by_others(part: str, given: LearningData, settings: Settings) -> Any:
    """(P,) whether a source other than the part proposes a candidate; None where the part proposes none."""
    names = feature_names(given.sources.sources)
    features = given.pools.cases.groups.features
    others = [source.name for source in given.sources.sources if source.proposes and source.name != part]
    if len(others) == sum(source.proposes for source in given.sources.sources):
        return None
    proposed = np.zeros(len(features), np.bool_)
    for name in others:
        rank, score = (features[:, names.index(f"{name}: {kind}")] for kind in ("rank", "score"))
        proposed |= (rank <= np.log(settings.depth) + 1e-6) & (score > 0)
    return proposed


def held_out_ndcg(pools: Pools, keeps: Any, stays: Any, seed: int, settings: Settings) -> Any:
    """NDCG@10 (N,) of the first fold's cases, by LambdaMART on some of the features (F,) and candidates (P,)."""
    cases = pools.cases
    groups = cases.groups
    rows = np.ones(len(groups.label), np.bool_) if stays is None else stays
    number = np.repeat(np.arange(len(groups.sizes)), groups.sizes)
    covered = np.bincount(number[rows & groups.label], minlength=len(groups.sizes)) > 0
    rows &= covered[number]
    fewer = LabelledCases(
        Groups(
            groups.features[rows][:, keeps],
            groups.label[rows],
            np.bincount(number[rows], minlength=len(groups.sizes))[covered],
        ),
        cases.relevant[covered],
        cases.index[covered],
        cases.cases,
    )
    pools = Pools(fewer, pools.fold, fewer.sampled(settings.negatives, seed))
    scores, _ = cross_fit(LambdaMartKind(seed, settings.trees), pools, [0])
    return fewer.ndcg(np.nan_to_num(scores, nan=-np.inf))[pools.fold == 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="beauty", choices=["beauty", "toys"])
    parser.add_argument("--ties", default="source", choices=["source", "random", "set"])
    parser.add_argument("--method", default="leave-one-out", choices=["leave-one-out", "by-time"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--ranker", default="auto", choices=["auto", "lambdamart", "linear"])
    parser.add_argument("--depth", type=int, default=Settings().depth)
    parser.add_argument("--test", action="store_true", help="look at the test cases")
    parser.add_argument("--leave-out", action="store_true", help="leave out each part in turn")
    parser.add_argument("--model", type=Path, help="run whose model is a source where parts are left out")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    settings = Settings(ranker=given.ranker, depth=given.depth)
    overrides = [f"split.ties={given.ties}", f"split.method={given.method}"]
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        data = open_data(given.data, overrides, Path(folder))
        for seed in given.seeds:
            if given.leave_out:
                figures_of_seed = leave_out(data, seed, settings, given.model)
            else:
                figures_of_seed = measure(data, seed, settings, test=given.test)
            report = {**vars(given), "processor": processor(), **figures_of_seed}
            print(json.dumps(report, indent=None if given.json else 1, default=str), flush=True)


if __name__ == "__main__":
    main()
