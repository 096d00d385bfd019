"""Questions with all their possible answers as token ids that fit, for scoring and for learning to choose."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.encode import Tokenizer, TooLong, encode, encode_question, fit
from shoptalk.schema import Candidates, History, Message

T = TypeVar("T")
#: A prompt's ids, and the ids of each answer that may follow it.
Question = tuple[list[int], list[list[int]]]
#: Tokens of ``prompt.max_tokens`` that are left to an answer in the model's own words.
ROOM = 96


def option_question(
    prompts: PromptBuilder, tokenizer: Tokenizer, history: History, candidates: Candidates
) -> tuple[Question, bool]:
    """Which option comes next, and whether the history had to be cut."""
    return fitted_question(
        lambda words, latest: words.ask(history, candidates, latest=latest),
        lambda words, latest: words.answers(candidates, history, latest=latest),
        prompts,
        tokenizer,
        history,
    )


def open_question(
    prompts: PromptBuilder, tokenizer: Tokenizer, history: History, answer: int, longest: int
) -> tuple[list[int], bool]:
    """The ids of a question that the model answers in its own words, and whether the history had to be cut.

    Parameters
    ----------
    answer
        Tokens for which room is left; beyond `ROOM` or half of ``prompt.max_tokens`` only as far as the model needs it,
        so that a single long title does not shorten all histories.
    longest
        Most tokens that the model can read.
    """
    prompt = prompts.prompt
    limit = min(prompt.max_tokens - min(answer, ROOM, prompt.max_tokens // 2), longest - answer)
    shown = min(len(history.items), prompt.history)
    ids, kept, _ = fit_shortened(
        lambda words, latest: encode(prompt.style, words.ask(history, latest=latest), tokenizer).ids,
        len,
        prompts,
        shown,
        limit,
    )
    return ids, kept < shown


def ending(prompts: PromptBuilder, tokenizer: Tokenizer) -> list[int]:
    """The ids of what closes an answer."""
    _, answers = encode_question(prompts.prompt.style, [], [Message("assistant", "")], tokenizer)
    return answers[0]


def fit_shortened(
    build: Callable[[PromptBuilder, int], T],
    length: Callable[[T], int],
    prompts: PromptBuilder,
    items: int,
    limit: int,
    *,
    count: bool = True,
) -> tuple[T, int, PromptBuilder]:
    """The longest history that fits (see `fit`); where not even none does, every text is cut at half as many tokens.

    So a single title of page script costs its own example some words, and never ends a training. ``count`` says whether
    ``prompts.shortened`` counts such an example.

    Returns
    -------
    example, items told, the words that it was made with

    Raises
    ------
    TooLong
        When it does not fit with texts of one token either: ``prompt.max_tokens`` is too small for the task.
    """
    words = prompts
    while True:
        try:
            example, kept = fit(lambda latest: build(words, latest), length, items, limit)  # noqa: B023
        except TooLong:
            shorter = words.shorter()
            if shorter is None:
                raise
            words = shorter
        else:
            prompts.shortened.questions += count and words is not prompts
            return example, kept, words


def builder_for_options(
    prompts: PromptBuilder, tokenizer: Tokenizer, history: History, candidates: Candidates
) -> PromptBuilder:
    """The words with which a question is scored, for learning it with the same: its longest answer must fit."""
    _, _, words = fit_shortened(
        lambda words, _: encode_question(
            prompts.prompt.style,
            words.ask(history, candidates, latest=0),
            words.answers(candidates, history, latest=0),
            tokenizer,
        ),
        _question_length,
        prompts,
        0,
        prompts.prompt.max_tokens,
        count=False,
    )
    return words


def _question_length(question: Question) -> int:
    return len(question[0]) + max(map(len, question[1]))


def fitted_question(
    ask: Callable[[PromptBuilder, int], list[Message]],
    answers: Callable[[PromptBuilder, int], Sequence[Message]],
    prompts: PromptBuilder,
    tokenizer: Tokenizer,
    history: History,
) -> tuple[Question, bool]:
    """A question with its answers, with as many of the latest items as fit, and whether the history had to be cut.

    ``ask`` and ``answers`` make the messages by some prompts for a number of latest items.
    """
    prompt = prompts.prompt
    shown = min(len(history.items), prompt.history)
    question, kept, _ = fit_shortened(
        lambda words, latest: encode_question(prompt.style, ask(words, latest), answers(words, latest), tokenizer),
        _question_length,
        prompts,
        shown,
        prompt.max_tokens,
    )
    return question, kept < shown
