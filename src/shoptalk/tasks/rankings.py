"""Base class of tasks whose models rank the whole catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoptalk.schema import EvalExample
from shoptalk.tasks.task import Task

if TYPE_CHECKING:
    from shoptalk.results import SamplePrompt
    from shoptalk.tasks.evaluation import Evaluation, TaskResult

#: New names of the metrics and columns of options that rankings have as well.
_METRICS = {"personalisation_gap": "options_personalisation_gap"}
_COLUMNS = {"scores": "option_scores", "swapped_scores": "swapped_option_scores"}


class RankingTask(Task):
    """A task whose model ranks the whole catalogue."""

    def evaluate(self, evaluation: Evaluation) -> TaskResult:
        """Evaluate rankings of the whole catalogue, and choices among options if the recipe has options."""
        from shoptalk.tasks.evaluate_options import evaluate_options
        from shoptalk.tasks.evaluate_rankings import evaluate_rankings
        from shoptalk.tasks.evaluation import merge, renamed

        task_result = evaluate_rankings(evaluation)
        if evaluation.recipe.candidates is None:
            return task_result
        return merge(task_result, renamed(evaluate_options(evaluation), _METRICS, _COLUMNS))

    def sample(self, recommender: Any, case: EvalExample) -> SamplePrompt:
        """The prompt with the history, and the tokens of the target."""
        from shoptalk.tasks.samples import token_sample

        prompt, _ = recommender.ask(case.history)
        return token_sample(recommender.model, recommender.builder, prompt, case)
