"""What the tasks share whose models rank the whole catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoptalk.schema import EvalExample
from shoptalk.tasks.task import Task

if TYPE_CHECKING:
    from shoptalk.results import SamplePrompt
    from shoptalk.tasks.evaluation import Evaluation, Judged

#: Names of figures and columns of the options where rankings come first.
_METRICS = {"personalisation_gap": "options_personalisation_gap"}
_COLUMNS = {"scores": "option_scores", "swapped_scores": "swapped_option_scores"}


class RankingTask(Task):
    """A task whose model ranks the whole catalogue."""

    def evaluate(self, evaluation: Evaluation) -> Judged:
        """Rankings of the whole catalogue, and choices among options where the recipe has them."""
        from shoptalk.tasks.evaluation import merge, renamed
        from shoptalk.tasks.judge_options import judge_options
        from shoptalk.tasks.judge_rankings import judge_rankings

        judged = judge_rankings(evaluation)
        if evaluation.recipe.candidates is None:
            return judged
        return merge(judged, renamed(judge_options(evaluation), _METRICS, _COLUMNS))

    def sample(self, recommender: Any, case: EvalExample) -> SamplePrompt:
        """The history as the model reads it, and the tokens of what came next."""
        from shoptalk.tasks.samples import token_sample

        prompt, _ = recommender.ask(case.history)
        return token_sample(recommender.model, recommender.builder, prompt, case)
