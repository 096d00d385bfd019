"""What evaluating, auditing and comparing return, as frozen dataclasses: the schema of the files and of ``--json``.

Every result is written by ``as_json`` and read back by ``from_json`` of `typed_json`, which checks it;
``docs/reference/files.md`` is made of the classes below. A figure that cannot be computed is NaN here and null there.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from shoptalk.errors import RunError
from shoptalk.files import read_json, write_json
from shoptalk.schema import Estimate
from shoptalk.typed_json import ABSENT, INLINE, SchemaError, as_json, describe, from_json

__all__ = ["Estimate", "as_json", "from_json"]

T = TypeVar("T")
#: The files of a run's folder that hold results.
METRICS, AUDIT = "metrics.json", "audit.json"
#: ``fail``: a conclusion would change. ``warn``: a figure needs a word beside it. ``info``: looked at, and fine.
Severity = Literal["fail", "warn", "info"]
#: Metrics by name, as in ``recall@10``.
Metrics = Mapping[str, Estimate]

NOT_MEASURED = Estimate(math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference: the model minus a baseline, over the same users.

    Attributes
    ----------
    difference
        The mean difference.
    low, high
        Its 95 % interval.
    p
        Two-sided p value of the paired bootstrap.
    n
        How many users.
    p_holm
        The p value corrected for the comparisons that were made together; absent where it was made alone.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    p_holm: float | None = field(default=None, metadata=ABSENT)

    @property
    def corrected(self) -> float:
        """The p value to decide by: corrected where it was."""
        return self.p if self.p_holm is None else self.p_holm


@dataclass(frozen=True, slots=True)
class Comparison:
    """``one`` minus ``other`` by one metric, over the same users.

    Attributes
    ----------
    one, other
        The names of the two.
    metric
        The metric.
    difference
        The mean difference.
    low, high
        Its 95 % interval.
    p
        Two-sided p value of the paired bootstrap.
    p_randomisation
        That of the exact randomisation test.
    p_holm
        That one corrected for the number of pairs: the one to decide by.
    effect
        The standardised difference d_z: the mean over the standard deviation of the users' differences.
    wins, losses, ties
        The share of users for whom ``one`` is better, worse, equal.
    n
        How many users.
    users_needed
        How many users in all would find a difference of this size four times in five; null where these did, or where
        there is none.
    """

    one: str
    other: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_randomisation: float
    p_holm: float
    effect: float
    wins: float
    losses: float
    ties: float
    n: int
    users_needed: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of the audit.

    Attributes
    ----------
    check
        What was looked at.
    severity
        ``fail``: a conclusion would change. ``warn``: a figure needs a word beside it. ``info``: fine.
    says
        What was found, in a sentence.
    size
        The measured strength of the flaw, with its interval; null and ``n`` 0 where there is nothing to measure.
    example
        A case of it; empty where there is none.
    do
        What to do about it; empty where there is nothing to do.
    """

    check: str
    severity: Severity
    says: str
    size: Estimate = field(default=NOT_MEASURED, metadata=INLINE)
    example: str = ""
    do: str = ""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit found: ``audit.json``, and what ``shoptalk audit --json`` prints.

    Attributes
    ----------
    findings
        The worst first.
    clean
        Whether none of them is a ``fail``.
    """

    findings: tuple[Finding, ...]
    clean: bool


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


@dataclass(frozen=True, slots=True)
class SamplePrompt:
    """A test case as the model saw it.

    Attributes
    ----------
    prompt, answer
        The prompt and its right answer, decoded from the token ids.
    tokens
        Tokens of the prompt; null where they are not known.
    others
        The answers that are scored beside the right one.
    titles
        What the item tokens of the prompt and the answer stand for.
    """

    prompt: str
    answer: str
    tokens: int | None = None
    others: tuple[str, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What training made; null where ``run.json`` does not tell.

    Attributes
    ----------
    parameters
        Of the model.
    trainable_share
        The share of them that was trained.
    precision
        In which it was trained.
    tokens
        Tokens read.
    cut
        Examples whose history was cut to fit.
    """

    parameters: int | None = None
    trainable_share: float | None = None
    precision: str | None = None
    tokens: int | None = None
    cut: int | None = None


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What evaluating a run found: ``metrics.json``.

    Attributes
    ----------
    metrics
        The model's figures by name, as in ``recall@10``.
    baselines
        Those of each baseline by its name.
    versus
        By baseline and metric: the model minus the baseline.
    segments
        By way of cutting, segment, method (``model`` or a baseline) and metric.
    cases
        Test cases.
    positions
        Whether the model prefers a position of the options; absent where there are none.
    cut
        The share of the test's prompts whose history was cut to fit; absent where none was built for options.
    errors
        What went wrong, by what the run is judged by; absent where nothing was ranked or chosen.
    option_errors
        The same for options, where rankings come first.
    samples
        The first test cases as the model saw them.
    seconds
        By stage: ``train``, ``open``, ``rankings`` or ``options``, ``titles``, and with ``--json`` also ``prepare`` and
        ``audit``; null where it is not known.
    training
        What training made.
    warnings
        What the reader of the figures must know.
    fingerprint
        Of the dataset.
    """

    metrics: Metrics
    baselines: Mapping[str, Metrics]
    versus: Mapping[str, Mapping[str, Difference]] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, Mapping[str, Metrics]]] = field(default_factory=dict)
    cases: int = 0
    positions: PositionReport | None = field(default=None, metadata=ABSENT)
    cut: float | None = field(default=None, metadata=ABSENT)
    errors: ErrorAnalysis | None = field(default=None, metadata=ABSENT)
    option_errors: ErrorAnalysis | None = field(default=None, metadata=ABSENT)
    samples: tuple[SamplePrompt, ...] = ()
    seconds: Mapping[str, float | None] = field(default_factory=dict)
    training: TrainingFacts = field(default_factory=TrainingFacts)
    warnings: tuple[str, ...] = ()
    fingerprint: str = ""

    def difference(self, baseline: str, metric: str) -> Difference | None:
        """The model minus a baseline by a metric; None where the two were not compared."""
        return self.versus.get(baseline, {}).get(metric)

    @property
    def analyses(self) -> tuple[ErrorAnalysis, ...]:
        """The analyses of errors that there are, the one that the run is judged by first."""
        return tuple(one for one in (self.errors, self.option_errors) if one is not None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the figures of a run come to.

    Attributes
    ----------
    kind
        ``stop``: the audit found what would change a conclusion. ``blind``: the model hardly reads the histories.
        ``worse``, ``even``, ``better``: than the best baseline. ``plain``: there is nothing to compare with.
    metric
        What the run is judged by; null where neither rankings nor options were judged.
    baseline
        The best baseline; null where there is none.
    reads_histories
        Whether at least half of what the model knows beyond chance goes with the history; null where that was not
        measured.
    failures
        What the audit found that would change a conclusion.
    """

    kind: Literal["stop", "blind", "worse", "even", "better", "plain"]
    metric: str | None = None
    baseline: str | None = None
    reads_histories: bool | None = None
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """What ``shoptalk evaluate --json`` and ``shoptalk run --json`` print.

    Attributes
    ----------
    evaluation
        What evaluating found.
    audit
        What the audit found.
    verdict
        What the figures come to.
    """

    evaluation: EvaluationResult = field(metadata=INLINE)
    audit: AuditResult = field(metadata=INLINE)
    verdict: Verdict = field(default_factory=lambda: Verdict("plain"))


