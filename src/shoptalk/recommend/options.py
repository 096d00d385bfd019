"""Scores of options: the log-probability of each answer; all answers of a question are computed in one pass."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from shoptalk.errors import UsageError
from shoptalk.length_batching import length_batches
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tree import Question, tree_length, tree_log_probabilities
from shoptalk.progress import Notify, quiet
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.questions import option_question
from shoptalk.ranking import Bools, OptionRecommender
from shoptalk.recommend.choose_answer import choose_answers
from shoptalk.schema import Candidates, History, RankedList

#: Most tokens of a batch; the mask of a row takes memory with the square of its length.
BATCH_TOKENS = 8192
#: Number of options in one pass, when a whole catalogue is scored.
CHUNK = 64
#: Most options that a prompt can show.
MOST_SHOWN = 26


class LanguageModelRecommender(OptionRecommender):
    """A language model that scores options by the log-probability of the answer that names them.

    Parameters
    ----------
    model, builder
        The model, and the prompt builder of its training.
    scoring
        ``sum`` of the log-probabilities of an answer's tokens, or their ``mean``.

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
        self.score_unit = "log-probability" if scoring == "sum" else "mean log-probability of a token"
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
        scores = log_probabilities(self.model, [question for question, _ in encoded], notify)
        return [self.reduce(tokens) for tokens in scores]

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


def log_probabilities(
    model: LanguageModel, questions: Sequence[Question], notify: Notify = quiet
) -> list[list[NDArray[np.float64]]]:
    """Natural log-probability of every token of every answer, given its prompt and the tokens before it.

    Parameters
    ----------
    questions
        B prompts with their answers.
    notify
        Called with the number of questions done and the number of all questions.

    Returns
    -------
    list of lists of arrays
        For each question, for each answer, an array as long as the answer.
    """
    results: list[list[NDArray[np.float64]]] = [[] for _ in questions]
    done = 0
    for batch in length_batches([tree_length(question) for question in questions], BATCH_TOKENS):
        numbers = batch.tolist()
        with torch.inference_mode():
            flat = tree_log_probabilities(model, [questions[number] for number in numbers]).double().cpu().numpy()
        ends = np.cumsum([len(answer) for number in numbers for answer in questions[number][1]])
        answer_scores = iter(np.split(flat, ends[:-1]))
        for number in numbers:
            results[number] = [next(answer_scores) for _ in questions[number][1]]
        done += len(numbers)
        notify(done, len(questions))
    return results
