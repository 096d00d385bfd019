"""Evaluating: a run's recommender and baselines on the same frozen test cases, by the metrics of the run's task."""

from dataclasses import fields, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shoptalk.data.dataset import Dataset
from shoptalk.errors import DatasetError
from shoptalk.files import replacing
from shoptalk.progress import Progress
from shoptalk.results import METRICS, EvaluationResult, TrainingFacts, write_result
from shoptalk.runs import Run
from shoptalk.stages.baselines import Baselines
from shoptalk.stages.errors import analyse_errors
from shoptalk.stages.load_dataset import run_split
from shoptalk.tasks import get_task
from shoptalk.tasks.evaluation import Evaluation
from shoptalk.tasks.samples import sample_prompts

#: In a run's folder: one row a test case.
PREDICTIONS = "predictions.parquet"


def evaluate(
    run: Run, dataset: Dataset, recommender: Any, baselines: Baselines, progress: Progress
) -> EvaluationResult:
    """Judge a run on its test cases; write ``metrics.json``, ``predictions.parquet`` and ``errors.parquet``.

    Parameters
    ----------
    recommender
        What is judged: the run's model, or anything with its interface.
    baselines
        The methods to compare with, fitted on what the model was fitted on.

    Raises
    ------
    DatasetError
        Where there is nothing to judge by.
    """
    task, split = get_task(run.recipe.prompt.task), run_split(run, dataset)
    evaluation = Evaluation(
        recipe=run.recipe,
        catalogue=dataset.catalogue,
        split=split,
        recommender=recommender,
        baselines=baselines.fitted,
        folder=run.folder,
        progress=progress,
    )
    judged = task.evaluate(evaluation)
    result = judged.result
    if not result.metrics:
        raise DatasetError(
            "there is nothing to judge by", hint="give the recipe a [candidates] section, or set evaluation.generate"
        )
    if judged.columns:
        with replacing(run.folder / PREDICTIONS) as temporary:
            pq.write_table(pa.table(judged.columns), temporary)
        analyses = analyse_errors(run, dataset, recommender, split, judged.columns)
        result = replace(result, errors=analyses[0], option_errors=analyses[1] if len(analyses) > 1 else None)
    training = run.info.get("training", {})
    result = replace(
        result,
        baselines={name: figures for name, figures in result.baselines.items() if figures},
        cases=len(split.test),
        samples=sample_prompts(task, recommender, split.test),
        seconds={"train": training.get("seconds"), "baselines": baselines.seconds, **result.seconds},
        training=TrainingFacts(**{one.name: training.get(one.name) for one in fields(TrainingFacts)}),
        warnings=(*dataset.info.get("warnings", []), *baselines.warnings, *result.warnings),
        fingerprint=dataset.fingerprint,
    )
    write_result(run.folder / METRICS, result)
    return result