@dataclass(frozen=True, slots=True)
class SeededEstimate:
    """A metric of a recipe: each user's mean over the seeds.

    Attributes
    ----------
    value
        The mean over users.
    low, high
        Its 95 % interval over users.
    n
        How many users.
    spread
        The standard deviation from seed to seed; null with one seed.
    by_seed
        The metric of each run.
    """

    value: float
    low: float
    high: float
    n: int
    spread: float | None
    by_seed: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Energy:
    """What a stage took in energy.

    Attributes
    ----------
    joules
        Energy; null where the machine does not tell.
    joules_of
        The parts that it was measured of: ``cpu``, ``gpu``.
    """

    joules: float | None = None
    joules_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a recipe cost, the mean over its seeds; null where a run does not tell.

    Attributes
    ----------
    training_seconds, evaluation_seconds
        Of training, and of judging with the baselines.
    peak_memory_bytes
        Most memory that a process of the run held.
    tokens
        Tokens trained on.
    parameters
        Of the model.
    joules
        Energy of training.
    joules_of
        The parts of the machine that it was measured of (``cpu``, ``gpu``); null where that differs from run to run.
    """

    training_seconds: float | None = None
    evaluation_seconds: float | None = None
    peak_memory_bytes: float | None = None
    tokens: float | None = None
    parameters: float | None = None
    joules: float | None = None
    joules_of: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ComparedRecipe:
    """The runs of one recipe, each with a seed of its own.

    Attributes
    ----------
    name
        What tells it from the others.
    runs
        The folders of its runs.
    seeds
        Their seeds.
    settings
        The settings in which the recipes differ, as ``section.key``.
    metrics
        By name.
    cost
        Of one run.
    """

    name: str
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: Mapping[str, Any]
    metrics: Mapping[str, SeededEstimate]
    cost: Cost


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """What ``shoptalk compare --json`` prints.

    Attributes
    ----------
    fingerprint
        Of the dataset that all runs share.
    users
        Test users.
    seed
        Of the resamples and flips.
    metrics
        Those that all runs have; the first decides.
    groups
        The recipes.
    comparisons
        Every pair by every metric.
    warnings
        What the reader must know.
    verdict
        Which is best, and how surely, in a sentence.
    """

    fingerprint: str
    users: int
    seed: int
    metrics: tuple[str, ...]
    groups: tuple[ComparedRecipe, ...]
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...]
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One trial of a sweep.

    Attributes
    ----------
    number
        From 0.
    state
        ``complete``, ``pruned``, ``failed``, ``running`` or ``interrupted`` (another trial is in its place).
    value
        By the sweep's metric; null where it did not end.
    settings
        As ``section.key``.
    seconds
        Of training and judging; null where it did not end.
    says
        Why it failed; empty otherwise.
    run
        Its folder; null where it was interrupted.
    """

    number: int
    state: str
    value: float | None
    settings: Mapping[str, Any]
    seconds: float | None = None
    says: str = ""
    run: str | None = None


