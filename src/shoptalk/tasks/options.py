"""What the tasks share whose models score options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoptalk.recipe import Recipe
from shoptalk.schema import EvalExample
from shoptalk.tasks.task import Task

if TYPE_CHECKING:
    from shoptalk.results import SamplePrompt
    from shoptalk.tasks.evaluation import Evaluation, Judged


class OptionTask(Task):
    """A task whose model scores options."""

    def can_evaluate(self, recipe: Recipe) -> bool:
        """Whether there are options to choose from, or texts to write."""
        writes_texts = type(self).judge_texts is not OptionTask.judge_texts
        return recipe.candidates is not None or (writes_texts and recipe.evaluation.generate > 0)

    def evaluate(self, evaluation: Evaluation) -> Judged:
        """Choices among options, and texts where the task writes some and the recipe asks for them."""
        from shoptalk.results import EvaluationResult
        from shoptalk.tasks.evaluation import Judged, merge
        from shoptalk.tasks.judge_options import judge_options

        judged = Judged(EvaluationResult({}, {}))
        if evaluation.recipe.candidates is not None:
            judged = judge_options(evaluation)
        if evaluation.recipe.evaluation.generate:
            judged = merge(judged, self.judge_texts(evaluation))
        return judged

    def judge_texts(self, evaluation: Evaluation) -> Judged:  # noqa: ARG002
        """What the model writes freely (``evaluation.generate``); by default nothing."""
        from shoptalk.results import EvaluationResult
        from shoptalk.tasks.evaluation import Judged

        return Judged(EvaluationResult({}, {}))

    def sample(self, recommender: Any, case: EvalExample) -> SamplePrompt:
        """The options that are scored, or the text that is to be written."""
        from shoptalk.recommend.titles import ask_title
        from shoptalk.tasks.samples import scored_sample

        model, prompts = recommender.model, recommender.builder
        if case.candidates is not None and case.answer is not None:
            (prompt, answers), _ = recommender.ask(case.history, case.candidates)
            return scored_sample(model, prompt, answers, case.answer)
        prompt, _ = ask_title(model, prompts, case.history)
        return scored_sample(model, prompt, [model.tokenizer.encode(prompts.answer(case).text)], 0)
