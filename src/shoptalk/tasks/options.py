"""What the tasks share whose models score options: judging by them, and judging what they write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from shoptalk.schema import Case
from shoptalk.tasks.samples import Sample, scored_sample
from shoptalk.tasks.task import Task

if TYPE_CHECKING:
    pass


class OptionTask(Task):
    """A task whose model scores options.

    Attributes
    ----------
    generates
        Whether the answer can be written freely as well, and be judged as text.
    """

    generates: ClassVar[bool] = False

    def sample(self, recommender: Any, case: Case) -> Sample:
        """The options that are scored, or the title that is to be written."""
        model, prompts = recommender.model, recommender.teller
        if case.candidates is not None and case.answer is not None:
            (prompt, answers), _ = recommender.ask(case.history, case.candidates)
            return scored_sample(model, prompt, answers, case.answer)
        from shoptalk.recommend.titles import ask_title

        prompt, _ = ask_title(model, prompts, case.history)
        return scored_sample(model, prompt, [model.tokenizer.encode(prompts.answer(case).text)], 0)
