"""The page of `questions.py`, from the points in its folder."""

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processor import names_of_processors
from questions_mixing import mixed
from questions_variants import MIXED, QUESTIONS, SCORER, SHOPS, SIMPLE, Question
from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.options import correctness
from shoptalk.evaluation.paired import compare, holm
from shoptalk.files import replacing
from shoptalk.report.names import show_p

Floats = NDArray[np.float64]
#: The points of the seeds of a variant, by shop and name.
Points = dict[tuple[str, str], list[dict[str, Any]]]

NAMES = {"tfidf": "TF-IDF", "cooccurrence": "co-occurrence"}
METRICS = {"right": "accuracy", "hits": "Recall@10"}
#: Corrected p values up to here count as significant.
LEVEL = 0.05

HEAD = """# Questions to a language model that has read

<!-- written by benchmarks/questions.py -->

```bash
make pretrained
python benchmarks/questions.py --out FOLDER --page docs/notes/questions.md
```

SmolLM2-135M-Instruct in the questions that the four systems left open. The first question, when a language model pays,
has [a page of its own](learning-curves.md); the ninth is in the [reproduction of system A](../reproductions/a.md).

**Answers.** The differences that are significant (p <= .05 after Holm's correction), question by question:

{answers}

**Protocol.** {protocol}
"""

PROTOCOL = """
The sizes fit some hours of two processor cores, so they are small: the intervals are wide, and an effect below about
.06 cannot be seen. Users, their split and their options are drawn once, by the seed 1 (`data.users`); the seeds of a
variant are of its training, and the value of a user is the mean over them. The exam has four options: the target and
three uniform distractors; all titles are cleaned alike (`words`); chance is .25. Where nothing else is said, a variant
is `SmolLM2, LoRA`: lines of titles (`generate_title`, style `plain`, fields cut at 32 tokens), LoRA of rank 16,
two epochs at most, learning rate 3e-4, the last purchase of each training user, an option's score the pointwise
mutual information of the history and its title (`evaluation.scoring = "pmi"`; question 10 compares). Intervals are 95 %
bootstrap intervals over test users. Differences are paired by user; p values have Holm's correction for the pairs of a
table. Seconds are of one core of: {processors}."""


def read_points(folder: Path) -> Points:
    """All points of a folder."""
    found: Points = {}
    for file in sorted(folder.glob("*.json")):
        point = json.loads(file.read_text(encoding="utf-8"))
        found.setdefault((point["shop"], point["variant"]), []).append(point)
    return found


def values(points: Sequence[dict[str, Any]], key: str) -> Floats | None:
    """(N,) the mean over seeds of a metric of each test user; None where it was not measured."""
    rows = [point[key] for point in points if point.get(key) is not None]
    return np.mean(rows, axis=0) if rows else None


def cell(found: Floats | None) -> str:
    """A mean with its interval."""
    if found is None:
        return ""
    shown = estimate(found)
    return f"{shown.value:.3f} [{shown.low:.3f}, {shown.high:.3f}]"


def variant_table(points: Points, shop: str, names: Sequence[str]) -> list[str]:
    """A row for each variant that was measured, with its cost."""
    lists = any(values(points.get((shop, name), []), "hits") is not None for name in names)
    recall = " Recall@10, whole catalogue |" if lists else ""
    lines = [f"| variant | accuracy |{recall} seeds | training, s | a question, s |", "|---" * (5 + lists) + "|"]
    for name in names:
        measured = points.get((shop, name), [])
        if measured:
            ranked = f" {cell(values(measured, 'hits'))} |" if lists else ""
            training, asking = (
                float(np.mean([point[key] for point in measured])) for key in ("fit_seconds", "seconds_per_question")
            )
            lines.append(
                f"| {NAMES.get(name, name)} | {cell(values(measured, 'right'))} |{ranked} {len(measured)} "
                f"| {training:.0f} | {asking:.3f} |"
            )
    return lines


def pair_table(rows: Sequence[tuple[str, Floats, Floats]]) -> tuple[list[str], list[str]]:
    """A row for each pair: its name, and the values of both by user; and the pairs that differ significantly."""
    found = [compare(first, second) for _, first, second in rows]
    corrected = holm([difference.p for difference in found])
    lines = ["| difference | value | p (Holm) |", "|---|---|---|"]
    significant = []
    for (name, _, _), difference, p in zip(rows, found, corrected, strict=True):
        value = f"{difference.difference:+.3f}"
        lines.append(f"| {name} | {value} [{difference.low:+.3f}, {difference.high:+.3f}] | {show_p(p)} |")
        if p <= LEVEL:
            significant.append(f"{name} {value}")
    return lines, significant


