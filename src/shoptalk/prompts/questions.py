"""Questions with all their possible answers as token ids that fit, for scoring and for learning to choose."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shoptalk.prompts.encode import Tokenizer, TooLong, encode, encode_question, fit
from shoptalk.prompts.tasks import Teller
from shoptalk.schema import Candidates, History, Message

T = TypeVar("T")
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
        lambda words, latest: words.ask(history, candidates, latest=latest),
        lambda words, latest: words.answers(candidates, history, latest=latest),
        teller,
        tokenizer,
        history,
    )


def liked_question(teller: Teller, tokenizer: Tokenizer, history: History, item_id: str) -> tuple[Question, bool]:
    """Whether an item will be liked: the answers are Yes and No, in this order."""
    return _fitted(
        lambda words, latest: words.ask_liked(history, item_id, latest=latest),
        lambda *_: YES_NO,
        teller,
        tokenizer,
        history,
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
    ids, kept, _ = fit_shortened(
        lambda words, latest: encode(prompt.style, words.ask(history, latest=latest), tokenizer).ids,
        len,
        teller,
        told,
        limit,
    )
    return ids, kept < told


def ending(teller: Teller, tokenizer: Tokenizer) -> list[int]:
    """The ids of what closes an answer."""
    _, answers = encode_question(teller.prompt.style, [], [Message("assistant", "")], tokenizer)
    return answers[0]


def fit_shortened(
    build: Callable[[Teller, int], T],
    length: Callable[[T], int],
    teller: Teller,
    items: int,
    limit: int,
    *,
    count: bool = True,
) -> tuple[T, int, Teller]:
    """The longest history that fits (see `fit`); where not even none does, every text is cut at half as many tokens.

    So a single title of page script costs its own example some words, and never ends a training. ``count`` says whether
    ``teller.shortened`` counts such an example.

    Returns
    -------
    example, items told, the words that it was made with

    Raises
    ------
    TooLong
        When it does not fit with texts of one token either: ``prompt.max_tokens`` is too small for the task.
    """
    words = teller
    while True:
        try:
            example, kept = fit(lambda latest: build(words, latest), length, items, limit)  # noqa: B023
        except TooLong:
            shorter = words.shorter()
            if shorter is None:
                raise
            words = shorter
        else:
            teller.shortened.questions += count and words is not teller
            return example, kept, words


def words_for_options(teller: Teller, tokenizer: Tokenizer, history: History, candidates: Candidates) -> Teller:
    """The words with which a question is scored, for learning it with the same: its longest answer must fit."""
    _, _, words = fit_shortened(
        lambda words, _: encode_question(
            teller.prompt.style,
            words.ask(history, candidates, latest=0),
            words.answers(candidates, history, latest=0),
            tokenizer,
        ),
        _question_length,
        teller,
        0,
        teller.prompt.max_tokens,
        count=False,
    )
    return words


def _question_length(question: Question) -> int:
    return len(question[0]) + max(map(len, question[1]))


def _fitted(
    ask: Callable[[Teller, int], list[Message]],
    answers: Callable[[Teller, int], Sequence[Message]],
    teller: Teller,
    tokenizer: Tokenizer,
    history: History,
) -> tuple[Question, bool]:
    prompt = teller.prompt
    told = min(len(history.items), prompt.history)
    question, kept, _ = fit_shortened(
        lambda words, latest: encode_question(prompt.style, ask(words, latest), answers(words, latest), tokenizer),
        _question_length,
        teller,
        told,
        prompt.max_tokens,
    )
    return question, kept < told
