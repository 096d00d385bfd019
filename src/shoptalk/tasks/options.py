"""Base class of tasks whose models score options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoptalk.recipe import Recipe
from shoptalk.schema import EvalExample
from shoptalk.tasks.task import Task

if TYPE_CHECKING:
    from shoptalk.results import SamplePrompt
    from shoptalk.tasks.evaluation import Evaluation, TaskResult


class OptionTask(Task):
    """A task whose model scores options."""

    def can_evaluate(self, recipe: Recipe) -> bool:
        """Whether the recipe has options, or the task writes texts and the recipe asks for them."""
        writes_texts = type(self).evaluate_texts is not OptionTask.evaluate_texts
        return recipe.candidates is not None or (writes_texts and recipe.evaluation.generate > 0)

    def evaluate(self, evaluation: Evaluation) -> TaskResult:
        """Evaluate choices among options, and generated texts if the recipe sets ``evaluation.generate``."""
        from shoptalk.results import EvaluationResult
        from shoptalk.tasks.evaluate_options import evaluate_options
        from shoptalk.tasks.evaluation import TaskResult, merge

        task_result = TaskResult(EvaluationResult({}, {}))
        if evaluation.recipe.candidates is not None:
            task_result = evaluate_options(evaluation)
        if evaluation.recipe.evaluation.generate:
            task_result = merge(task_result, self.evaluate_texts(evaluation))
        return task_result

    def evaluate_texts(self, evaluation: Evaluation) -> TaskResult:  # noqa: ARG002
        """Evaluate generated texts (``evaluation.generate``); by default there are none."""
        from shoptalk.results import EvaluationResult
        from shoptalk.tasks.evaluation import TaskResult

        return TaskResult(EvaluationResult({}, {}))

    def sample(self, recommender: Any, case: EvalExample) -> SamplePrompt:
        """The prompt with the options that are scored, or with the title that is learned."""
        from shoptalk.recommend.titles import ask_title
        from shoptalk.tasks.samples import scored_sample

        model, prompts = recommender.model, recommender.builder
        if case.candidates is not None and case.answer is not None:
            (prompt, answers), _ = recommender.ask(case.history, case.candidates)
            return scored_sample(model, prompt, answers, case.answer)
        prompt, _ = ask_title(model, prompts, case.history)
        return scored_sample(model, prompt, [model.tokenizer.encode(prompts.answer(case).text)], 0)
