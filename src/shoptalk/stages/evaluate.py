"""Evaluating: a run's model and simple methods, on the same frozen test cases, with intervals."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shoptalk.data.dataset import Dataset
from shoptalk.errors import DatasetError
from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.options import correctness, option_metrics, position_report
from shoptalk.evaluation.paired import Difference, compare, holm
from shoptalk.evaluation.swap import personalisation_gap, swap_partners
from shoptalk.evaluation.titles import title_metrics
from shoptalk.files import replacing, write_json
from shoptalk.prompts.advice import recommended
from shoptalk.prompts.rows import write_rows
from shoptalk.prompts.tasks import LIKED
from shoptalk.recipe import with_settings
from shoptalk.recommend.options import LanguageModelRecommender
from shoptalk.recommend.titles import generate_titles
from shoptalk.runs import Run, open_run
from shoptalk.schema import Case, Estimate, Example, Message, Recommender, Split
from shoptalk.stages.errors import analyse_errors
from shoptalk.stages.opening import open_run_dataset
from shoptalk.stages.progress import Progress
from shoptalk.stages.rankings import judge_rankings
from shoptalk.stages.recommender import open_recommender
from shoptalk.stages.samples import sample_prompts
from shoptalk.stages.simple import learn_baselines, rankers, recommenders

#: Tasks whose models rank the whole catalogue.
RANKED = ("items", "list")
#: Tasks whose models answer in words of their own.
GENERATED = ("title", "advise")

Scores = list[NDArray[np.float64]]
Table = dict[str, dict[str, float | int]]


def evaluate(
    folder: Path, progress: Progress, *, settings: Sequence[str] = (), seed: int | None = None
) -> dict[str, Any]:
    """Judge a run on its test cases; write ``metrics.json``, ``predictions.parquet`` and ``errors.parquet``.

    Parameters
    ----------
    settings, seed
        Other settings of the recipe's section evaluation, and another seed, than the run has.

    Returns
    -------
    dict
        What ``shoptalk evaluate --json`` prints.

    Raises
    ------
    ShoptalkError
        For a run that is not trained, or whose dataset has gone or holds no test cases.
    """
    begin = time.perf_counter()
    run = open_run(folder)
    run = replace(run, recipe=with_settings(run.recipe, settings, seed, "evaluation"))
    shop = open_run_dataset(run)
    model: Any = open_recommender(run, shop)
    split = _split(shop)
    opened = time.perf_counter()
    report: dict[str, Any] = {"metrics": {}, "baselines": {}, "cases": len(split.test)}
    if run.recipe.candidates is not None or run.recipe.prompt.task in RANKED:
        report |= _ranked_and_chosen(run, shop, model, split, progress)
    elif run.recipe.prompt.task == "like":
        report |= _liked(run, model, split, progress)
    judged = time.perf_counter()
    if run.recipe.evaluation.generate and run.recipe.prompt.task in GENERATED:
        report["metrics"] |= _generated(run, model, split, progress)
    if not report["metrics"]:
        raise DatasetError(
            "there is nothing to judge by", hint="give the recipe a [candidates] section, or set evaluation.generate"
        )
    report["samples"] = sample_prompts(model, split.test)
    judging = "rankings" if run.recipe.prompt.task in RANKED else "options"
    seconds = {"open": opened - begin, judging: judged - opened, "titles": time.perf_counter() - judged}
    report |= _cost(run, seconds) | {
        "warnings": [*shop.info.get("warnings", []), *report.get("warnings", [])],
        "fingerprint": shop.fingerprint,
    }
    write_json(folder / "metrics.json", report)
    return report


def _cost(run: Run, seconds: dict[str, float]) -> dict[str, Any]:
    """What training took and made, beside the seconds of judging."""
    training = run.info.get("training", {})
    return {
        "seconds": {"train": training.get("seconds"), **seconds},
        "training": {key: training.get(key) for key in ("parameters", "trainable_share", "precision", "tokens", "cut")},
    }


def _split(shop: Dataset) -> Split:
    """The dataset's split; there must be something to judge by."""
    split = shop.split("last")
    if not len(split.test):
        raise DatasetError(
            "the dataset has no test cases", where=str(shop.folder), hint="give the test a share in [split]"
        )
    return split


