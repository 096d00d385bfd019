"""Scores of options: the log-probability of each answer; all answers of a question are computed in one pass."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.errors import UsageError
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tree import Question
from shoptalk.progress import Notify, quiet
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.questions import option_question, prior_prompt
from shoptalk.ranking import Bools, OptionRecommender
from shoptalk.recommend.choose_answer import choose_answers
from shoptalk.recommend.log_probabilities import log_probabilities
from shoptalk.recommend.prior import Prior
from shoptalk.schema import Candidates, History, RankedList

#: Number of options in one pass, when a whole catalogue is scored.
CHUNK = 64
#: Most options that a prompt can show.
MOST_SHOWN = 26
#: Unit of a score, by the way it is made.
UNITS = {
    "sum": "log-probability",
    "mean": "mean log-probability of a token",
    "pmi": "pointwise mutual information",
}


class LanguageModelRecommender(OptionRecommender):
    """A language model that scores options by the log-probability of the answer that names them.

    Parameters
    ----------
    model, builder
        The model, and the prompt builder of its training.
    scoring
        ``sum`` of the log-probabilities of an answer's tokens, their ``mean``, or ``pmi``: their sum less that of the
        same answer to the question about a user without purchases, log P(answer | history) - log P(answer). This is
        the pointwise mutual information of history and answer, as in A. Holtzman et al., "Surface form competition",
        EMNLP 2021 (arXiv 2104.08315); it does not favour short or common titles.

    Attributes
    ----------
    cut
        Number of prompts of the last `score` without the oldest items of their history.
    """

    name = "model"

    def __init__(self, model: LanguageModel, builder: PromptBuilder, scoring: str) -> None:
        self.model, self.builder, self.scoring = model, builder, scoring
        self.catalogue, self.history_limit = builder.catalogue, builder.prompt.history
        self.options_per_question = None if builder.shows_options else CHUNK
        self.score_unit = UNITS[scoring]
        self.prior = Prior(model)
        self.cut = 0

    def title(self, item_id: str) -> str:
        """The title as prompts show it."""
        return self.builder.title(item_id)

    def score(
        self, histories: Sequence[History], candidates: Sequence[Candidates], notify: Notify = quiet
    ) -> list[NDArray[np.float64]]:
        """Scores of each history's options (see `Recommender`)."""
        encoded = [self.ask(history, options) for history, options in zip(histories, candidates, strict=True)]
        self.cut = sum(cut for _, cut in encoded)
        questions = [question for question, _ in encoded]
        scores = [self.reduce(tokens) for tokens in log_probabilities(self.model, questions, notify)]
        if self.scoring != "pmi":
            return scores
        prompts = self._prior_prompts(candidates, questions)
        priors = self.prior.sums([(prompt, answers) for prompt, (_, answers) in zip(prompts, questions, strict=True)])
        return [score - prior for score, prior in zip(scores, priors, strict=True)]

    def _prior_prompts(self, candidates: Sequence[Candidates], questions: Sequence[Question]) -> list[list[int]]:
        """The prompt about a user without purchases for each question; one for all where it does not show options."""
        longest = [max(map(len, answers)) for _, answers in questions]
        if self.builder.shows_options:
            return [
                prior_prompt(self.builder, self.model.tokenizer, options, length)
                for options, length in zip(candidates, longest, strict=True)
            ]
        return [prior_prompt(self.builder, self.model.tokenizer, None, max(longest, default=0))] * len(questions)

    def ask(self, history: History, candidates: Candidates) -> tuple[Question, bool]:
        """The token ids of the prompt and of each answer, and whether the history was shortened."""
        return option_question(self.builder, self.model.tokenizer, history, candidates)

    def rank(
        self,
        histories: Sequence[History],
        k: int,
        *,
        allowed: Bools | None = None,
        exclude_history: bool = True,
        targets: Sequence[str] | None = None,
        notify: Notify = quiet,
    ) -> list[RankedList]:
        """The k best items of each history (see `Recommender`), with each allowed item scored as an option.

        Raises
        ------
        UsageError
            When the prompts show the options, and there are more allowed items than a prompt can show.
        """
        count = len(self.items) if allowed is None else int(allowed.sum())
        if self.builder.shows_options and not 2 <= count <= MOST_SHOWN:
            raise UsageError(
                "this run learned to choose among a few options that it is shown",
                hint=f'name 2 to {MOST_SHOWN} products with --option, or train with prompt.task "generate_title"',
            )
        return super().rank(
            histories, k, allowed=allowed, exclude_history=exclude_history, targets=targets, notify=notify
        )

    def choose_answers(
        self, history: History, groups: Sequence[Sequence[str]], candidates: Candidates | None = None
    ) -> list[int]:
        """The index of the text in each group that the model would rather write (see `choose_answers`)."""
        return choose_answers(self.model, self.builder, history, groups, candidates, self.scoring)

    def reduce(self, scores: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """The score of each answer from the log-probabilities of its tokens."""
        reduce = np.mean if self.scoring == "mean" else np.sum
        return np.array([reduce(tokens) for tokens in scores], dtype=np.float64)
