"""System B's question: what a graph in the attention and crowd prompts are worth, by its metrics, on two splits.

Every row is one training of ``recipes/industrial-graph.toml`` (or the same on Toys, or ``gift-cards-graph.toml``) with
one form of the bias, with or without pretraining. The lists are for the training history of each test user; training
items are masked, and the whole catalogue is ranked. A finished row is a file with the metrics of every user, and is not
made again.

Metrics of arXiv 2402.09617: Recall@20 and Recall@40 with the denominator min(k, targets), and NDCG@100.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.catalogue import per_user
from shoptalk.evaluation.paired import compare
from shoptalk.experiment import evaluate
from shoptalk.files import write_text
from shoptalk.progress import silent
from shoptalk.recipe import Recipe
from shoptalk.stages.train import train
from shoptalk.tasks import load_recipe

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SPLITS = {"random": "random, as published", "by-time-per-user": "chronological"}
FORMS = {
    "off": "none",
    "ones": "ones",
    "published": "M of the training edges",
    "learned": "learned",
    "all-edges": "M of all edges, **a leak**",
}
METRICS = ("recall@20", "recall@40", "ndcg@100")
#: NDCG@100 of lists for the training and validation purchases, all of them masked.
LONGER = "ndcg@100 with validation purchases"
#: The kinds of crowd prompts that need no reviews, and all of them.
WITHOUT_REVIEWS = ("contents", "second_order", "interaction", "predictive")
KINDS = ("contents", "first_order", *WITHOUT_REVIEWS[1:])
#: The kinds are left out one at a time on this split, with this form.
LEAVES_OUT = ("by-time-per-user", "off")
NAMED = "test_in_attention"
Values = NDArray[np.float64]


#: Largest number of the crowd prompts that are not one for each user.
COUNTS = {"contents": 2000, "second_order": 2000}


@dataclass(frozen=True)
class Shop:
    """The data and the model of some rows: a recipe, what differs from it, and the crowd prompts.

    ``kinds`` are the kinds of crowd prompts that the data allows, ``counts`` the largest numbers of their prompts, and
    ``epochs`` those of pretraining.
    """

    title: str
    recipe: str = "industrial-graph.toml"
    settings: tuple[str, ...] = ()
    kinds: tuple[str, ...] = WITHOUT_REVIEWS
    counts: Mapping[str, int] = field(default_factory=lambda: COUNTS)
    epochs: int = 2
    splits: tuple[str, ...] = tuple(SPLITS)

    def recipe_of(self, row: "Row") -> Recipe:
        """The recipe of a row."""
        kinds = [kind for kind in self.kinds if kind != row.without]
        counts = ", ".join(f"{kind} = {count}" for kind, count in self.counts.items() if kind in kinds)
        of_row = [
            f"split.method={row.split}",
            f"model.graph_attention={row.form}",
            f"pretraining.epochs={self.epochs * row.pretrained}",
            f"pretraining.prompts={json.dumps(kinds)}",
            f"pretraining.counts={{{counts}}}",
        ]
        return load_recipe(RECIPES / self.recipe, [*self.settings, *of_row])


SHOPS = {
    "industrial": Shop("Industrial"),
    "toys": Shop(
        "Toys",
        settings=(
            "data.interactions=${SHOPTALK_DATA}/amazon-toys/interactions.parquet",
            "data.items=${SHOPTALK_DATA}/amazon-toys/items.parquet",
            "data.keep=[]",
        ),
    ),
    "gift-cards": Shop("Gift cards", "gift-cards-graph.toml", kinds=KINDS),
    "gift-cards-smollm2": Shop(
        "Gift cards, SmolLM2",
        "gift-cards-graph.toml",
        settings=(
            "model.base=smollm2-135m-instruct",
            "model.tuning=lora",
            "lora.r=16",
            "lora.alpha=32",
            "lora.dropout=0",
            "training.batch_tokens=512",
            "training.learning_rate=1e-3",
            "training.epochs=6",
        ),
        kinds=KINDS,
        counts=dict.fromkeys(KINDS, 100),
        epochs=1,
        splits=LEAVES_OUT[:1],
    ),
}


@dataclass(frozen=True)
class Row:
    """One training."""

    split: str
    form: str
    pretrained: bool
    without: str = ""

    @property
    def name(self) -> str:
        """The name of its file."""
        parts = [self.split, self.form, *(["pretrained"] if self.pretrained else [])]
        return "-".join([*parts, *([f"without-{self.without}"] if self.without else [])])


def rows(shop: str) -> Iterator[Row]:
    """All rows of a shop; first those without pretraining, which answer the main question."""
    splits = SHOPS[shop].splits
    for split in splits:
        for form in FORMS:
            yield Row(split, form, pretrained=False)
    for split in sorted(splits, key=LEAVES_OUT[0].__ne__):
        for form in FORMS:
            yield Row(split, form, pretrained=True)
        if split == LEAVES_OUT[0]:
            for kind in SHOPS[shop].kinds:
                yield Row(*LEAVES_OUT, pretrained=True, without=kind)


def make(shop: str, folder: Path, seconds: float, clock: Any) -> None:
    """Make the missing rows, one after the other, until ``seconds`` have gone by."""
    begin = clock()
    for row in rows(shop):
        if clock() - begin > seconds:
            return
        path = folder / f"{row.name}.json"
        if not path.exists():
            write_text(path, json.dumps(_measure(shop, row, folder)))


def _dataset(shop: str, row: Row, folder: Path) -> Dataset:
    path = folder / f"data-{row.split}"
    if not path.exists():
        prepare(SHOPS[shop].recipe_of(Row(row.split, row.form, pretrained=True)), path)  # with every column of any row
    return open_dataset(path)


def _measure(shop: str, row: Row, folder: Path) -> dict[str, Any]:
    """Train a row and rank for every test user; the run is removed, but for what the audit says about a leak."""
    dataset = _dataset(shop, row, folder)
    run = folder / f"run-{row.name}"
    resume = (run / "run.json").exists()
    trained = train(SHOPS[shop].recipe_of(row), dataset, run, silent, resume=resume)
    split = dataset.split()
    history = {history.user_id: history for history in split.train}
    targets = {case.history.user_id: case.targets for case in split.test}
    users = list(targets)
    whole = [case.history for case in split.test]
    lists = trained.recommender.rank([history[user] for user in users], 100)
    columns = published_metrics([ranked.items for ranked in lists], [targets[user] for user in users])
    lists = trained.recommender.rank(whole, 100)
    longer = published_metrics([ranked.items for ranked in lists], [targets[user] for user in users])
    columns[LONGER] = longer["ndcg@100"]
    says = ""
    if row.form == "all-edges":
        evaluate(run, silent, settings=['evaluation.baselines=["popularity"]', "evaluation.resamples=100"])
        audit = json.loads((run / "audit.json").read_text(encoding="utf-8"))
        says = next((row["says"] for row in audit["findings"] if row["check"] == NAMED), "")
    seconds = trained.run.info["training"]["seconds"]
    shutil.rmtree(run)
    return {"users": users, "values": {k: v.tolist() for k, v in columns.items()}, "audit": says, "seconds": seconds}


def published_metrics(ranked: Any, targets: Any) -> dict[str, Values]:
    """Recall@20 and Recall@40 with the denominator min(k, targets), and NDCG@100, of each user."""
    columns = per_user(ranked, targets, (20, 40, 100))
    count = np.array([len(set(truth)) for truth in targets], dtype=np.float64)
    recalls = {f"recall@{k}": columns[f"recall@{k}"] * count / np.minimum(count, k) for k in (20, 40)}
    return {**recalls, "ndcg@100": columns["ndcg@100"]}


def read(shop: str, folder: Path) -> dict[Row, dict[str, Any]]:
    """The finished rows."""
    paths = {row: folder / f"{row.name}.json" for row in rows(shop)}
    return {row: json.loads(path.read_text(encoding="utf-8")) for row, path in paths.items() if path.exists()}


def tables(shop: str, folder: Path) -> str:
    """The tables of the finished rows, with paired differences."""
    done, title = read(shop, folder), SHOPS[shop].title
    parts = [
        f"Written by `python benchmarks/reproduce.py b --graph {shop}`; {len(done)} of {len(list(rows(shop)))} rows."
    ]
    for split, what in SPLITS.items():
        shown = [row for row in done if row.split == split and not row.without]
        if shown:
            users = len(done[shown[0]]["users"])
            lines = [_line(row, done, Row(split, "off", row.pretrained)) for row in shown]
            header = "| B | pretrained | recall@20 | recall@40 | ndcg@100 | ndcg@100 against none | p |"
            parts += [f"#### {title}, {what} ({users:,} users)", "\n".join([header, "|---" * 7 + "|", *lines])]
        parts += [f"The audit of the leak says: {done[row]['audit']}." for row in shown if done[row]["audit"]][:1]
    if leaks := _leaks(done):
        parts += [f"#### {title}, M of all edges against M of the training edges", leaks]
    if gains := _gains(done):
        parts += [f"#### {title}, pretraining (ndcg@100)", gains]
    return "\n\n".join(parts)


def _line(row: Row, done: dict[Row, dict[str, Any]], reference: Row) -> str:
    values = [_interval(done[row]["values"][metric]) for metric in METRICS]
    against = _difference(done, row, reference) if row != reference and reference in done else " | "
    return f"| {FORMS[row.form]} | {'yes' if row.pretrained else 'no'} | {' | '.join(values)} | {against} |"


def _leaks(done: dict[Row, dict[str, Any]]) -> str:
    """The leaky graph against the honest one: with the prompts of training, and with validation purchases in them."""
    lines = []
    for split, what in SPLITS.items():
        leaky, honest = (Row(split, form, pretrained=False) for form in ("all-edges", "published"))
        if leaky in done and honest in done:
            for metric in ("ndcg@100", LONGER):
                lines.append(f"| {what}, {metric} | {_difference(done, leaky, honest, metric)} |")
    return "\n".join(["| what | difference | p |", "|---|---|---|", *lines]) if lines else ""


def _gains(done: dict[Row, dict[str, Any]]) -> str:
    """With pretraining against without, for each form, and with all kinds against all but one."""
    lines = []
    for row in done:
        if row.pretrained and not row.without and (reference := Row(row.split, row.form, pretrained=False)) in done:
            what = f"all kinds against no pretraining, {SPLITS[row.split]}, B: {FORMS[row.form]}"
            lines.append(f"| {what} | {_difference(done, row, reference)} |")
    whole = Row(*LEAVES_OUT, pretrained=True)
    for row in done:
        if row.without and whole in done:
            what = f"all kinds against all but `{row.without}`, {SPLITS[row.split]}, B: {FORMS[row.form]}"
            lines.append(f"| {what} | {_difference(done, whole, row)} |")
    return "\n".join(["| what | gain | p |", "|---|---|---|", *lines]) if lines else ""


def _difference(done: dict[Row, dict[str, Any]], row: Row, reference: Row, metric: str = "ndcg@100") -> str:
    """The paired difference of a metric with its interval, and p."""
    difference = compare(*(done[one]["values"][metric] for one in (row, reference)))
    return f"{difference.difference:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}] | {difference.p:.3f}"


def _interval(values: list[float]) -> str:
    mean = estimate(np.array(values))
    return f"{mean.value:.4f} [{mean.low:.4f}, {mean.high:.4f}]"


def summary(shop: str, folder: Path) -> str:
    """What survives of the published idea, in one paragraph of sentences about the finished rows of one shop."""
    done = read(shop, folder)
    sentences = [_sentence(done, split) for split in SPLITS]
    plain = Row(*LEAVES_OUT, pretrained=False)
    crowd = Row(*LEAVES_OUT, pretrained=True)
    if plain in done and crowd in done:
        gain = compare(*(done[row]["values"]["ndcg@100"] for row in (crowd, plain)))
        verdict = "changes nothing that can be told from chance" if gain.low <= 0 <= gain.high else (
            "helps" if gain.difference > 0 else "harms"
        )  # fmt: skip
        sentences.append(
            f"Pretraining on crowd prompts {verdict} ({gain.difference:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}], "
            f"{SPLITS[plain.split]} split)."
        )
    return " ".join(sentence for sentence in sentences if sentence) or "No row is finished."


def _sentence(done: dict[Row, dict[str, Any]], split: str) -> str:
    """The forms of one split against no bias, by NDCG@100."""
    plain = Row(split, "off", pretrained=False)
    if plain not in done:
        return ""
    says = []
    for form, what in FORMS.items():
        if form == "off" or (row := Row(split, form, pretrained=False)) not in done:
            continue
        gain = compare(*(done[one]["values"]["ndcg@100"] for one in (row, plain)))
        sure = "" if gain.low <= 0 <= gain.high else ", beyond chance"
        says.append(f"{what} {gain.difference:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]{sure}")
    mean = float(np.mean(done[plain]["values"]["ndcg@100"]))
    return (
        f"On the split {SPLITS[split]}, against NDCG@100 {mean:.4f} without a bias: {'; '.join(says)}." if says else ""
    )