def _ranked_and_chosen(run: Run, shop: Dataset, model: Any, split: Split, progress: Progress) -> dict[str, Any]:
    """Rankings of the whole catalogue, choices among options, or both by the same model; writes the predictions."""
    simple, warnings = learn_baselines(run, shop, split, progress)
    report: dict[str, Any] = {"metrics": {}, "baselines": {name: {} for name in simple}}
    columns: dict[str, Any] = {}
    if run.recipe.prompt.task in RANKED:
        able = rankers(simple)
        ranked, columns = judge_rankings(run, shop, model, split, progress, able)
        report = _merged(report, ranked)
        if run.recipe.candidates is None and (others := [name for name in simple if name not in able]):
            warnings.append(f"not compared, because they only score options: {', '.join(others)}")
    if run.recipe.candidates is not None and hasattr(model, "score"):
        chosen, more = _options(run, model, split, progress, recommenders(simple))
        if columns:  # the ranking's names come first: the gap of its recall, the scores of its lists
            chosen["metrics"]["options_personalisation_gap"] = chosen["metrics"].pop("personalisation_gap")
            more |= {"option_scores": more.pop("scores"), "swapped_option_scores": more.pop("swapped_scores")}
        report, columns = _merged(report, chosen), more | columns
    _write_predictions(run.folder / "predictions.parquet", columns)
    if columns:
        report |= analyse_errors(run, shop, model, split, columns)
    report["baselines"] = {name: table for name, table in report["baselines"].items() if table}
    return report | {"warnings": [*warnings, *report.get("warnings", [])]}


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two reports as one: the figures of each method side by side."""
    tables = {
        key: {name: {**one.get(key, {}).get(name, {}), **other.get(key, {}).get(name, {})}
              for name in {**one.get(key, {}), **other.get(key, {})}}
        for key in ("baselines", "versus")
    }  # fmt: skip
    return {**one, **other, "metrics": one["metrics"] | other["metrics"], **tables}


def _options(
    run: Run, model: Recommender, split: Split, progress: Progress, simple: Mapping[str, Recommender]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The exam: the model with the users' own and with other users' histories, then the simple methods.

    Returns the report, and one value a case for the predictions.
    """
    cases, settings = split.test, {"resamples": run.recipe.evaluation.resamples, "seed": run.recipe.seed}
    users, answers = [case.history.user_id for case in cases], [_answer(case) for case in cases]
    own = _score(model, cases, progress, "own histories")
    cut = getattr(model, "cut", 0)  # only what tells histories in words can run out of room for them
    partners = swap_partners(
        users, [case.history.items for case in cases], [_candidates(case).items for case in cases], seed=run.recipe.seed
    )
    swapped = _score(model, cases, progress, "swapped histories", partners)
    right, wrong = correctness(own, answers), correctness(swapped, answers)
    judged = option_metrics(own, answers, users, **settings)
    metrics: dict[str, Estimate] = {
        "accuracy": judged.pop("accuracy"),
        "personalisation_gap": personalisation_gap(right, wrong, users, **settings),
        "swapped_accuracy": estimate(wrong, users=users, **settings),
        **judged,
    }
    tied = np.array([case.tied for case in cases])
    for name, chosen in (("accuracy_tied", tied), ("accuracy_untied", ~tied)):
        if chosen.any():
            metrics[name] = estimate(np.where(chosen, right, np.nan), users=users, **settings)
    baselines: dict[str, Table] = {}
    versus: dict[str, Difference] = {}
    for number, (name, baseline) in enumerate(simple.items()):
        progress("baselines", number, len(simple), name)
        scores = _score(baseline, cases)
        baselines[name] = _table(option_metrics(scores, answers, users, **settings))
        versus[name] = compare(right, correctness(scores, answers), users=users, **settings)
    progress("baselines", 1, 1, "done")
    corrected = zip(versus.items(), holm([one.p for one in versus.values()]), strict=True)
    return {
        "metrics": _table(metrics),
        "baselines": baselines,
        "versus": {name: {"accuracy": replace(one, p_holm=p).as_dict()} for (name, one), p in corrected},
        "positions": position_report(own, answers),
        "cut": cut / len(cases),
    }, _columns(cases, own, swapped)


