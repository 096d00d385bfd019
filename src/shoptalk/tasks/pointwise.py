"""The task `pointwise`: whether a user will like an item, yes or no (TALLRec, arXiv 2305.00447)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoptalk.errors import DatasetError, PromptError
from shoptalk.prompts.builder import HISTORY, PromptBuilder
from shoptalk.prompts.template import Template
from shoptalk.recipe import Recipe
from shoptalk.schema import EvalExample, Example, History, Message, Recommender
from shoptalk.tasks.options import OptionTask
from shoptalk.tasks.samples import scored_sample

if TYPE_CHECKING:
    from shoptalk.models.language_model import LanguageModel
    from shoptalk.results import SamplePrompt
    from shoptalk.tasks.evaluation import Evaluation, TaskResult

INSTRUCTION = Template(
    "pointwise",
    HISTORY + "Considering their purchase history, will they like this product? Answer Yes or No.",
)
#: Lowest rating of a purchase that counts as liked (TALLRec: above 3 of 5).
LIKED = 4.0


class PointwisePrompts(PromptBuilder):
    """Prompts with the history and one product; the answer is Yes or No."""

    def instruction(self, history: History) -> Message:  # noqa: ARG002
        """The question whether the user will like the product."""
        return Message("system", INSTRUCTION.render())

    def ask_item(self, history: History, item_id: str, *, latest: int | None = None) -> list[Message]:
        """The question whether the user will like an item."""
        return [*self.ask(history, latest=latest), Message("user", f"Product: {self.title(item_id)}")]

    def answer(self, case: EvalExample, *, latest: int | None = None) -> Message:  # noqa: ARG002
        """Yes if the first item of `labelled_items` is liked, else No."""
        return _label(labelled_items(case)[0][1])

    def examples(self, case: EvalExample, *, latest: int | None = None) -> list[Example]:
        """Two examples where options are given (the target is liked, the option after it is not), else one."""
        return [
            Example((*self.ask_item(case.history, item, latest=latest), _label(liked)))
            for item, liked in labelled_items(case)
        ]


class Pointwise(OptionTask):
    """Say whether an item is liked; options are scored by the log-odds of Yes."""

    name = "pointwise"
    summary = "say whether the user will like one product: yes or no"
    prompts = PointwisePrompts
    learns_choices = False

    def can_evaluate(self, recipe: Recipe) -> bool:  # noqa: ARG002
        """Always: without options, answers are evaluated by the ratings."""
        return True

    def cases(self, cases: Sequence[EvalExample], recipe: Recipe) -> Sequence[EvalExample]:
        """All cases with options, or those with a rating."""
        return cases if recipe.candidates is not None else [case for case in cases if case.rating is not None]

    def recommender(self, model: LanguageModel, prompts: PromptBuilder, recipe: Recipe, folder: Path) -> Recommender:  # noqa: ARG002
        """Scores an option by the log-odds of Yes."""
        from shoptalk.recommend.pointwise import PointwiseRecommender

        return PointwiseRecommender(model, prompts, recipe.evaluation.scoring)

    def evaluate(self, evaluation: Evaluation) -> TaskResult:
        """Evaluate choices among options if the recipe has options, else the answers by the ratings."""
        return super().evaluate(evaluation) if evaluation.recipe.candidates is not None else evaluate_labels(evaluation)

    def sample(self, recommender: Any, case: EvalExample) -> SamplePrompt:
        """The question about one item, with Yes and No."""
        item, liked = labelled_items(case)[0]
        (prompt, answers), _ = recommender.ask_item(case.history, item)
        return scored_sample(recommender.model, prompt, answers, 0 if liked else 1)

    def samples(self, cases: Sequence[EvalExample]) -> Iterable[EvalExample]:
        """Cases that have options or a rating."""
        return (case for case in cases if case.candidates is not None or case.rating is not None)


def evaluate_labels(evaluation: Evaluation) -> TaskResult:
    """Evaluate yes or no for each target with a rating.

    The baseline ``majority`` gives the more frequent answer in the data of the final fit.

    Raises
    ------
    DatasetError
        If no test case has a rating.
    """
    import numpy as np

    from shoptalk.evaluation.options import option_metrics
    from shoptalk.results import EvaluationResult
    from shoptalk.tasks.evaluation import TaskResult

    cases = [case for case in evaluation.cases if case.rating is not None]
    if not cases:
        raise DatasetError("the test cases have no ratings", hint="give the recipe a [candidates] section")
    users, answers = [case.history.user_id for case in cases], [int((case.rating or 0) < LIKED) for case in cases]
    odds = evaluation.recommender.odds(
        [case.history for case in cases],
        [case.targets[0] for case in cases],
        lambda done, of: evaluation.progress("options", done, of, "ratings"),
    )
    metrics = option_metrics([np.array([value, 0.0]) for value in odds], answers, users, **evaluation.bootstrap)
    ratings = [case.rating for case in evaluation.fitted.train_cases if case.rating is not None]
    liked = float(np.mean([rating >= LIKED for rating in ratings])) if ratings else 0.5
    majority_scores = [np.array([liked, 1 - liked])] * len(cases)
    majority = option_metrics(majority_scores, answers, users, **evaluation.bootstrap)
    return TaskResult(EvaluationResult(metrics, {"majority": majority}))


def labelled_items(case: EvalExample) -> Sequence[tuple[str, bool]]:
    """Items of a case with labels: target and next option if there are options, else the target by its rating.

    Raises
    ------
    PromptError
        If the case has neither options nor a rating.
    """
    if case.candidates is not None and case.answer is not None:
        negative = case.candidates.items[(case.answer + 1) % len(case.candidates.items)]
        return [(case.targets[0], True), (negative, False)]
    if case.rating is None:
        raise PromptError("the task `pointwise` needs ratings or a [candidates] section")
    return [(case.targets[0], case.rating >= LIKED)]


def _label(liked: bool) -> Message:
    return Message("assistant", "Yes" if liked else "No")


TASK = Pointwise()
