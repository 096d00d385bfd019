"""One sentence with the honest number, and whether to believe it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shoptalk.report import options, rankings
from shoptalk.report.rankings import best_baseline, corrected_p, has_rankings, show_p, significant

Figure = dict[str, Any]

#: How a verdict looks: a symbol and words, so that no colour is needed.
LOOKS = {
    "stop": ("⚠", "Do not trust this number"),
    "blind": ("✗", "Hardly reads the histories"),
    "worse": ("✗", "Worse than the best simple method"),
    "even": ("≈", "Not clearly different from the best simple method"),
    "better": ("✓", "Better than the best simple method"),
    "plain": ("•", "Measured"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """``look`` is a key of `LOOKS`; ``warning`` the first thing that would change it, ``more`` how many follow."""

    look: str
    sentence: str
    warning: str = ""
    more: int = 0

    @property
    def symbol(self) -> str:
        """A sign that is told apart without colour."""
        return LOOKS[self.look][0]

    @property
    def words(self) -> str:
        """The verdict in a few words."""
        return LOOKS[self.look][1]


@dataclass(frozen=True, slots=True)
class Result:
    """The main figure of a run beside what it must be compared with; what is not known is None.

    ``floor`` is what luck alone gets, ``best`` the name of the best simple method, ``versus`` the paired difference.
    """

    said: str
    digits: int
    own: Figure
    swapped: Figure | None
    gap: Figure | None
    floor: float
    best: str | None
    simple: Figure | None
    versus: Figure | None


def main_result(metrics: dict[str, Any]) -> Result | None:
    """What a run is judged by: rankings where there are some, else accuracy among options; None where neither is."""
    if has_rankings(metrics):
        return _result(metrics, rankings.MAIN, "The next purchase is among its ten for", 4)
    return options_result(metrics)


def options_result(metrics: dict[str, Any]) -> Result | None:
    """The same for the accuracy among options, even where rankings come first."""
    own = metrics["metrics"].get(options.MAIN)
    return None if own is None or own["value"] is None else _result(metrics, options.MAIN, "Right for", 3)


def decide(metrics: dict[str, Any], failures: Sequence[str] = ()) -> Verdict:
    """The verdict on a run.

    Parameters
    ----------
    metrics
        What ``metrics.json`` holds.
    failures
        What the audit found that would change a conclusion, in its words.
    """
    result = main_result(metrics)
    verdict = _plain(metrics) if result is None else _compared(result)
    if not failures:
        return verdict
    return Verdict("stop", verdict.sentence, failures[0], len(failures) - 1)


def span(figure: Figure, digits: int) -> str:
    """The interval in words; empty where there is none."""
    if figure.get("low") is None or figure.get("high") is None:
        return ""
    return f"{figure['low']:z.{digits}f} to {figure['high']:z.{digits}f}"


def reads_histories(result: Result) -> bool | None:
    """Whether at least half of what it knows beyond luck goes with the history; None where that was not measured."""
    if result.gap is None or result.gap["value"] is None:
        return None
    known = max(result.own["value"] - result.floor, 0.0)
    surely = result.gap["low"] is None or result.gap["low"] > 0
    return bool(surely and result.gap["value"] >= 0.5 * known)


def _result(metrics: dict[str, Any], main: str, said: str, digits: int) -> Result:
    own, best = metrics["metrics"], best_baseline(metrics, main)
    both = main == options.MAIN and has_rankings(metrics)  # then the plain name is the gap of the rankings
    simple = metrics["baselines"][best][main] if best else None
    chance = metrics["baselines"].get("chance", {}).get(main, {}).get("value")
    names = options.NAMES if main == options.MAIN else rankings.NAMES
    return Result(
        said=said,
        digits=digits,
        own=own[main],
        swapped=own.get(f"swapped_{main}"),
        gap=own.get("options_personalisation_gap" if both else "personalisation_gap"),
        floor=chance or 0.0,
        best=names.get(best, best) if best else None,
        simple=simple,
        versus=metrics.get("versus", {}).get(best, {}).get(main) if best else None,
    )


def _compared(result: Result) -> Verdict:
    own, digits = result.own, result.digits
    if own["value"] is None:
        return Verdict("plain", "There was nothing to judge by.")
    interval = f" (95 % interval {span(own, digits)})" if span(own, digits) else ""
    said = f"{result.said} {own['value']:.{digits}f} of {own['n']:,} users{interval}"
    personal = reads_histories(result)
    if personal is False:
        assert result.gap is not None
        lost = f"with another user's history it loses only {max(result.gap['value'], 0):.{digits}f}"
        return Verdict("blind", f"{said}, but hardly for their histories: {lost}.")
    kept = ""
    if personal and result.swapped is not None:
        kept = f"; it reads the histories: with another user's it falls to {result.swapped['value']:.{digits}f}"
    if result.simple is None:
        return Verdict("plain", f"{said}{kept}.")
    look = _compare(result)
    words = {"better": "better than", "worse": "worse than", "even": "not clearly different from"}[look]
    p = show_p(corrected_p(result.versus)) if result.versus else ""
    beside = f"{result.best}, with {result.simple['value']:.{digits}f}" + (f" ({p})" if p else "")
    return Verdict(look, f"{said}: {words} the best simple method, {beside}{kept}.")


def _compare(result: Result) -> str:
    """By the paired test where there is one, else by intervals that do not touch."""
    assert result.simple is not None
    if result.versus is not None:
        if not significant(result.versus):
            return "even"
        return "better" if result.versus["difference"] > 0 else "worse"
    own, simple = result.own, result.simple
    if own["low"] is not None and simple["high"] is not None and own["low"] > simple["high"]:
        return "better"
    if own["high"] is not None and simple["low"] is not None and own["high"] < simple["low"]:
        return "worse"
    return "even"


def _plain(metrics: dict[str, Any]) -> Verdict:
    """Where nothing but generated titles was judged."""
    exact = metrics["metrics"].get("title_exact_match")
    if not exact or exact["value"] is None:
        return Verdict("plain", "Nothing was judged.")
    return Verdict("plain", f"It names the exact title for {exact['value']:.3f} of {exact['n']:,} users.")
