"""Evaluation of generated texts: the exact title, the reason, and whether a text copies its prompt."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.parroting import parroting_metrics
from shoptalk.evaluation.titles import title_metrics
from shoptalk.prompts.rows import write_rows
from shoptalk.recommend.titles import generate_titles
from shoptalk.results import EvaluationResult
from shoptalk.schema import EvalExample, Example, Message
from shoptalk.tasks.evaluation import Evaluation, TaskResult

#: File in the folder of a run: prompts and generated texts.
GENERATED = "generated.json"


def evaluate_texts(
    evaluation: Evaluation,
    title_of: Callable[[str], str],
    reason_of: Callable[[EvalExample, str], str] | None = None,
    well_formed: Callable[[str], bool] = bool,
) -> TaskResult:
    """Generate texts for a random sample of the test users, write them to a file and compute the metrics.

    Parameters
    ----------
    title_of
        Returns the title that a text recommends.
    reason_of
        Returns the text with the true reason for an item; adds the metric ``reason_match``, the share of generated
        texts that equal it.
    well_formed
        Whether a text has the form that the task asks for; by default, whether there is any text.
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
    generated_titles = [title_of(text) for text in texts]
    users = [case.history.user_id for case in cases]
    title_figures = title_metrics(
        generated_titles,
        [[titles[item] for item in case.targets] for case in cases],
        list(titles.values()),
        users,
        [[titles[item] for item in case.history.items] for case in cases],
        **evaluation.bootstrap,
    )
    metrics = {f"title_{name}": value for name, value in title_figures.items()}
    metrics |= parroting_metrics(
        texts,
        ["\n".join(message.text for message in prompts.ask(case.history)) for case in cases],
        [prompts.answer(case).text for case in cases],
        users,
        well_formed,
        **evaluation.bootstrap,
    )
    if reason_of is not None:
        items = {title: item for item, title in titles.items()}
        matches = [
            title in items and reason_of(case, items[title]) == text
            for case, title, text in zip(cases, generated_titles, texts, strict=True)
        ]
        metrics["reason_match"] = estimate(np.array(matches), users=users, **evaluation.bootstrap)
    return TaskResult(EvaluationResult(metrics, {}, seconds={"titles": time.perf_counter() - begin}))


def _write(evaluation: Evaluation, cases: Sequence[EvalExample], texts: Sequence[str]) -> None:
    """Write prompts and texts as rows of instruction, input and output, which ``shoptalk audit --alpaca`` reads."""
    prompts, model = evaluation.recommender.builder, evaluation.recommender.model
    rows = (
        Example((*prompts.ask(case.history), Message("assistant", text)))
        for case, text in zip(cases, texts, strict=True)
    )
    write_rows(rows, evaluation.folder / GENERATED, "alpaca", prompts.prompt.style, model.tokenizer)
