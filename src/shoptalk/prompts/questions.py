"""Questions with all their possible answers as token ids that fit, for scoring and for learning to choose."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.encode import Tokenizer, TooLong, encode, encode_question, fit
from shoptalk.schema import Candidates, History, Message

T = TypeVar("T")
#: A prompt's ids, and the ids of each answer that may follow it.
Question = tuple[list[int], list[list[int]]]
#: Tokens of ``prompt.max_tokens`` that are left to an answer in the model's own builder.
ROOM = 96


def option_question(
    prompts: PromptBuilder, tokenizer: Tokenizer, history: History, candidates: Candidates
) -> tuple[Question, bool]:
    """Which option comes next, and whether the history had to be cut."""
    return fitted_question(
        lambda builder, latest: builder.ask(history, candidates, latest=latest),
        lambda builder, latest: builder.answers(candidates, history, latest=latest),
        prompts,
        tokenizer,
        history,
    )


def open_question(
    prompts: PromptBuilder, tokenizer: Tokenizer, history: History, answer: int, longest: int
) -> tuple[list[int], bool]:
    """The ids of a question that the model answers freely, and whether the history had to be cut.

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
    ids, shown_items, _ = fit_shortened(
        lambda builder, latest: encode(prompt.style, builder.ask(history, latest=latest), tokenizer).ids,
        len,
        prompts,
        shown,
        limit,
    )
    return ids, shown_items < shown


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
    """The longest history that fits (see `fit`); if no history fits, every text is cut at half as many tokens.

    So one overlong title shortens the texts of its own example, and never stops a training. ``count`` says whether
    ``prompts.shortened`` counts such an example.

    Returns
    -------
    example, items shown, the prompt builder that made it

    Raises
    ------
    TooLong
        When it does not fit with texts of one token either: ``prompt.max_tokens`` is too small for the task.
    """
    builder = prompts
    while True:
        try:
            example, shown_items = fit(lambda latest: build(builder, latest), length, items, limit)  # noqa: B023
        except TooLong:
            shorter = builder.shorter()
            if shorter is None:
                raise
            builder = shorter
        else:
            prompts.shortened.questions += count and builder is not prompts
            return example, shown_items, builder


def builder_for_options(
    prompts: PromptBuilder, tokenizer: Tokenizer, history: History, candidates: Candidates
) -> PromptBuilder:
    """The prompt builder with which a question is scored, for training on the same: its longest answer must fit."""
    _, _, builder = fit_shortened(
        lambda builder, _: encode_question(
            prompts.prompt.style,
            builder.ask(history, candidates, latest=0),
            builder.answers(candidates, history, latest=0),
            tokenizer,
        ),
        _question_length,
        prompts,
        0,
        prompts.prompt.max_tokens,
        count=False,
    )
    return builder


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

    ``ask`` and ``answers`` make the messages with a prompt builder for a number of latest items.
    """
    prompt = prompts.prompt
    shown = min(len(history.items), prompt.history)
    question, shown_items, _ = fit_shortened(
        lambda builder, latest: encode_question(
            prompt.style, ask(builder, latest), answers(builder, latest), tokenizer
        ),
        _question_length,
        prompts,
        shown,
        prompt.max_tokens,
    )
    return question, shown_items < shown
