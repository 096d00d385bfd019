"""Evaluate a run's recommender and baselines on the same test cases, by the metrics of the run's task."""

from dataclasses import fields, replace

import pyarrow as pa
import pyarrow.parquet as pq

from shoptalk.errors import DatasetError
from shoptalk.files import JsonObject, replacing
from shoptalk.progress import Progress
from shoptalk.results import METRICS, EvaluationResult, TrainingFacts, from_json, write_result
from shoptalk.stages.baselines import Baselines
from shoptalk.stages.errors import analyse_errors
from shoptalk.stages.load_dataset import run_split
from shoptalk.stages.trained_run import TrainedRun
from shoptalk.tasks import get_task
from shoptalk.tasks.evaluation import Columns, Evaluation
from shoptalk.tasks.samples import sample_prompts

#: In a run's folder: one row per test case.
PREDICTIONS = "predictions.parquet"


def evaluate(trained: TrainedRun, baselines: Baselines, progress: Progress) -> EvaluationResult:
    """Evaluate a run on its test cases; write ``metrics.json``, ``predictions.parquet`` and ``errors.parquet``.

    Parameters
    ----------
    trained
        What is evaluated; its recipe holds the settings of the evaluation.
    baselines
        The methods to compare with, fitted on what the model was fitted on.

    Raises
    ------
    DatasetError
        If the recipe asks for no metric, or there are no test cases.
    """
    run, dataset = trained.run, trained.dataset
    task, split = get_task(run.recipe.prompt.task), run_split(run, dataset)
    evaluation = Evaluation(
        recipe=run.recipe,
        catalogue=dataset.catalogue,
        split=split,
        recommender=trained.recommender,
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
        result = _with_error_analyses(result, trained, judged.columns)
    training = run.info.get("training", {})
    result = replace(
        result,
        baselines={name: metrics for name, metrics in result.baselines.items() if metrics},
        cases=len(split.test),
        samples=sample_prompts(task, trained.recommender, split.test),
        seconds={"train": training.get("seconds"), "baselines": baselines.seconds, **result.seconds},
        training=_training_facts(training),
        warnings=(*dataset.info.get("warnings", []), *baselines.warnings, *result.warnings),
        fingerprint=dataset.fingerprint,
    )
    write_result(run.folder / METRICS, result)
    return result


def _training_facts(training: JsonObject) -> TrainingFacts:
    """What ``run.json`` says about the training; what it does not say is null."""
    known = {field.name: training.get(field.name) for field in fields(TrainingFacts)}
    return from_json(TrainingFacts, known)


def _with_error_analyses(result: EvaluationResult, trained: TrainedRun, columns: Columns) -> EvaluationResult:
    """The result with the error analysis of what the run is judged by first, and of the options behind rankings."""
    run, dataset = trained.run, trained.dataset
    main, *options = analyse_errors(run, dataset, trained.recommender, run_split(run, dataset), columns)
    return replace(result, errors=main, option_errors=options[0] if options else None)
