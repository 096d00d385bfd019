"""What helps a language model that has read? Questions that the four systems left open, answered with SmolLM2.

    make pretrained
    python benchmarks/questions.py --out FOLDER --dry-run
    python benchmarks/questions.py --out FOLDER --only 2 4 --page docs/notes/questions.md

Each point (one variant of a recipe with one seed) is kept in FOLDER as JSON and not computed again; an interrupted
training is resumed. With ``--page`` the page is written from all points in FOLDER. Variants and questions are in
`questions_variants.py`. Users, their split and their options are drawn once, by the seed 1; the other seeds are of the
training. ``--dry-run`` prints the points that are missing, with their processor seconds as measured on one machine.

Question 1 has its own command, `learning_curves.py`, and question 9 is the group ``smollm2`` of ``reproduce.py a``.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from processor import processor
from questions_mixing import option_parts
from questions_page import write_page
from questions_variants import KEPT, QUESTIONS, RANDOM, SCORER, SMOLLM2, TITLES, TUNED, VARIANTS, Variant, base
from shoptalk.api.settings import make_recipe
from shoptalk.baselines import make_baseline
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.errors import ShoptalkError
from shoptalk.evaluation.options import correctness
from shoptalk.files import replacing
from shoptalk.progress import silent
from shoptalk.recipe import Recipe
from shoptalk.schema import EvalExample, Recommender
from shoptalk.stages.train import train

#: Variants whose models others start from or ask.
ASKED_AGAIN = {TITLES, *(variant.trained_as for variant in VARIANTS.values())}


@dataclass(frozen=True)
class Point:
    """A variant with one seed of its training."""

    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """Name of its file, without the folder and the suffix."""
        words = "".join(letter if letter.isalnum() else "-" for letter in self.variant.name)
        return f"{self.variant.shop}-{words}-{self.seed}"


@cache
def opened(out: Path, shop: str) -> Dataset:
    """The data set of a shop, prepared when it is first needed."""
    folder = out / f"data-{shop}"
    if not folder.exists():
        content = base(shop)
        content["prompt"] = {**content["prompt"], "fields": ("title", *KEPT.get(shop, ()))}
        prepare(make_recipe(content, {}), folder)
    return open_dataset(folder)


def random_model(folder: Path) -> Path:
    """A model with the architecture and the tokenizer of SmolLM2 and random weights, written once."""
    if not folder.exists():
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        from shoptalk.models.bases import base_tokenizer, local_folder

        torch.manual_seed(1)
        config = AutoConfig.from_pretrained(local_folder(SMOLLM2))
        with replacing(folder) as temporary:
            AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(temporary)
            base_tokenizer(SMOLLM2).save(temporary)
    return folder


def recipe_of(point: Point, out: Path) -> Recipe:
    """The recipe of a trained variant."""
    content = base(point.variant.shop)
    for section, settings in point.variant.settings.items():
        content[section] = {**content.get(section, {}), **settings}
        for key, value in content[section].items():
            if value == RANDOM:
                content[section][key] = str(random_model(out / "random-weights"))
            elif value == TUNED:
                content[section][key] = str(run_folder(Point(VARIANTS["beauty", TITLES], 1), out) / "model")
    return make_recipe({**content, "seed": point.seed}, {})


def run_folder(point: Point, out: Path) -> Path:
    """The folder of the run of a point."""
    return out / "runs" / point.name


def fitted(point: Point, dataset: Dataset, out: Path) -> tuple[Recommender, dict[str, Any]]:
    """The recommender of a point, and facts of its training."""
    if point.variant.method:
        return make_baseline(point.variant.method, dataset.split(), dataset.catalogue, point.seed), {}
    own = Point(VARIANTS[point.variant.shop, point.variant.trained_as or point.variant.name], point.seed)
    run = run_folder(own, out)
    trained = train(recipe_of(own, out), dataset, run, silent, resume=(run / "run.json").exists())
    facts = trained.run.info["training"]
    recommender = trained.recommender
    if point.variant.trained_as:
        recommender = type(recommender)(
            recommender.model, recommender.builder, recipe_of(point, out).evaluation.scoring
        )
    return recommender, {key: facts[key] for key in ("tokens", "steps", "best_epoch") if key in facts}


def scores_of(recommender: Recommender, cases: Sequence[EvalExample]) -> list[list[float]]:
    """The scores of the options of each case."""
    options = [case.candidates for case in cases if case.candidates]
    return [row.tolist() for row in recommender.score([case.history for case in cases], options)]


def measure(point: Point, out: Path) -> dict[str, Any]:
    """The values of each test user, and the cost."""
    dataset = opened(out, point.variant.shop)
    split = dataset.split()
    answers = {"answers": _answers(split.test), "validation_answers": _answers(split.validation)}
    if point.variant.method == SCORER:
        return {**answers, **option_parts(split, dataset.catalogue), "test_users": _users(split.test)}
    begin = time.process_time()
    recommender, facts = fitted(point, dataset, out)
    trained = time.process_time()
    scores = scores_of(recommender, split.test)
    answered = time.process_time()
    ranks_items = point.variant.method or point.variant.settings.get("prompt", {}).get("task") == "next_item"
    lists = recommender.rank([case.history for case in split.test], 10) if ranks_items else None
    return {
        **facts,
        **answers,
        "test_users": _users(split.test),
        "right": correctness([np.array(row) for row in scores], answers["answers"]).tolist(),
        "hits": lists
        and [float(case.targets[0] in ranked.items) for case, ranked in zip(split.test, lists, strict=True)],
        "scores": scores,
        "validation_scores": scores_of(recommender, split.validation) if point.variant.validated else None,
        "fit_seconds": _fit_seconds(point, out) if point.variant.trained_as else trained - begin,
        "seconds_per_question": (answered - trained) / len(split.test),
        "seconds": time.process_time() - begin,
    }


def _fit_seconds(point: Point, out: Path) -> float:
    """The cost of the model that a point asks again."""
    own = Point(VARIANTS[point.variant.shop, point.variant.trained_as], point.seed)
    return float(json.loads((out / f"{own.name}.json").read_text(encoding="utf-8"))["fit_seconds"])


def _users(cases: Sequence[EvalExample]) -> list[str]:
    return [case.history.user_id for case in cases]


def _answers(cases: Sequence[EvalExample]) -> list[int]:
    return [case.answer for case in cases if case.answer is not None]


def points(numbers: Sequence[int]) -> Iterator[Point]:
    """The points of some questions, each once; that whose model others start from comes first."""
    wanted = [
        VARIANTS[shop, name]
        for question in QUESTIONS
        if question.number in numbers
        for shop, names in question.names.items()
        for name in names
    ]
    shops = dict.fromkeys(variant.shop for variant in wanted)
    simple = [variant for variant in VARIANTS.values() if variant.method and variant.shop in shops]
    tuned = [VARIANTS["beauty", TITLES]] if any(TUNED in str(variant.settings) for variant in wanted) else []
    tuned += [VARIANTS[variant.shop, variant.trained_as] for variant in wanted if variant.trained_as]
    for key in dict.fromkeys((variant.shop, variant.name) for variant in (*simple, *tuned, *wanted)):
        yield from (Point(VARIANTS[key], seed) for seed in VARIANTS[key].seeds)


def compute(point: Point, out: Path) -> None:
    """Measure a point and write its file; of its run only a model that others start from or ask is kept."""
    content = measure(point, out)
    variant = point.variant
    with replacing(out / f"{point.name}.json") as temporary:
        temporary.write_text(
            json.dumps(
                {"shop": variant.shop, "variant": variant.name, "seed": point.seed, "processor": processor(), **content}
            ),
            encoding="utf-8",
        )
    if variant.name not in ASKED_AGAIN and not variant.trained_as:
        shutil.rmtree(run_folder(point, out), ignore_errors=True)
    right = f"{np.mean(content['right']):.3f}, {content['seconds']:.0f} s" if "right" in content else ""
    print(f"{point.name}: {right}", flush=True)


def main() -> None:
    """Compute the missing points, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = [question.number for question in QUESTIONS]
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", type=int, nargs="+", default=numbers, choices=numbers, metavar="QUESTION")
    parser.add_argument("--page", type=Path, help="write this page from the points in --out")
    parser.add_argument("--dry-run", action="store_true", help="print what would be computed, and its cost")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    missing = [point for point in points(given.only) if not (given.out / f"{point.name}.json").exists()]
    if given.dry_run:
        for point in missing:
            print(f"{point.variant.seconds:6.0f} s  {point.name}")
        total = sum(point.variant.seconds for point in missing)
        print(f"{total:6.0f} s  of a processor ({total / 60:.0f} minutes), {len(missing)} points")
        return
    failed = 0
    with threadpool_limits(1):
        for point in missing:
            try:
                compute(point, given.out)
            except ShoptalkError as error:
                failed += 1
                print(f"{point.name}: {error}", file=sys.stderr, flush=True)
    if given.page:
        write_page(given.out, given.page)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
