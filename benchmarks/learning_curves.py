"""When does a language model pay? Accuracy of each method as a function of the number of training users.

    make pretrained
    python benchmarks/learning_curves.py --out FOLDER --page docs/notes/learning-curves.md

Each point is kept in FOLDER and not computed again, so an interrupted command continues. With ``--page`` the page and
its figure are written from all points in FOLDER; with ``--curves src/shoptalk/evaluation/learning_curves.json`` the
means that `shoptalk choose` predicts models from.

Protocol: users are split at random into training, validation and test users (``by-user``); the first four purchases of
a test user are the history and the fifth is the target. The exam has four options, the target and three uniform
distractors, with one cleaning for all titles. The same test users, drawn once by the seed, answer at every point; the
training users of a point are the first n of one random order, so that smaller samples are part of larger ones. A
quarter as many validation users (8 to 400) stop the training of models. Whole catalogue: Recall@10, the history
excluded.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from learning_curves_file import write_curves
from learning_curves_page import write_page
from processor import processor
from shoptalk.api.settings import make_recipe
from shoptalk.baselines import make_baseline
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.errors import ShoptalkError
from shoptalk.evaluation.options import correctness
from shoptalk.files import replacing
from shoptalk.progress import silent
from shoptalk.recipe import Recipe
from shoptalk.schema import Recommender, Split
from shoptalk.stages.train import train
from sizes import gift_cards, table

DATA: dict[str, Callable[[Path], dict[str, Any]]] = {
    "beauty": table("-beauty"),
    "industrial": table("2018-industrial"),
    "gift-cards": gift_cards,
}
#: Gift cards have 458 reviewers, so that more of them are needed for the test.
FRACTIONS = {"gift-cards": (0.5, 0.1, 0.4)}
SIMPLE = ("popularity", "tfidf", "cooccurrence", "transitions")
SMOLLM2 = {"base": "smollm2-135m-instruct", "tuning": "lora"}
#: Settings of each trained method, over those that all share.
MODELS: dict[str, dict[str, Any]] = {
    "nano": {
        "prompt": {"task": "generate_title", "style": "plain"},
        "model": {"width": 128, "layers": 4, "vocabulary": 4096},
        "training": {"pretrain_epochs": 1, "epochs": 6, "learning_rate": 3e-3, "batch_tokens": 4096},
        "evaluation": {"scoring": "mean"},
    },
    "item tokens": {
        "prompt": {"task": "next_item", "style": "bare"},
        "model": {"width": 128, "layers": 2, "dropout": 0.4, "vocabulary": 300},
        "items": {"dimensions": 128, "transition_text": True, "second_stage": "off"},
        "training": {"epochs": 12, "learning_rate": 1e-3, "weight_decay": 1e-2, "batch_tokens": 1024, "patience": 3},
    },
    "SmolLM2": {
        "prompt": {"task": "generate_title", "style": "plain"},
        "model": SMOLLM2,
        "lora": {"r": 16, "alpha": 32, "dropout": 0.0},
        "training": {"epochs": 2, "targets": "last", "learning_rate": 3e-4, "batch_tokens": 1024},
        "evaluation": {"scoring": "pmi"},
    },
}
#: Methods that answer without any training users.
ZERO_SHOT = ("tfidf", "SmolLM2")


@dataclass(frozen=True, repr=False)
class Sample(Dataset):
    """A dataset with ``size`` of its training users and ``tested`` of its test users."""

    size: int = 0
    tested: int = 0
    seed: int = 1

    def split(self, targets: Literal["last", "every"] = "every") -> Split:
        """The split of the whole dataset, cut to the drawn users."""
        split = super().split(targets)
        random = np.random.default_rng(self.seed)
        order = random.permutation(sorted({history.user_id for history in split.train}))
        users = set(order[: self.size].tolist())
        cut = max(8, min(400, self.size // 4))
        validation = random.permutation(len(split.validation))[:cut]
        test = random.permutation(len(split.test))[: self.tested]
        return replace(
            split,
            train=[history for history in split.train if history.user_id in users],
            train_cases=[case for case in split.train_cases if case.history.user_id in users],
            validation=[split.validation[index] for index in sorted(validation.tolist())],
            test=[split.test[index] for index in sorted(test.tolist())],
        )


def recipe_of(data: str, section: dict[str, Any], method: str, seed: int) -> Recipe:
    """The recipe of a trained method; that of a simple method only prepares the data."""
    settings = MODELS.get(method, MODELS["nano"])
    content = {
        "name": f"learning-curve-{data}",
        "seed": seed,
        "data": {**section, "cleaning": "words"},
        "split": {"method": "by-user", "fractions": FRACTIONS.get(data, (0.75, 0.05, 0.2)), "history": 4},
        "candidates": {"options": 4, "negatives": "uniform"},
        **settings,
    }
    return make_recipe(content, {})


def recommender_of(method: str, recipe: Recipe, dataset: Sample, out: Path) -> Recommender:
    """The fitted method."""
    if method in SIMPLE:
        return make_baseline(method, dataset.split(), dataset.catalogue, recipe.seed)
    if dataset.size == 0:  # zero-shot; a few examples are needed to verify the saved model
        recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"epochs": 0})})
        dataset = replace(dataset, size=16)
    return train(recipe, dataset, out, silent).recommender


def measure(method: str, recipe: Recipe, dataset: Sample, out: Path) -> dict[str, Any]:
    """The values of each test user, and the cost."""
    begin = time.process_time()
    recommender = recommender_of(method, recipe, dataset, out)
    fitted = time.process_time()
    cases = dataset.split().test
    histories = [case.history for case in cases]
    scores = recommender.score(histories, [case.candidates for case in cases if case.candidates])
    right = correctness(scores, [case.answer for case in cases if case.answer is not None])
    answered = time.process_time()
    hits = None
    if method not in ("nano", "SmolLM2") and hasattr(recommender, "rank"):
        lists = recommender.rank(histories, 10)
        hits = [float(case.targets[0] in ranked.items) for case, ranked in zip(cases, lists, strict=True)]
    train_split = dataset.split().train
    return {
        "users": dataset.size,
        "purchases": sum(len(history.items) for history in train_split) if dataset.size else 0,
        "test_users": [case.history.user_id for case in cases],
        "right": right.tolist(),
        "hits": hits,
        "fit_seconds": fitted - begin,
        "seconds_per_question": (answered - fitted) / len(cases),
    }


def points(given: argparse.Namespace) -> Iterator[tuple[str, str, int, int]]:
    """Data, method, size and seed of each point, the cheap ones first; size -1 stands for all users."""
    order = {name: place for place, name in enumerate((*SIMPLE, *MODELS))}
    for method in sorted(given.methods, key=order.__getitem__):
        for data in given.data:
            for size in given.sizes:
                if size or method in ZERO_SHOT:
                    for seed in given.seeds:
                        yield data, method, size, seed


def main() -> None:
    """Compute the missing points, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--methods", nargs="+", default=[*SIMPLE, *MODELS], choices=[*SIMPLE, *MODELS])
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 16, 64, 256, 1024, 4096, -1], help="-1: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--test-users", type=int, default=500)
    parser.add_argument("--page", type=Path, help="write this page from the points in --out")
    parser.add_argument("--curves", type=Path, help="write the learning curves of shoptalk choose from them")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    datasets: dict[tuple[str, int], tuple[Dataset, dict[str, Any]]] = {}
    with threadpool_limits(1):
        for data, method, size, seed in points(given):
            file = given.out / f"{data}-{method.replace(' ', '_')}-{size}-{seed}.json"
            if file.exists():
                continue
            if (data, seed) not in datasets:
                section = DATA[data](given.out / f"raw-{data}")
                folder = given.out / f"data-{data}-{seed}"
                if not folder.exists():
                    prepare(recipe_of(data, section, "nano", seed), folder)
                datasets[data, seed] = open_dataset(folder), section
            dataset, section = datasets[data, seed]
            everybody = len(dataset.split().train)
            if size >= everybody:
                continue
            sample = Sample(
                dataset.folder, dataset.recipe, dataset.fingerprint, dataset.info, dataset.catalogue,
                everybody if size < 0 else size, given.test_users, seed,
            )  # fmt: skip
            run = given.out / "runs" / file.stem
            try:
                point = {
                    **measure(method, recipe_of(data, section, method, seed), sample, run),
                    "processor": processor(),
                }
            except ShoptalkError as error:
                point = {"users": sample.size, "error": str(error)}
            with replacing(file) as temporary:
                temporary.write_text(json.dumps({"data": data, "method": method, "seed": seed, **point}))
            mean = float(np.mean(point["right"])) if "right" in point else math.nan
            print(f"{data} {method} {sample.size}: {mean:.3f} {point.get('error', '')}", flush=True)
    if given.page:
        write_page(given.out, given.page)
    if given.curves:
        write_curves(given.out, given.curves)


if __name__ == "__main__":
    main()
