"""Questions with all their possible answers as token ids that fit, for scoring and for learning to choose."""

from collections.abc import Callable, Sequence

from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.encode import Tokenizer, encode, encode_question, fit
from shoptalk.schema import Candidates, History, Message

#: A prompt's ids, and the ids of each answer that may follow it.
Question = tuple[list[int], list[list[int]]]
#: Tokens of ``prompt.max_tokens`` that are left to an answer in the model's own words.
ROOM = 96


def option_question(
    prompts: PromptBuilder, tokenizer: Tokenizer, history: History, candidates: Candidates
) -> tuple[Question, bool]:
    """Which option comes next, and whether the history had to be cut."""
    return fitted_question(
        lambda latest: prompts.ask(history, candidates, latest=latest),
        lambda latest: prompts.answers(candidates, history, latest=latest),
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
    ids, kept = fit(
        lambda latest: encode(prompt.style, prompts.ask(history, latest=latest), tokenizer).ids, len, shown, limit
    )
    return ids, kept < shown


def ending(prompts: PromptBuilder, tokenizer: Tokenizer) -> list[int]:
    """The ids of what closes an answer."""
    _, answers = encode_question(prompts.prompt.style, [], [Message("assistant", "")], tokenizer)
    return answers[0]


def fitted_question(
    ask: Callable[[int], list[Message]],
    answers: Callable[[int], Sequence[Message]],
    prompts: PromptBuilder,
    tokenizer: Tokenizer,
    history: History,
) -> tuple[Question, bool]:
    """A question with its answers, with as many of the latest items as fit, and whether the history had to be cut.

    ``ask`` and ``answers`` make the messages for a number of latest items.
    """
    prompt = prompts.prompt
    shown = min(len(history.items), prompt.history)
    question, kept = fit(
        lambda latest: encode_question(prompt.style, ask(latest), answers(latest), tokenizer),
        lambda question: len(question[0]) + max(map(len, question[1])),
        shown,
        prompt.max_tokens,
    )
    return question, kept < shown
