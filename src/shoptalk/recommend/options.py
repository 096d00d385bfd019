"""Scores of options: the log-probability of each answer, all answers of a question in one pass."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from shoptalk.models.base import LanguageModel
from shoptalk.models.tree import Question, tree_length, tree_log_probabilities
from shoptalk.prompts.questions import liked_question, option_question
from shoptalk.prompts.tasks import Teller
from shoptalk.schema import Candidates, History

Notify = Callable[[int, int], None]


def quiet(done: int, of: int) -> None:
    """Report to nobody."""


#: Tokens of a batch; a row's mask costs the square of its length.
BATCH_TOKENS = 8192


class LanguageModelRecommender:
    """A language model as a `Recommender`.

    Parameters
    ----------
    model, teller
        The model, and the words that it was trained on.
    scoring
        ``sum`` of the log-probabilities of an answer's tokens, or their ``mean``.
    """

    name = "model"

    def __init__(self, model: LanguageModel, teller: Teller, scoring: str) -> None:
        self.model, self.teller, self.scoring = model, teller, scoring
        self.cut = 0

    def score(
        self,
        histories: Sequence[History],
        candidates: Sequence[Candidates],
        notify: Notify = quiet,
    ) -> list[NDArray[np.float64]]:
        """Scores of each history's options (see `Recommender`); ``cut`` counts prompts that lost their oldest items."""
        self.cut = 0
        if self.teller.prompt.task == "like":
            pairs = [
                (history, item)
                for history, options in zip(histories, candidates, strict=True)
                for item in options.items
            ]
            odds = self.odds([history for history, _ in pairs], [item for _, item in pairs], notify)
            return np.split(odds, np.cumsum([len(options.items) for options in candidates])[:-1])
        asked = [self.ask(history, options) for history, options in zip(histories, candidates, strict=True)]
        self.cut = sum(cut for _, cut in asked)
        scores = log_probabilities(self.model, [question for question, _ in asked], notify)
        return [self._reduce(tokens) for tokens in scores]

    def ask(self, history: History, candidates: Candidates) -> tuple[Question, bool]:
        """What is scored: the ids of the prompt and of each answer, and whether the history had to be cut."""
        return option_question(self.teller, self.model.tokenizer, history, candidates)

    def ask_liked(self, history: History, item_id: str) -> tuple[Question, bool]:
        """The same for whether an item will be liked (task ``like``); the answers are Yes and No."""
        return liked_question(self.teller, self.model.tokenizer, history, item_id)

    def odds(self, histories: Sequence[History], items: Sequence[str], notify: Notify = quiet) -> NDArray[np.float64]:
        """Log-odds that each user likes an item (task ``like``): log P(Yes) - log P(No), (B,)."""
        asked = [self.ask_liked(history, item) for history, item in zip(histories, items, strict=True)]
        self.cut = sum(cut for _, cut in asked)
        scores = log_probabilities(self.model, [question for question, _ in asked], notify)
        return np.array([yes - no for yes, no in map(self._reduce, scores)], dtype=np.float64)

    def _reduce(self, scores: list[NDArray[np.float64]]) -> NDArray[np.float64]:
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
        Called with how many questions are done, and how many there are.

    Returns
    -------
    list of lists of arrays
        For each question, for each answer, an array as long as the answer.
    """
    by_length = sorted(range(len(questions)), key=lambda number: tree_length(questions[number]))
    results: list[list[NDArray[np.float64]]] = [[] for _ in questions]
    start = 0
    while start < len(by_length):
        end = start + 1
        while end < len(by_length) and tree_length(questions[by_length[end]]) * (end + 1 - start) <= BATCH_TOKENS:
            end += 1
        chosen = by_length[start:end]
        with torch.inference_mode():
            flat = tree_log_probabilities(model, [questions[number] for number in chosen]).double().cpu().numpy()
        ends = np.cumsum([len(answer) for number in chosen for answer in questions[number][1]])
        pieces = iter(np.split(flat, ends[:-1]))
        for number in chosen:
            results[number] = [next(pieces) for _ in questions[number][1]]
        start = end
        notify(start, len(questions))
    return results
