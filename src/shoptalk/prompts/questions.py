"""Questions with all their answers as token ids, within ``prompt.max_tokens``: for scoring and the choice phase."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.encode import Tokenizer, TooLong, encode, encode_question, fit
from shoptalk.schema import Candidates, History, Message

T = TypeVar("T")
#: The token ids of a prompt, and those of each of its answers.
Question = tuple[list[int], list[list[int]]]
#: Most tokens of ``prompt.max_tokens`` that are reserved for an answer.
ANSWER_TOKENS = 96
#: A user without purchases, for what a score is without a history.
NOBODY = History("", ())


def option_question(
    prompts: PromptBuilder, tokenizer: Tokenizer, history: History, candidates: Candidates
) -> tuple[Question, bool]:
    """The question which of the options comes next, and whether its history was shortened."""
    return fitted_question(
        lambda builder, latest: builder.ask(history, candidates, latest=latest),
        lambda builder, latest: builder.answers(candidates, history, latest=latest),
        prompts,
        tokenizer,
        history,
    )


def prior_prompt(prompts: PromptBuilder, tokenizer: Tokenizer, candidates: Candidates | None, answer: int) -> list[int]:
    """The ids of the question about a user without purchases, with room for an answer of ``answer`` tokens."""
    ids, _, _ = fit_shortened(
        lambda builder, latest: (
            encode(prompts.prompt.style, builder.ask(NOBODY, candidates, latest=latest), tokenizer).ids
        ),
        len,
        prompts,
        0,
        prompts.prompt.max_tokens - answer,
        count=False,
    )
    return ids


def open_question(
    prompts: PromptBuilder, tokenizer: Tokenizer, history: History, answer: int, longest: int
) -> tuple[list[int], bool]:
    """The ids of a question whose answer is generated, and whether its history was shortened.

    Parameters
    ----------
    answer
        Most tokens of the answer. At most `ANSWER_TOKENS` and half of ``prompt.max_tokens`` are reserved for them, so
        that a single long title does not shorten all histories; but all of them within ``longest``.
    longest
        Most tokens that the model can read.
    """
    prompt = prompts.prompt
    limit = min(prompt.max_tokens - min(answer, ANSWER_TOKENS, prompt.max_tokens // 2), longest - answer)
    history_size = min(len(history.items), prompt.history)
    ids, shown, _ = fit_shortened(
        lambda builder, latest: encode(prompt.style, builder.ask(history, latest=latest), tokenizer).ids,
        len,
        prompts,
        history_size,
        limit,
    )
    return ids, shown < history_size


def ending(prompts: PromptBuilder, tokenizer: Tokenizer) -> list[int]:
    """The token ids that close an answer."""
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
    """The example with the longest history that fits (see `fit`), with shorter texts where it does not fit otherwise.

    While the example does not fit even without its history, the limit of tokens of its texts is halved.

    Parameters
    ----------
    build, length, items, limit
        See `fit`; ``build`` also gets the prompt builder.
    prompts
        The prompt builder to begin with.
    count
        Whether ``prompts.shortened`` counts an example with shorter texts.

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
            example, shown = fit(lambda latest: build(builder, latest), length, items, limit)  # noqa: B023
        except TooLong:
            shorter = builder.shorter()
            if shorter is None:
                raise
            builder = shorter
        else:
            prompts.shortened.questions += count and builder is not prompts
            return example, shown, builder


def builder_for_options(
    prompts: PromptBuilder, tokenizer: Tokenizer, history: History, candidates: Candidates
) -> PromptBuilder:
    """The prompt builder with which the options of a question are scored: with texts so short that all answers fit."""
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
    """Number of tokens of a prompt with its longest answer."""
    return len(question[0]) + max(map(len, question[1]))


def fitted_question(
    ask: Callable[[PromptBuilder, int], list[Message]],
    answers: Callable[[PromptBuilder, int], Sequence[Message]],
    prompts: PromptBuilder,
    tokenizer: Tokenizer,
    history: History,
) -> tuple[Question, bool]:
    """A question with its answers and as many of the latest items as fit, and whether its history was shortened.

    ``ask`` and ``answers`` make the messages from a prompt builder and a number of latest items.
    """
    prompt = prompts.prompt
    history_size = min(len(history.items), prompt.history)
    question, shown, _ = fit_shortened(
        lambda builder, latest: encode_question(
            prompt.style, ask(builder, latest), answers(builder, latest), tokenizer
        ),
        _question_length,
        prompts,
        history_size,
        prompt.max_tokens,
    )
    return question, shown < history_size
