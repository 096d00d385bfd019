"""What a run's figures come to: beside the best baseline, beside other histories, and in the light of the audit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from shoptalk.constants import DEFAULT_K, SIGNIFICANCE
from shoptalk.results import AuditResult, Comparison, ComparisonResult, Difference, EvaluationResult, Verdict
from shoptalk.schema import Estimate

#: What a run is judged by: rankings where there are some, else choices among options.
RANKING_METRIC, OPTION_METRIC = f"recall@{DEFAULT_K}", "accuracy"
#: Sees the options and never the history: it tells what the options give away, and is no competitor.
PROBE = "options_only"
#: The share of what a model knows beyond chance that must go with the history.
PERSONAL_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class MainResult:
    """A figure of a run beside what it must be compared with; what is not known is None.

    Attributes
    ----------
    metric
        `RANKING_METRIC` or `OPTION_METRIC`.
    own, swapped
        With the users' own histories, and with other users'.
    gap
        The paired difference of the two.
    floor
        What chance alone gets.
    baseline, simple, versus
        The best baseline, its figure, and the model minus it.
    """

    metric: str
    own: Estimate
    swapped: Estimate | None
    gap: Estimate | None
    floor: float
    baseline: str | None
    simple: Estimate | None
    versus: Difference | None


def has_rankings(result: EvaluationResult) -> bool:
    """Whether the whole catalogue was ranked."""
    return RANKING_METRIC in result.metrics


def best_baseline(result: EvaluationResult, metric: str = RANKING_METRIC) -> str | None:
    """The baseline with the highest figure; None where there is none to compare with. A probe is no competitor."""
    able = {
        name: own[metric].value
        for name, own in result.baselines.items()
        if metric in own and own[metric].known and name != PROBE
    }
    return max(able, key=lambda name: able[name]) if able else None


def main_result(result: EvaluationResult) -> MainResult | None:
    """What a run is judged by: rankings where there are some, else accuracy among options; None where neither is."""
    return _beside(result, RANKING_METRIC) if has_rankings(result) else options_result(result)


def options_result(result: EvaluationResult) -> MainResult | None:
    """The same for the accuracy among options, even where rankings come first."""
    own = result.metrics.get(OPTION_METRIC)
    return None if own is None or not own.known else _beside(result, OPTION_METRIC)


def decide(result: EvaluationResult, audit: AuditResult | None = None) -> Verdict:
    """The verdict on a run; what the audit found comes first."""
    failures = tuple(one.says for one in audit.findings if one.severity == "fail") if audit is not None else ()
    main = main_result(result)
    if main is None:
        return Verdict("stop" if failures else "plain", failures=failures)
    reads = reads_histories(main)
    return Verdict("stop" if failures else _kind(main, reads), main.metric, main.baseline, reads, failures)


def reads_histories(main: MainResult) -> bool | None:
    """Whether at least half of what it knows beyond chance goes with the history; None where that was not measured."""
    if main.gap is None or not main.gap.known:
        return None
    known = max(main.own.value - main.floor, 0.0)
    return not main.gap.low <= 0 and main.gap.value >= PERSONAL_SHARE * known


def significant(difference: Difference | None) -> bool:
    """Whether a paired difference is more than chance would give, by the corrected p value."""
    return difference is not None and difference.corrected < SIGNIFICANCE


def compare_with_best(main: MainResult) -> Literal["worse", "even", "better"] | None:
    """By the paired test where there is one, else by intervals that do not touch; None without a baseline."""
    own, simple = main.own, main.simple
    if simple is None:
        return None
    if main.versus is not None:
        if not significant(main.versus):
            return "even"
        return "better" if main.versus.difference > 0 else "worse"
    if own.low > simple.high:
        return "better"
    return "worse" if own.high < simple.low else "even"


@dataclass(frozen=True, slots=True)
class BestRecipe:
    """The recipe with the highest first metric, what it was compared with, and from what it is not clearly apart.

    The comparisons are turned so that ``one`` is the best.
    """

    name: str
    compared: tuple[Comparison, ...]
    unclear: tuple[Comparison, ...]


def best_recipe(result: ComparisonResult) -> BestRecipe:
    """Which of the compared recipes is best by the first metric."""
    metric = result.metrics[0]
    values = {group.name: group.metrics[metric].value for group in result.groups}
    best = max(values, key=lambda name: values[name])
    compared = [one for one in result.comparisons if one.metric == metric and best in (one.one, one.other)]
    return _apart(best, [_from(best, one) for one in compared])


def _apart(best: str, compared: Sequence[Comparison]) -> BestRecipe:
    return BestRecipe(best, tuple(compared), tuple(one for one in compared if not one.p_holm < SIGNIFICANCE))


def _from(name: str, one: Comparison) -> Comparison:
    """The comparison as one of ``name`` with the other."""
    if one.one == name:
        return one
    return replace(
        one,
        one=name,
        other=one.one,
        difference=-one.difference,
        low=-one.high,
        high=-one.low,
        effect=-one.effect,
        wins=one.losses,
        losses=one.wins,
    )


def _beside(result: EvaluationResult, metric: str) -> MainResult:
    own, best = result.metrics, best_baseline(result, metric)
    both = metric == OPTION_METRIC and has_rankings(result)  # then the plain name is the gap of the rankings
    chance = result.baselines.get("chance", {}).get(metric)
    return MainResult(
        metric=metric,
        own=own[metric],
        swapped=own.get(f"swapped_{metric}"),
        gap=own.get("options_personalisation_gap" if both else "personalisation_gap"),
        floor=chance.value if chance is not None and chance.known else 0.0,
        baseline=best,
        simple=result.baselines[best][metric] if best else None,
        versus=result.difference(best, metric) if best else None,
    )


def _kind(main: MainResult, reads: bool | None) -> Literal["blind", "worse", "even", "better", "plain"]:
    if not main.own.known:
        return "plain"
    if reads is False:
        return "blind"
    return compare_with_best(main) or "plain"
