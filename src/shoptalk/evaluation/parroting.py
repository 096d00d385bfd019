"""Whether generated texts copy their prompts, repeat themselves or have no proper form."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from shoptalk.evaluation.bootstrap import RESAMPLES, estimate
from shoptalk.schema import Estimate

#: Words of a sequence that is compared.
WORDS = 4
#: Parts of a prompt's form, which no answer has.
_MARKS = re.compile(r"###|<\|")
_WORD = re.compile(r"\w+")
Sequences = list[tuple[str, ...]]


def parroting_metrics(
    texts: Sequence[str],
    prompts: Sequence[str],
    answers: Sequence[str],
    users: Sequence[str],
    well_formed: Callable[[str], bool] = bool,
    *,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> dict[str, Estimate]:
    """Shares of copied, repeated and malformed text, with intervals over users.

    Words are compared without case and punctuation, as sequences of `WORDS` words; a text with fewer words is one
    sequence.

    Parameters
    ----------
    texts
        N generated texts.
    prompts
        Their prompts.
    answers
        The right answers: a reason names a purchase, so right answers share words with their prompts as well.
    users
        The user of each text.
    well_formed
        Whether a text has the form that the task asks for.

    Returns
    -------
    dict
        ``text_prompt_share``: share of a text's sequences that its prompt contains, 0 for a text without words.
        ``answer_prompt_share``: the same of the right answer. ``text_repeat_share``: share of a text's sequences that
        repeat an earlier one of the same text. ``text_malformed_share``: share of the texts that are empty, contain
        marks of a prompt (``###``, ``<|``) or do not have the form of the task.
    """
    known = [set(_sequences(prompt)) | _shorter(prompt) for prompt in prompts]
    values = {
        "text_prompt_share": [_share_of(_sequences(text), of) for text, of in zip(texts, known, strict=True)],
        "answer_prompt_share": [_share_of(_sequences(text), of) for text, of in zip(answers, known, strict=True)],
        "text_repeat_share": [_repeated(_sequences(text)) for text in texts],
        "text_malformed_share": [float(bool(_MARKS.search(text)) or not well_formed(text)) for text in texts],
    }
    return {
        name: estimate(np.asarray(column, dtype=float), users=users, resamples=resamples, seed=seed)
        for name, column in values.items()
    }


def prompt_share(text: str, prompt: str) -> float:
    """Share of the sequences of a text that a prompt contains, in [0, 1]; 0 for a text without words."""
    return _share_of(_sequences(text), set(_sequences(prompt)) | _shorter(prompt))


def _sequences(text: str, words: int = WORDS) -> Sequences:
    """All sequences of ``words`` words of a text, in order; a shorter text is one sequence, an empty one has none."""
    found = _WORD.findall(text.casefold())
    if not found:
        return []
    return [tuple(found[start : start + words]) for start in range(max(1, len(found) - words + 1))]


def _shorter(prompt: str) -> set[tuple[str, ...]]:
    """The sequences of fewer words of a prompt, for texts that are so short."""
    return {sequence for words in range(1, WORDS) for sequence in _sequences(prompt, words)}


def _share_of(sequences: Sequences, known: set[tuple[str, ...]]) -> float:
    return sum(sequence in known for sequence in sequences) / len(sequences) if sequences else 0.0


def _repeated(sequences: Sequences) -> float:
    return 1 - len(set(sequences)) / len(sequences) if sequences else 0.0