@dataclass(frozen=True, slots=True)
class SweepWinner:
    """The trial that validation chose, judged on the test.

    Attributes
    ----------
    number
        Of the trial.
    value
        By the sweep's metric, on validation cases.
    settings
        As ``section.key``.
    run
        The folder of the run that was judged.
    recipe
        The file of its recipe.
    metrics, baselines
        On the test: see EvaluationResult.
    """

    number: int
    value: float
    settings: Mapping[str, Any]
    run: str
    recipe: str
    metrics: Metrics
    baselines: Mapping[str, Metrics]


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep found: ``sweep.json``, and what ``shoptalk sweep --json`` prints.

    Attributes
    ----------
    metric
        By which the winner was chosen.
    trials
        In the order in which they began.
    winner
        The best of them.
    importance
        The share of each setting in the variance of the values; empty where there is too little to tell.
    fingerprint
        Of the dataset.
    seconds
        Of trying, of fixing the winner, and of judging it.
    """

    metric: str
    trials: tuple[TrialResult, ...]
    winner: SweepWinner
    importance: Mapping[str, float]
    fingerprint: str
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SampleResult:
    """What ``shoptalk sample --json`` prints.

    Attributes
    ----------
    users, items, reviews
        How many the generated shop has.
    files
        The paths of its files, by name.
    """

    users: int
    items: int
    reviews: int
    files: Mapping[str, str]


def write_result(path: Path, result: object) -> None:
    """Write a result as JSON, all or nothing."""
    write_json(path, as_json(result))


def read_evaluation(folder: Path) -> EvaluationResult | None:
    """The ``metrics.json`` of a run's folder; None where there is none.

    Raises
    ------
    RunError
        When it is damaged, naming the first value that is wrong.
    """
    return _read(EvaluationResult, folder / METRICS, f"shoptalk evaluate {folder}")


def read_audit(folder: Path) -> AuditResult | None:
    """The ``audit.json`` of a run's folder; None where there is none.

    Raises
    ------
    RunError
        When it is damaged, naming the first value that is wrong.
    """
    return _read(AuditResult, folder / AUDIT, f"shoptalk evaluate {folder}")


def _read(cls: type[T], path: Path, command: str) -> T | None:
    content = read_json(path, error=RunError, hint=f"make it again: {command}")
    if content is None:
        return None
    try:
        return from_json(cls, content)
    except (SchemaError, RecursionError) as error:
        raise RunError(f"damaged: {error}", where=str(path), hint=f"make it again: {command}") from error


#: What is written or printed, and its class.
_PUBLISHED: tuple[tuple[str, type], ...] = (
    ("`metrics.json`", EvaluationResult),
    ("`audit.json`, and `shoptalk audit --json`", AuditResult),
    ("`shoptalk evaluate --json` and `shoptalk run --json`", RunResult),
    ("`shoptalk compare --json`", ComparisonResult),
    ("`shoptalk sample --json`", SampleResult),
    ("`sweep.json`, and `shoptalk sweep --json`", SweepResult),
)
_HEAD = """# Results on disk and on standard output

This page is made from the classes in `src/shoptalk/results.py` by `python -m shoptalk.results`, and a test compares
the two. Rates are fractions. JSON has no NaN: a figure that cannot be computed is null. New keys may come; a reader
ignores those that it does not know.

| what | schema |
|---|---|
"""


def schema_page() -> str:
    """The page ``docs/reference/files.md``."""
    rows = "".join(f"| {what} | [{cls.__name__}](#{cls.__name__.lower()}) |\n" for what, cls in _PUBLISHED)
    return f"{_HEAD}{rows}\n{describe(*(cls for _, cls in _PUBLISHED))}"


if __name__ == "__main__":
    import sys

    sys.stdout.write(schema_page())
