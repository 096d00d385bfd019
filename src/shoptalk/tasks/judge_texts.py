"""Judging what a model writes freely: the exact title, and the reason beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.titles import title_metrics
from shoptalk.prompts.rows import write_rows
from shoptalk.recommend.titles import generate_titles
from shoptalk.results import EvaluationResult
from shoptalk.schema import EvalExample, Example, Message
from shoptalk.tasks.evaluation import Evaluation, Judged

#: In a run's folder: what was asked and written.
GENERATED = "generated.json"


def judge_texts(
    evaluation: Evaluation, title_of: Callable[[str], str], reason_of: Callable[[EvalExample, str], str] | None = None
) -> Judged:
    """The titles that a model writes for the first test users in an order drawn by the seed; all are written down.

    Parameters
    ----------
    title_of
        The title that a text recommends.
    reason_of
        The text with the true reason for an item; also judges how often the model writes that one.
    """
    begin = time.perf_counter()
    model, prompts = evaluation.recommender.model, evaluation.recommender.builder
    order = np.random.default_rng(evaluation.recipe.seed).permutation(len(evaluation.cases))
    cases = [evaluation.cases[int(index)] for index in order[: evaluation.recipe.evaluation.generate]]
    texts = generate_titles(
        model, prompts, [case.history for case in cases], lambda done, of: evaluation.progress("titles", done, of, "")
    )
    _write(evaluation, cases, texts)
    titles = {item: prompts.title(item) for item in prompts.catalogue}
    written = [title_of(text) for text in texts]
    users = [case.history.user_id for case in cases]
    judged = title_metrics(
        written,
        [[titles[item] for item in case.targets] for case in cases],
        list(titles.values()),
        users,
        [[titles[item] for item in case.history.items] for case in cases],
        **evaluation.bootstrap,
    )
    metrics = {f"title_{name}": value for name, value in judged.items()}
    if reason_of is not None:
        items = {title: item for item, title in titles.items()}
        true = [
            title in items and reason_of(case, items[title]) == text
            for case, title, text in zip(cases, written, texts, strict=True)
        ]
        metrics["reason_match"] = estimate(np.array(true), users=users, **evaluation.bootstrap)
    return Judged(EvaluationResult(metrics, {}, seconds={"titles": time.perf_counter() - begin}))


def _write(evaluation: Evaluation, cases: Sequence[EvalExample], texts: Sequence[str]) -> None:
    """What was asked and answered, as rows of instruction, input and output that ``shoptalk audit --alpaca`` reads."""
    prompts, model = evaluation.recommender.builder, evaluation.recommender.model
    rows = (
        Example((*prompts.ask(case.history), Message("assistant", text)))
        for case, text in zip(cases, texts, strict=True)
    )
    write_rows(rows, evaluation.folder / GENERATED, "alpaca", prompts.prompt.style, model.tokenizer)
