"""The verdict of `evaluation.verdict` in a symbol, a few words and one sentence with the honest number."""

from dataclasses import dataclass

from shoptalk.evaluation.verdict import OPTION_METRIC, MainResult, decide, main_result
from shoptalk.report.names import baseline_label, show_p, span
from shoptalk.results import AuditResult, EvaluationResult, Verdict

#: How a verdict looks: a symbol and words, so that no colour is needed.
LOOKS = {
    "stop": ("⚠", "Do not trust this number"),
    "blind": ("✗", "Hardly reads the histories"),
    "worse": ("✗", "Worse than the best simple method"),
    "even": ("≈", "Not clearly different from the best simple method"),
    "better": ("✓", "Better than the best simple method"),
    "plain": ("•", "Measured"),
}
_COMPARED = {"better": "better than", "worse": "worse than", "even": "not clearly different from"}


@dataclass(frozen=True, slots=True)
class VerdictView:
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


def show_verdict(result: EvaluationResult, audit: AuditResult | None = None) -> VerdictView:
    """The verdict on a run as the page shows it."""
    verdict, main = decide(result, audit), main_result(result)
    figures = decide(result)  # what the figures say by themselves
    statement = _generated(result) if main is None else _sentence(main, figures)
    if not verdict.failures:
        return VerdictView(verdict.kind, statement)
    return VerdictView(verdict.kind, statement, sentence_of(verdict.failures[0]), len(verdict.failures) - 1)


def digits_of(metric: str) -> int:
    """How many digits of a metric are shown."""
    return 3 if metric == OPTION_METRIC else 4


def sentence_of(words: str) -> str:
    """With a capital and a full stop; nothing stays nothing."""
    words = words.strip()
    return words[:1].upper() + words[1:] + ("" if not words or words[-1] in ".!?" else ".")


def _sentence(main: MainResult, verdict: Verdict) -> str:
    own, digits = main.own, digits_of(main.metric)
    if not own.known:
        return "There was nothing to judge by."
    interval = f" (95 % interval {span(own, digits)})" if span(own, digits) else ""
    right = "Right for" if main.metric == OPTION_METRIC else "The next purchase is among its ten for"
    statement = f"{right} {own.value:.{digits}f} of {own.n:,} users{interval}"
    if verdict.kind == "blind":
        assert main.gap is not None
        lost = f"with another user's history it loses only {max(main.gap.value, 0):.{digits}f}"
        return f"{statement}, but hardly for their histories: {lost}."
    kept = ""
    if verdict.reads_histories and main.swapped is not None:
        kept = f"; it reads the histories: with another user's it falls to {main.swapped.value:.{digits}f}"
    if main.simple is None or main.baseline is None:
        return f"{statement}{kept}."
    p = show_p(main.versus.corrected) if main.versus else ""
    beside = f"{baseline_label(main.baseline, main.metric)}, with {main.simple.value:.{digits}f}"
    return f"{statement}: {_COMPARED[verdict.kind]} the best simple method, {beside}{f' ({p})' if p else ''}{kept}."


def _generated(result: EvaluationResult) -> str:
    """Where nothing but generated titles was judged."""
    exact = result.metrics.get("title_exact_match")
    if exact is None or not exact.known:
        return "Nothing was judged."
    return f"It names the exact title for {exact.value:.3f} of {exact.n:,} users."
