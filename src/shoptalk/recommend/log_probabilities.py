"""Log-probabilities of the answers to many questions, in batches of about equal length."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from shoptalk.length_batching import length_batches
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tree import Question, tree_length, tree_log_probabilities
from shoptalk.progress import Notify, quiet

#: Most tokens of a batch; the mask of a row takes memory with the square of its length.
BATCH_TOKENS = 8192


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
