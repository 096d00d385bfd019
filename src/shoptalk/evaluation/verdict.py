"""The verdict on a run: comparison with the best baseline, history permutation test, audit."""

from dataclasses import dataclass, replace
from typing import Literal

from shoptalk.constants import DEFAULT_K, SIGNIFICANCE
from shoptalk.results import AuditResult, Comparison, ComparisonResult, Difference, EvaluationResult, Verdict
from shoptalk.schema import Estimate

#: The main metrics: of rankings if there are any, else of multiple choice.
RANKING_METRIC, OPTION_METRIC = f"recall@{DEFAULT_K}", "accuracy"
#: A probe that sees the options but not the history. It is not counted as a baseline.
PROBE = "options_only"
#: The share of the result above chance that must be lost with permuted histories.
PERSONAL_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class MainResult:
    """The main result of a run and what it is compared with; unknown values are None.

    Attributes
    ----------
    metric
        `RANKING_METRIC` or `OPTION_METRIC`.
    model, swapped
        The model with the users' own histories, and with permuted ones.
    gap
        The personalisation gap: the paired difference of the two.
    chance
        The expected value of random guessing.
    baseline, baseline_estimate, versus
        The best baseline, its result, and the model minus the baseline.
    """

    metric: str
    model: Estimate
    swapped: Estimate | None
    gap: Estimate | None
    chance: float
    baseline: str | None
    baseline_estimate: Estimate | None
    versus: Difference | None


def has_rankings(result: EvaluationResult) -> bool:
    """Whether the whole catalogue was ranked."""
    return RANKING_METRIC in result.metrics


def best_baseline(result: EvaluationResult, metric: str = RANKING_METRIC) -> str | None:
    """The baseline with the highest value; None if there is none. The probe does not count."""
    values = {
        name: metrics[metric].value
        for name, metrics in result.baselines.items()
        if metric in metrics and metrics[metric].known and name != PROBE
    }
    return max(values, key=lambda name: values[name]) if values else None


def main_result(result: EvaluationResult) -> MainResult | None:
    """The main result: recall of the rankings if there are any, else multiple-choice accuracy, else None."""
    return _main_result(result, RANKING_METRIC) if has_rankings(result) else options_result(result)


def options_result(result: EvaluationResult) -> MainResult | None:
    """The result by multiple-choice accuracy, also if there are rankings."""
    accuracy = result.metrics.get(OPTION_METRIC)
    return None if accuracy is None or not accuracy.known else _main_result(result, OPTION_METRIC)


def decide(result: EvaluationResult, audit: AuditResult | None = None) -> Verdict:
    """The verdict on a run; failures of the audit come first."""
    failures: tuple[str, ...] = ()
    if audit is not None:
        failures = tuple(finding.says for finding in audit.findings if finding.severity == "fail")
    main = main_result(result)
    if main is None:
        return Verdict("stop" if failures else "plain", failures=failures)
    reads = reads_histories(main)
    return Verdict("stop" if failures else _kind(main, reads), main.metric, main.baseline, reads, failures)


def reads_histories(main: MainResult) -> bool | None:
    """Whether at least half of the result above chance is lost with permuted histories; None if not measured."""
    if main.gap is None or not main.gap.known:
        return None
    above_chance = max(main.model.value - main.chance, 0.0)
    return not main.gap.low <= 0 and main.gap.value >= PERSONAL_SHARE * above_chance


def significant(difference: Difference | None) -> bool:
    """Whether a paired difference is significant, by the corrected p value."""
    return difference is not None and difference.corrected < SIGNIFICANCE


def compare_with_best(main: MainResult) -> Literal["worse", "even", "better"] | None:
    """Compare by the paired test if there is one, else by non-overlapping intervals; None without a baseline."""
    model, baseline = main.model, main.baseline_estimate
    if baseline is None:
        return None
    if main.versus is not None:
        if not significant(main.versus):
            return "even"
        return "better" if main.versus.difference > 0 else "worse"
    if model.low > baseline.high:
        return "better"
    return "worse" if model.high < baseline.low else "even"


@dataclass(frozen=True, slots=True)
class BestRecipe:
    """The best recipe by the first metric, its comparisons, and those of them that are not significant.

    In every comparison ``one`` is the best recipe.
    """

    name: str
    compared: tuple[Comparison, ...]
    unclear: tuple[Comparison, ...]


def best_recipe(result: ComparisonResult) -> BestRecipe:
    """Which of the compared recipes is best by the first metric."""
    metric = result.metrics[0]
    values = {group.name: group.metrics[metric].value for group in result.groups}
    best = max(values, key=lambda name: values[name])
    compared = [
        _oriented(best, comparison)
        for comparison in result.comparisons
        if comparison.metric == metric and best in (comparison.one, comparison.other)
    ]
    unclear = tuple(comparison for comparison in compared if not comparison.p_holm < SIGNIFICANCE)
    return BestRecipe(best, tuple(compared), unclear)


def _oriented(name: str, comparison: Comparison) -> Comparison:
    """The comparison with ``name`` as ``one``, with the signs reversed if necessary."""
    if comparison.one == name:
        return comparison
    return replace(
        comparison,
        one=name,
        other=comparison.one,
        difference=-comparison.difference,
        low=-comparison.high,
        high=-comparison.low,
        effect=-comparison.effect,
        wins=comparison.losses,
        losses=comparison.wins,
    )


def _main_result(result: EvaluationResult, metric: str) -> MainResult:
    """The main result by the given metric."""
    metrics, best = result.metrics, best_baseline(result, metric)
    # With rankings, "personalisation_gap" is the gap of the rankings.
    has_both = metric == OPTION_METRIC and has_rankings(result)
    chance = result.baselines.get("chance", {}).get(metric)
    return MainResult(
        metric=metric,
        model=metrics[metric],
        swapped=metrics.get(f"swapped_{metric}"),
        gap=metrics.get("options_personalisation_gap" if has_both else "personalisation_gap"),
        chance=chance.value if chance is not None and chance.known else 0.0,
        baseline=best,
        baseline_estimate=result.baselines[best][metric] if best else None,
        versus=result.difference(best, metric) if best else None,
    )


def _kind(main: MainResult, reads: bool | None) -> Literal["blind", "worse", "even", "better", "plain"]:
    """The verdict without the audit; ``reads`` is whether the model reads histories."""
    if not main.model.known:
        return "plain"
    if reads is False:
        return "blind"
    return compare_with_best(main) or "plain"