def tested(points: Points, question: Question, shop: str, key: str) -> list[tuple[str, Floats, Floats]]:
    """The pairs of a question whose metric was measured for both."""
    rows = []
    for first, second in question.pairs.get(shop, ()):
        left, right = (values(points.get((shop, name), []), key) for name in (first, second))
        if left is not None and right is not None:
            rows.append((f"{NAMES.get(first, first)} less {NAMES.get(second, second)}", left, right))
    return rows


def mixing_rows(points: Points, shop: str) -> tuple[list[str], list[tuple[str, Floats, Floats]]]:
    """Question 8: the scorer alone and with each model, weights chosen on validation, and the pairs to test."""
    scorer = points.get((shop, SCORER))
    if not scorer:
        return [], []
    parts = scorer[0]
    answers, validation_answers = parts["answers"], parts["validation_answers"]
    known = {key: [np.array(part) for part in parts[key].values()] for key in ("parts", "validation_parts")}

    def right(test: list[Floats], validation: list[Floats]) -> tuple[Floats, Floats]:
        scores, weights = mixed(validation, validation_answers, test)
        return np.asarray(correctness(list(scores), answers)), weights

    alone, weights = right(known["parts"], known["validation_parts"])
    lines = ["| scores | accuracy | weights: transitions, texts, model |", "|---|---|---|"]
    lines.append(f"| {SCORER} | {cell(alone)} | {weights[0]:.2f}, {weights[1]:.2f} |")
    rows = []
    for name in MIXED:
        measured = [point for point in points.get((shop, name), []) if point.get("validation_scores")]
        if measured:
            each = [
                right(
                    [*known["parts"], np.array(point["scores"])],
                    [*known["validation_parts"], np.array(point["validation_scores"])],
                )
                for point in measured
            ]
            both, shown = np.mean([found for found, _ in each], axis=0), np.mean([found for _, found in each], axis=0)
            lines.append(f"| and {name} | {cell(both)} | {', '.join(f'{weight:.2f}' for weight in shown)} |")
            rows.append((f"with {name} less without", both, alone))
    return lines, rows


def sections(points: Points, question: Question) -> tuple[list[str], list[str], int]:
    """The tables of a question, the significant differences, and the number of those tested."""
    lines, significant, count = [f"\n## {question.number}. {question.title}\n", question.says], [], 0
    for shop, names in question.names.items():
        present = [name for name in names if (shop, name) in points]
        if not present:
            continue
        users = len(points[shop, present[0]][0]["test_users"])
        lines += [f"\n{SHOPS[shop].says}; {users} test users.\n", *variant_table(points, shop, present)]
        groups = [(METRICS[key], tested(points, question, shop, key)) for key in METRICS]
        if question.mixes:
            table, rows = mixing_rows(points, shop)
            lines += ["", *table]
            groups.append(("accuracy of the mixture", rows))
        for metric, rows in groups:
            if rows:
                table, found = pair_table(rows)
                lines += [f"\nDifferences in {metric}:\n", *table]
                significant += [f"{shop.replace('-', ' ')}, {metric}: {each}" for each in found]
                count += len(rows)
    return lines, significant, count


def simple_section(points: Points) -> list[str]:
    """The simple methods of each shop."""
    lines = ["\n## Simple methods on the same users\n"]
    lines += [
        "| data | " + " | ".join(NAMES.get(name, name) for name in SIMPLE) + " |",
        "|---" * (len(SIMPLE) + 1) + "|",
    ]
    for shop in SHOPS:
        if any((shop, name) in points for name in SIMPLE):
            cells = [cell(values(points.get((shop, name), []), "right")) for name in SIMPLE]
            lines.append(f"| {shop.replace('-', ' ')} | " + " | ".join(cells) + " |")
    return lines


def write_page(folder: Path, page: Path) -> None:
    """Write the page."""
    points = read_points(folder)
    answers, lines = [], simple_section(points)
    for question in QUESTIONS:
        tables, significant, count = sections(points, question)
        lines += tables if count else [*tables, "\nNot measured yet."]
        if count:
            told = "; ".join(significant) if significant else "none"
            answers.append(f"- {question.title} Differences tested: {count}; significant: {told}.")
    head = HEAD.format(
        answers="\n".join(answers or ["- Nothing has been measured yet."]),
        protocol=" ".join(PROTOCOL.split()).format(
            processors=names_of_processors(chain.from_iterable(points.values()))
        ),
    )
    with replacing(page) as temporary:
        temporary.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
