"""Questions with all their possible answers as token ids that fit, for scoring and for learning to choose."""

from collections.abc import Callable, Sequence

from shoptalk.prompts.encode import Tokenizer, encode, encode_question, fit
from shoptalk.prompts.tasks import Teller
from shoptalk.schema import Candidates, History, Message

#: A prompt's ids, and the ids of each answer that may follow it.
Question = tuple[list[int], list[list[int]]]
#: Tokens of ``prompt.max_tokens`` that are left to an answer in the model's own words.
ROOM = 96
YES_NO = (Message("assistant", "Yes"), Message("assistant", "No"))


def option_question(
    teller: Teller, tokenizer: Tokenizer, history: History, candidates: Candidates
) -> tuple[Question, bool]:
    """Which option comes next (every task but ``like``), and whether the history had to be cut."""
    return _fitted(
        lambda latest: teller.ask(history, candidates, latest=latest),
        lambda latest: teller.answers(candidates, history, latest=latest),
        teller,
        tokenizer,
        history,
    )


def liked_question(teller: Teller, tokenizer: Tokenizer, history: History, item_id: str) -> tuple[Question, bool]:
    """Whether an item will be liked: the answers are Yes and No, in this order."""
    return _fitted(
        lambda latest: teller.ask_liked(history, item_id, latest=latest), lambda _: YES_NO, teller, tokenizer, history
    )


def open_question(
    teller: Teller, tokenizer: Tokenizer, history: History, answer: int, longest: int
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
    prompt = teller.prompt
    limit = min(prompt.max_tokens - min(answer, ROOM, prompt.max_tokens // 2), longest - answer)
    told = min(len(history.items), prompt.history)
    ids, kept = fit(
        lambda latest: encode(prompt.style, teller.ask(history, latest=latest), tokenizer).ids, len, told, limit
    )
    return ids, kept < told


def ending(teller: Teller, tokenizer: Tokenizer) -> list[int]:
    """The ids of what closes an answer."""
    _, answers = encode_question(teller.prompt.style, [], [Message("assistant", "")], tokenizer)
    return answers[0]


def _fitted(
    ask: Callable[[int], list[Message]],
    answers: Callable[[int], Sequence[Message]],
    teller: Teller,
    tokenizer: Tokenizer,
    history: History,
) -> tuple[Question, bool]:
    prompt = teller.prompt
    told = min(len(history.items), prompt.history)
    question, kept = fit(
        lambda latest: encode_question(prompt.style, ask(latest), answers(latest), tokenizer),
        lambda question: len(question[0]) + max(map(len, question[1])),
        told,
        prompt.max_tokens,
    )
    return question, kept < told
