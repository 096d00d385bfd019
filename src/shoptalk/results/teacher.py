"""The result of asking a teacher model."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TeachResult:
    """The output of ``shoptalk teach --json``.

    Attributes
    ----------
    file
        The file of answers; null for a dry run.
    rows
        Number of training rows.
    requests
        Number of different requests for them.
    cached
        Requests that had been answered before this command.
    asked
        Requests that were answered during this command.
    left
        Requests without an answer, because the budget did not suffice or they failed.
    accepted
        Rows with an accepted answer.
    refused
        Rows with a refused answer, by reason.
    failed
        Requests that failed, by kind; they are sent again when the command is repeated.
    agreement
        Share of the accepted answers that recommend the next purchase; null without any.
    input_tokens, output_tokens
        Tokens of all answers so far; for a dry run an estimate of what is left, with 4 characters per token and answers
        of the greatest length.
    cost
        Their price, in the currency of the recipe's prices.
    stopped
        Why requests were not sent; null where all were.
    """

    file: str | None
    rows: int
    requests: int
    cached: int
    asked: int
    left: int
    accepted: int
    refused: Mapping[str, int]
    failed: Mapping[str, int]
    agreement: float | None
    input_tokens: int
    output_tokens: int
    cost: float
    stopped: str | None
