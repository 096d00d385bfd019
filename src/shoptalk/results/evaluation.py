"""The result of evaluating a run, and the verdict on it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shoptalk.results.analysis import ErrorAnalysis, PositionReport
from shoptalk.results.audit import AuditResult
from shoptalk.results.figures import Difference, Metrics
from shoptalk.typed_json import ABSENT, INLINE


@dataclass(frozen=True, slots=True)
class SamplePrompt:
    """A test case as the prompt of the model.

    Attributes
    ----------
    prompt, answer
        The prompt and its right answer, decoded from the token ids.
    tokens
        Number of tokens of the prompt; null if unknown.
    others
        The other answers that are scored.
    titles
        The titles of the item tokens in the prompt and the answers.
    """

    prompt: str
    answer: str
    tokens: int | None = None
    others: tuple[str, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RankingMethod:
    """Which method ranks the catalogue for a run, and why: the one with the best NDCG@10 on held-out validation users.

    Attributes
    ----------
    chosen
        ``model`` (with its transition-text scorer, if it has one), a ranker of the second stage (``lambdamart`` or
        ``linear``), or a simple method that ranks alone, such as ``transitions``.
    ndcg
        NDCG@10 of each method on the held-out validation users.
    validation_cases, held_out_cases
        Validation cases that were used, and those of them that chose.
    coverage
        The share of validation targets that were among the candidates.
    calibration_error, uncalibrated_error
        Expected calibration error of the first item's probability on held-out cases whose target is a candidate, with
        the calibration and without; null if unknown.
    """

    chosen: str
    ndcg: Mapping[str, float]
    validation_cases: int
    held_out_cases: int
    coverage: float = 1.0
    calibration_error: float = math.nan
    uncalibrated_error: float = math.nan


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """Properties of the training; null if ``run.json`` does not contain them.

    Attributes
    ----------
    parameters
        Number of parameters of the model.
    trainable_share
        The share of the parameters that was trained.
    precision
        Numeric precision of the training.
    tokens
        Number of tokens trained on.
    cut
        Number of examples whose history was shortened to the maximum length.
    ranking
        Which method ranks; null if there was no choice.
    """

    parameters: int | None = None
    trainable_share: float | None = None
    precision: str | None = None
    tokens: int | None = None
    cut: int | None = None
    ranking: RankingMethod | None = None


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """The result of evaluating a run: ``metrics.json``.

    Attributes
    ----------
    metrics
        The metrics of the model by name, such as ``recall@10``.
    baselines
        The metrics of each baseline, by its name.
    versus
        The difference model minus baseline, by baseline and metric.
    segments
        Metrics by dimension, segment, method (``model`` or a baseline) and metric.
    cases
        Number of test cases.
    positions
        Bias for a position of the options; absent without options.
    cut
        The share of test prompts whose history was shortened to the maximum length; absent without options.
    errors
        Error analysis of the main evaluation (rankings if there are any, else options); absent without either.
    option_errors
        Error analysis of the options, if `errors` is about rankings.
    samples
        The first test cases as prompts of the model.
    seconds
        Duration by stage: ``train``, ``open``, ``rankings`` or ``options``, ``titles``, and with ``--json`` also
        ``prepare`` and ``audit``; null if unknown.
    training
        Properties of the training.
    warnings
        Warnings about the metrics.
    fingerprint
        Fingerprint of the dataset.
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
        """The difference model minus baseline by a metric; None if the two were not compared."""
        return self.versus.get(baseline, {}).get(metric)

    @property
    def analyses(self) -> tuple[ErrorAnalysis, ...]:
        """The error analyses, the one of the main evaluation first."""
        return tuple(analysis for analysis in (self.errors, self.option_errors) if analysis is not None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The conclusion from the metrics and the audit of a run.

    Attributes
    ----------
    kind
        ``stop``: the audit has a finding of severity ``fail``. ``blind``: the model does not read the histories.
        ``worse``, ``even``, ``better``: compared with the best baseline. ``plain``: there is no baseline.
    metric
        The main metric; null if neither rankings nor options were evaluated.
    baseline
        The best baseline; null if there is none.
    reads_histories
        Whether at least half of the result above chance is lost with other users' histories; null if not measured.
    failures
        The sentences of the findings of severity ``fail``.
    """

    kind: Literal["stop", "blind", "worse", "even", "better", "plain"]
    metric: str | None = None
    baseline: str | None = None
    reads_histories: bool | None = None
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """The output of ``shoptalk evaluate --json`` and ``shoptalk run --json``.

    Attributes
    ----------
    evaluation
        The metrics.
    audit
        The findings of the audit.
    verdict
        The verdict.
    """

    evaluation: EvaluationResult = field(metadata=INLINE)
    audit: AuditResult = field(metadata=INLINE)
    verdict: Verdict = field(default_factory=lambda: Verdict("plain"))
