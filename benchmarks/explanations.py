"""Whether the reasons of recommendations are true, and the effects of purchases faithful, on test users of a run.

    python benchmarks/explanations.py RUN [--users 200] [-k 5] [--baselines transitions item_knn] [--json]

For the run's recommender and for simple methods, fitted as `shoptalk evaluate` fits them:

- **Reasons.** For the k best items of each user, the written reason: the share of recommendations that have one, and
  the share of the written sentences that `ReasonCheck` finds true. The sentences that it finds false are counted by
  what is wrong; `recommend` drops them.
- **Faithfulness.** For the best item of each user, what its score loses without the purchases of the largest effects
  (comprehensiveness) and with these alone (sufficiency), beside the latest and random purchases of the same number. The
  differences from random ones are paired, with 95 % bootstrap intervals over users, in the unit of the score. Users
  with a single purchase are left out.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from shoptalk.baselines import make_baseline
from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.paired import compare
from shoptalk.recommend.faithfulness import LEAST_PURCHASES, SIZES, measure_faithfulness
from shoptalk.results import Estimate, as_json
from shoptalk.runs import open_run
from shoptalk.schema import Candidates, EvalExample
from shoptalk.stages.load_dataset import run_split
from shoptalk.stages.trained_run import TrainedRun, open_trained_run


def shown_options(recommender: Any, case: EvalExample) -> Candidates | None:
    """The options of a case, for models whose prompts show them."""
    return case.candidates if getattr(getattr(recommender, "builder", None), "shows_options", False) else None


def best_items(recommender: Any, cases: Sequence[EvalExample], k: int) -> list[tuple[str, ...]]:
    """The k best items for each case: of the whole catalogue, or of the options that the model is shown."""
    items = list(recommender.items)
    lists: list[tuple[str, ...]] = []
    for case in cases:
        shown = shown_options(recommender, case)
        allowed = None if shown is None else np.isin(items, shown.items)
        ranked = recommender.rank([case.history], k, allowed=allowed, exclude_history=shown is None)
        lists.append(ranked[0].items)
    return lists


def judge_reasons(trained: TrainedRun, cases: Sequence[EvalExample], lists: Sequence[Sequence[str]]) -> dict[str, Any]:
    """How many recommendations have a reason, and how many reasons are true, with intervals over users."""
    writer, recommender = trained.reason_writer, trained.recommender
    users: list[str] = []
    written: list[bool] = []
    true: list[float] = []
    kinds: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    without: Counter[str] = Counter()
    for case, items in zip(cases, lists, strict=True):
        shown = shown_options(recommender, case)
        effects = recommender.explain(case.history, items, shown)
        drafts = writer.drafts(recommender, case.history, items, effects, shown)
        for item, draft, reasons in zip(items, drafts, effects, strict=True):
            problem = None if draft is None else writer.check.problem(draft, item, case.history, reasons)
            users.append(case.history.user_id)
            written.append(draft is not None and problem is None)
            true.append(np.nan if draft is None else float(problem is None))
            if draft is None:
                without["nothing to say" if reasons and reasons[0].effect > 0 else "no purchase raised the score"] += 1
            elif problem is not None:
                problems[problem] += 1
            else:
                kinds[kind_of(draft)] += 1
    return {
        "recommendations": len(users),
        "with_reason": estimate(written, users=users),
        "true": estimate(true, users=users),
        "kinds": dict(kinds.most_common()),
        "false": dict(problems),
        "without": dict(without),
    }


def kind_of(sentence: str) -> str:
    """What a reason is about."""
    marks = {"customers": " customers bought", "brand": "of the brand “", "category": "in the category “"}
    fact = sentence.split("”: ", maxsplit=1)[1]
    return next((kind for kind, mark in marks.items() if mark in f" {fact}"), "words")


def judge_effects(
    recommender: Any, cases: Sequence[EvalExample], lists: Sequence[Sequence[str]], draws: int
) -> dict[str, Any]:
    """Comprehensiveness and sufficiency, each beside the latest and random purchases."""
    used = [
        (case, items[0])
        for case, items in zip(cases, lists, strict=True)
        if items and len(case.history.items) >= LEAST_PURCHASES
    ]
    options = [shown_options(recommender, case) or Candidates((item,), ("",)) for case, item in used]
    if hasattr(recommender, "options"):  # texts of options are part of what is scored
        options = [shown_options(recommender, case) or recommender.options([item]) for case, item in used]
    found = measure_faithfulness(
        recommender, [case.history for case, _ in used], [item for _, item in used], options, draws
    )
    figures: dict[str, Any] = {}
    for size in SIZES:
        for name, values in (("comprehensiveness", found.comprehensiveness), ("sufficiency", found.sufficiency)):
            figures[f"{name}, {size}"] = {
                **{choice: estimate(values[size, choice]) for choice in ("effect", "latest", "random")},
                "effect - random": compare(values[size, "effect"], values[size, "random"]),
                "effect - latest": compare(values[size, "effect"], values[size, "latest"]),
            }
    return {"users": len(used), "unit": getattr(recommender, "score_unit", "score"), "effects": figures}


def methods(trained: TrainedRun, names: Sequence[str]) -> Iterator[tuple[str, TrainedRun]]:
    """The run's recommender, and the run with each simple method in its place."""
    yield "model", trained
    split = run_split(trained.run, trained.dataset)
    for name in names:
        baseline = make_baseline(name, split, trained.dataset.catalogue, trained.run.recipe.seed)
        yield name, replace(trained, recommender=baseline)


def show(name: str, figures: dict[str, Any]) -> None:
    """Print the figures of one method."""
    reasons = figures["reasons"]
    print(f"\n{name}: {reasons['recommendations']} recommendations, {figures['seconds']:.0f} s")
    print(f"  with a reason {text(reasons['with_reason'])}; true {text(reasons['true'])}; {reasons['kinds']}")
    print(f"  without a reason: {reasons['without'] or 'none'}")
    if reasons["false"]:
        print(f"  false, by what is wrong: {reasons['false']}")
    print(f"  effects of {figures['users']} users, {figures['unit']}")
    for measure, row in figures["effects"].items():
        d = row["effect - random"]
        values = ", ".join(f"{choice} {row[choice].value:.3f}" for choice in ("effect", "latest", "random"))
        print(f"  {measure}: {values}; effect - random {d.difference:+.3f} [{d.low:+.3f}, {d.high:+.3f}]")


def text(value: Estimate) -> str:
    """An estimate with its interval."""
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}] (n = {value.n})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--users", type=int, default=200, help="a random sample of the test users")
    parser.add_argument("-k", type=int, default=5, help="recommendations of each user")
    parser.add_argument("--draws", type=int, default=10, help="random sets of purchases of each size")
    parser.add_argument("--baselines", nargs="*", default=["transitions", "item_knn", "text_knn"])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    trained = open_trained_run(open_run(given.run))
    test = run_split(trained.run, trained.dataset).test
    chosen = np.random.default_rng(1).permutation(len(test))[: given.users]
    cases = [test[number] for number in chosen.tolist()]
    result: dict[str, Any] = {}
    with threadpool_limits(1):
        for name, method in methods(trained, given.baselines):
            begin = time.process_time()
            lists = best_items(method.recommender, cases, given.k)
            figures = {"reasons": judge_reasons(method, cases, lists)}
            figures |= judge_effects(method.recommender, cases, lists, given.draws)
            result[name] = {**figures, "seconds": time.process_time() - begin}
            if not given.json:
                show(name, result[name])
                sys.stdout.flush()
    if given.json:
        print(json.dumps(as_json(result)))


if __name__ == "__main__":
    main()