def _liked(run: Run, model: LanguageModelRecommender, split: Split, progress: Progress) -> dict[str, Any]:
    """Yes or no, where there are ratings and no options; the floor is the more usual answer of the final fit's data."""
    cases = [case for case in split.test if case.rating is not None]
    if not cases:
        raise DatasetError("the test cases have no ratings", hint="give the recipe a [candidates] section")
    users, answers = [case.history.user_id for case in cases], [int((case.rating or 0) < LIKED) for case in cases]
    odds = model.odds(
        [c.history for c in cases], [c.truth[0] for c in cases], lambda n, of: progress("likes", n, of, "")
    )
    settings = {"resamples": run.recipe.evaluation.resamples, "seed": run.recipe.seed}
    metrics = option_metrics([np.array([value, 0.0]) for value in odds], answers, users, **settings)
    fitted = replace(split, refit=run.recipe.training.refit).for_final_fit()
    rated = [case.rating for case in fitted.train_cases if case.rating is not None]
    likes = float(np.mean([rating >= LIKED for rating in rated])) if rated else 0.5
    usual = [np.array([likes, 1 - likes])] * len(cases)
    return {
        "metrics": _table(metrics),
        "baselines": {"majority": _table(option_metrics(usual, answers, users, **settings))},
    }


def _generated(run: Run, model: LanguageModelRecommender, split: Split, progress: Progress) -> Table:
    """The exact title, freely decoded, for the first test users in an order drawn by the seed; all are written down.

    Of advice the title is judged, and whether its reason is the one that the words of the two products give.
    """
    order = np.random.default_rng(run.recipe.seed).permutation(len(split.test))
    cases = [split.test[int(place)] for place in order[: run.recipe.evaluation.generate]]
    texts = generate_titles(
        model.model, model.teller, [case.history for case in cases], lambda n, of: progress("titles", n, of, "")
    )
    _write_generated(run, model, cases, texts)
    titles = {item: model.teller.title(item) for item in model.teller.catalogue}
    said = [recommended(text) for text in texts] if run.recipe.prompt.task == "advise" else texts
    users = [case.history.user_id for case in cases]
    settings = {"resamples": run.recipe.evaluation.resamples, "seed": run.recipe.seed}
    judged = title_metrics(
        said,
        [[titles[item] for item in case.truth] for case in cases],
        list(titles.values()),
        users,
        [[titles[item] for item in case.history.items] for case in cases],
        **settings,
    )
    found = {f"title_{name}": value for name, value in judged.items()}
    if run.recipe.prompt.task == "advise":
        named = {title: item for item, title in titles.items()}
        true = [
            title in named and model.teller.advice(case.history, named[title]) == text
            for case, title, text in zip(cases, said, texts, strict=True)
        ]
        found["reason_match"] = estimate(np.array(true), users=users, **settings)
    return _table(found)


def _write_generated(run: Run, model: LanguageModelRecommender, cases: Sequence[Case], texts: Sequence[str]) -> None:
    """What was asked and answered, as rows of instruction, input and output that ``shoptalk audit --alpaca`` reads."""
    rows = (
        Example((*model.teller.ask(case.history), Message("assistant", text)))
        for case, text in zip(cases, texts, strict=True)
    )
    write_rows(rows, run.folder / "generated.json", "alpaca", run.recipe.prompt.style, model.model.tokenizer)


def _score(
    recommender: Recommender,
    cases: Sequence[Case],
    progress: Progress | None = None,
    words: str = "",
    partners: NDArray[np.int64] | None = None,
) -> Scores:
    """Scores of all cases; with ``partners`` each case gets another's history."""
    histories = [case.history for case in cases]
    if partners is not None:
        histories = [histories[int(partner)] for partner in partners]
    candidates = [_candidates(case) for case in cases]
    if progress is not None and isinstance(recommender, LanguageModelRecommender):
        return recommender.score(histories, candidates, lambda done, of: progress("options", done, of, words))
    return recommender.score(histories, candidates)


def _columns(cases: Sequence[Case], own: Scores, swapped: Scores) -> dict[str, Any]:
    """One value a case: what it was and what the model thought of it."""
    return {
        "user_id": [case.history.user_id for case in cases],
        "history": [list(case.history.items) for case in cases],
        "options": [list(_candidates(case).items) for case in cases],
        "answer": pa.array([_answer(case) for case in cases], pa.int8()),
        "scores": [row.tolist() for row in own],
        "swapped_scores": [row.tolist() for row in swapped],
        "tied": [case.tied for case in cases],
    }


def _write_predictions(path: Path, columns: dict[str, Any]) -> None:
    """One row a case."""
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def _answer(case: Case) -> int:
    assert case.answer is not None  # the dataset has candidates for every case
    return case.answer


def _candidates(case: Case) -> Any:
    assert case.candidates is not None
    return case.candidates


def _table(metrics: dict[str, Estimate]) -> Table:
    return {name: value.as_dict() for name, value in metrics.items()}
