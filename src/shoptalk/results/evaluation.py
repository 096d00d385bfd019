"""What evaluating a run returns, and the verdict on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shoptalk.results.analysis import ErrorAnalysis, PositionReport
from shoptalk.results.audit import AuditResult
from shoptalk.results.figures import Difference, Metrics
from shoptalk.typed_json import ABSENT, INLINE


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
