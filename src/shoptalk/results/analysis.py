"""Analyses of a run's answers: positions of options, calibration and errors."""

import math
from dataclasses import dataclass, field

from shoptalk.results.figures import NOT_MEASURED
from shoptalk.schema import Estimate
from shoptalk.typed_json import ABSENT


@dataclass(frozen=True, slots=True)
class PositionShare:
    """One position of the options.

    Attributes
    ----------
    position
        The position, from 1.
    answers, chosen
        The share of cases whose right option is at this position, and the share of cases in which it is chosen.
    accuracy
        Accuracy of the cases whose right option is at this position; null without such cases.
    """

    position: int
    answers: float
    chosen: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class PositionReport:
    """The bias of a model for a position of the options.

    Attributes
    ----------
    positions
        One row per position.
    bias
        Half the sum of |chosen - answers|: the share of choices that differ from those of an unbiased model, in [0, 1].
    no_choice
        The share of cases without a choice, because a score is NaN.
    """

    positions: tuple[PositionShare, ...]
    bias: float
    no_choice: float


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The cases whose confidence is in ``(low, high]`` (0 is in the first bin).

    Attributes
    ----------
    low, high
        The limits of the bin.
    cases
        Number of cases.
    confidence
        Mean confidence; null for an empty bin.
    accuracy
        Share of right answers; null for an empty bin.
    """

    low: float
    high: float
    cases: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class WordBias:
    """How often wrong options with a word in their title are chosen, as a multiple of chance.

    Attributes
    ----------
    word
        The word.
    pull
        The ratio of actual and expected choices; 1 is no bias.
    low, high
        Its 95 % interval.
    offered
        Number of wrong options whose title contains the word.
    chosen
        Number of them that were chosen.
    products
        Number of different products among them.
    n
        Same as ``offered``.
    """

    word: str
    pull: float
    low: float
    high: float
    offered: int = 0
    chosen: int = 0
    products: int = 0
    n: int = 0


@dataclass(frozen=True, slots=True)
class ErrorExample:
    """A wrong answer, as titles.

    Attributes
    ----------
    user
        The user id.
    history
        The titles of the history, the latest last.
    options
        The titles of the options, or the first titles of the ranked list followed by the right one.
    scores
        The scores of the options; null if the right one is not in the list.
    answer, chosen
        The index of the right and of the chosen option, from 0; -1 if there is none.
    why
        A description of the error.
    """

    user: str
    history: tuple[str, ...]
    options: tuple[str, ...]
    scores: tuple[float, ...]
    answer: int
    chosen: int
    why: str


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """The wrong answers of one kind.

    Attributes
    ----------
    name
        The name of the kind, as in ``errors.parquet``.
    title, says
        The title and the meaning of the kind.
    value, low, high
        The share of the wrong answers, with its 95 % interval.
    n
        Number of users with a wrong answer.
    wrong
        Number of answers in the group.
    reference
        The share expected if errors were independent of the kind; null if unknown.
    excess
        The share minus the reference.
    examples
        Typical examples.
    """

    name: str
    title: str
    says: str
    value: float
    low: float
    high: float
    n: int
    wrong: int = 0
    reference: float = math.nan
    excess: Estimate = NOT_MEASURED
    examples: tuple[ErrorExample, ...] = ()

    @property
    def share(self) -> Estimate:
        """The share of the wrong answers, with its interval."""
        return Estimate(self.value, self.low, self.high, self.n)

    @property
    def clear(self) -> bool:
        """Whether the share is significantly above its reference; also True without a reference."""
        return not self.excess.low <= 0


@dataclass(frozen=True, slots=True)
class ShortenedStep:
    """The answer for one shortened history.

    Attributes
    ----------
    removed
        The title removed in this step; null in the first.
    answer
        The title with the highest score; null for an empty list.
    rank
        The rank of the right item in a ranking; null if it is not in the list, and for options.
    probability
        The softmax probability of the right option; absent for rankings.
    chosen_probability
        The probability of the option chosen for the whole history; absent for rankings.
    """

    removed: str | None
    answer: str | None
    rank: int | None = None
    probability: float | None = field(default=None, metadata=ABSENT)
    chosen_probability: float | None = field(default=None, metadata=ABSENT)


@dataclass(frozen=True, slots=True)
class ShortenedHistory:
    """A wrong answer, with the answers for ever shorter histories.

    Attributes
    ----------
    user
        The user id.
    history
        The titles of the history.
    answer, chosen
        The titles of the right and of the chosen item.
    steps
        The answers, that for the whole history first.
    """

    user: str
    history: tuple[str, ...]
    answer: str
    chosen: str
    steps: tuple[ShortenedStep, ...]


@dataclass(frozen=True, slots=True)
class ErrorAnalysis:
    """The error analysis of a run's answers.

    Attributes
    ----------
    what
        ``options`` or ``ranking``: the kind of answers.
    says
        The definition of a wrong answer and of the reference.
    cases, wrong
        Number of answers, and of wrong answers.
    groups
        The groups of wrong answers.
    words
        Words in titles that raise the rate at which wrong options are chosen.
    calibration
        Confidence and accuracy by bins; empty for rankings.
    what_if
        Answers for shortened histories.
    """

    what: str
    cases: int
    wrong: int
    says: str = ""
    groups: tuple[ErrorGroup, ...] = ()
    words: tuple[WordBias, ...] = ()
    calibration: tuple[CalibrationBin, ...] = ()
    what_if: tuple[ShortenedHistory, ...] = ()
