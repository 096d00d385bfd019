"""What is known of a run's answers beside its metrics: positions, calibration, and what goes wrong."""

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
        From 1.
    answers, chosen
        The share of all cases in which the right option stands there, and in which the model chose it.
    accuracy
        Where the right option stands there; null where it never does.
    """

    position: int
    answers: float
    chosen: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class PositionReport:
    """Whether a model prefers a position of the options.

    Attributes
    ----------
    positions
        One row a position.
    bias
        Half the sum of |chosen - answers|: the share of choices that a fair model would have made elsewhere, in [0, 1].
    no_choice
        The share of cases in which a score was not a number.
    """

    positions: tuple[PositionShare, ...]
    bias: float
    no_choice: float


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The cases whose confidence lies in ``(low, high]`` (the first bin holds 0 too).

    Attributes
    ----------
    low, high
        The ends of the bin.
    cases
        How many there are.
    confidence
        Their mean confidence; null in an empty bin.
    accuracy
        The share of them that is right; null in an empty bin.
    """

    low: float
    high: float
    cases: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class WordBias:
    """How many times as often as by chance wrong options with a word are chosen.

    Attributes
    ----------
    word
        A word of their titles.
    pull
        The ratio, 1 where the word makes no difference.
    low, high
        Its 95 % interval.
    offered
        Wrong options whose title holds the word.
    chosen
        Those of them that were chosen.
    products
        The different products that they are.
    n
        The same as ``offered``.
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
    """One wrong answer, in titles.

    Attributes
    ----------
    user
        Whose it is.
    history
        The titles of the history, the latest last.
    options
        The titles of the options, or of the first of the list with the right one last.
    scores
        Their scores; null where the right one is not in the list.
    answer, chosen
        The index of the right one and of the chosen one among them, from 0; -1: there is none.
    why
        What the kind of error looks like here.
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
        The kind, as in ``errors.parquet``.
    title, says
        What it is called, and what it means.
    value, low, high
        Its share of the wrong answers, with a 95 % interval.
    n
        Users with a wrong answer.
    wrong
        Answers in the group.
    reference
        The share to be expected if the errors had nothing to do with it; null where that is not known.
    excess
        The share minus the reference.
    examples
        Typical ones.
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
        """Whether the share is clearly above its reference; True too where there is none."""
        return not self.excess.low <= 0


@dataclass(frozen=True, slots=True)
class ShortenedStep:
    """The answer to what is left of a history.

    Attributes
    ----------
    removed
        The title that went in this step; null in the first.
    answer
        The title put first; null for an empty list.
    rank
        The rank of the right one in a ranking; null where it is not listed, and for options.
    probability
        The right option's softmax share; absent for rankings.
    chosen_probability
        That of the option which the whole history chose; absent for rankings.
    """

    removed: str | None
    answer: str | None
    rank: int | None = None
    probability: float | None = field(default=None, metadata=ABSENT)
    chosen_probability: float | None = field(default=None, metadata=ABSENT)


@dataclass(frozen=True, slots=True)
class ShortenedHistory:
    """A wrong answer, as the history loses its purchases one after another, the oldest first.

    Attributes
    ----------
    user
        Whose it is.
    history
        The titles of the history.
    answer, chosen
        The title of the right one, and of the one that was chosen.
    steps
        The answers, the whole history first.
    """

    user: str
    history: tuple[str, ...]
    answer: str
    chosen: str
    steps: tuple[ShortenedStep, ...]


@dataclass(frozen=True, slots=True)
class ErrorAnalysis:
    """What wrong answers have in common.

    Attributes
    ----------
    what
        ``options`` or ``ranking``: the way of judging.
    says
        What counts as wrong, and what the reference is.
    cases, wrong
        How many answers, and how many of them are wrong.
    groups
        The kinds of errors.
    words
        Words that make wrong options be chosen.
    calibration
        Confidence against accuracy; empty for rankings.
    what_if
        Histories made shorter.
    """

    what: str
    cases: int
    wrong: int
    says: str = ""
    groups: tuple[ErrorGroup, ...] = ()
    words: tuple[WordBias, ...] = ()
    calibration: tuple[CalibrationBin, ...] = ()
    what_if: tuple[ShortenedHistory, ...] = ()
