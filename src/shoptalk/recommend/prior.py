"""Log-probabilities of answers to the question about a user without purchases: what a PMI score subtracts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tree import Question
from shoptalk.recommend.log_probabilities import log_probabilities

#: Answers of one pass.
CHUNK = 64
#: Most answers whose log-probability is kept; a title of a catalogue takes about a hundred bytes.
MOST_KEPT = 50_000


class Prior:
    """Log-probability of each answer to a question, computed once for equal questions and answers.

    Parameters
    ----------
    model
        The language model.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self._known: dict[bytes, float] = {}

    def sums(self, questions: Sequence[Question]) -> list[NDArray[np.float64]]:
        """Sum of the log-probabilities of the tokens of each answer to each question, in nats."""
        keys = [[_key(prompt, answer) for answer in answers] for prompt, answers in questions]
        missing: dict[tuple[int, ...], dict[bytes, list[int]]] = {}
        for (prompt, answers), row in zip(questions, keys, strict=True):
            new = {key: answer for key, answer in zip(row, answers, strict=True) if key not in self._known}
            if new:
                missing.setdefault(tuple(prompt), {}).update(new)
        found = self._compute(missing)
        sums = [np.array([found.get(key, self._known.get(key)) for key in row], dtype=np.float64) for row in keys]
        self._known.update(found)
        for key in list(self._known)[: max(0, len(self._known) - MOST_KEPT)]:
            del self._known[key]
        return sums

    def _compute(self, missing: dict[tuple[int, ...], dict[bytes, list[int]]]) -> dict[bytes, float]:
        """The sums of the answers to each prompt, by their keys."""
        groups = [
            (list(prompt), list(answers.items())[start : start + CHUNK])
            for prompt, answers in missing.items()
            for start in range(0, len(answers), CHUNK)
        ]
        scores = log_probabilities(self.model, [(prompt, [answer for _, answer in group]) for prompt, group in groups])
        return {
            key: float(tokens.sum())
            for (_, group), row in zip(groups, scores, strict=True)
            for (key, _), tokens in zip(group, row, strict=True)
        }


def _key(prompt: list[int], answer: list[int]) -> bytes:
    return np.array([*prompt, -1, *answer], dtype=np.int32).tobytes()
