"""The verdict of `evaluation.verdict` as a symbol, a title and a sentence."""

from dataclasses import dataclass

from shoptalk.evaluation.verdict import OPTION_METRIC, MainResult, decide, main_result
from shoptalk.report.names import baseline_label, metric_label, show_p, span
from shoptalk.results import AuditResult, EvaluationResult, Verdict

#: Symbol and title of each verdict (not only a colour).
LABELS = {
    "stop": ("⚠", "Results are not reliable: the audit failed"),
    "blind": ("✗", "The model hardly uses the purchase history"),
    "worse": ("✗", "Worse than the best baseline"),
    "even": ("≈", "Not significantly different from the best baseline"),
    "better": ("✓", "Better than the best baseline"),
    "plain": ("•", "No comparison"),
}
_COMPARISONS = {"better": "better than", "worse": "worse than", "even": "not significantly different from"}


@dataclass(frozen=True, slots=True)
class VerdictView:
    """``kind`` is a key of `LABELS`; ``warning`` is the first audit failure, ``more`` the number of further ones."""

    kind: str
    sentence: str
    warning: str = ""
    more: int = 0

    @property
    def symbol(self) -> str:
        """The symbol of the verdict."""
        return LABELS[self.kind][0]

    @property
    def title(self) -> str:
        """The title of the verdict."""
        return LABELS[self.kind][1]


def show_verdict(result: EvaluationResult, audit: AuditResult | None = None) -> VerdictView:
    """The verdict on a run as the page shows it."""
    verdict, main = decide(result, audit), main_result(result)
    without_audit = decide(result)
    statement = _generated(result) if main is None else _sentence(main, without_audit)
    if not verdict.failures:
        return VerdictView(verdict.kind, statement)
    return VerdictView(verdict.kind, statement, sentence_of(verdict.failures[0]), len(verdict.failures) - 1)


def digits_of(metric: str) -> int:
    """Number of digits that are shown of a metric."""
    return 3 if metric == OPTION_METRIC else 4


def sentence_of(text: str) -> str:
    """Text with a capital letter and a full stop; empty text stays empty."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text[-1] in ".!?" else ".")


def _sentence(main: MainResult, verdict: Verdict) -> str:
    """The main result, its comparison with the best baseline, and whether the model uses the history."""
    model, digits = main.model, digits_of(main.metric)
    if not model.known:
        return "There were no test cases to evaluate."
    interval = f" (95 % interval {span(model, digits)})" if span(model, digits) else ""
    label = "Accuracy" if main.metric == OPTION_METRIC else metric_label(main.metric)
    statement = f"{label} is {model.value:.{digits}f} for {model.n:,} users{interval}"
    if verdict.kind == "blind":
        assert main.gap is not None
        loss = f"it loses only {max(main.gap.value, 0):.{digits}f} with another user's history"
        return f"{statement}, but the model hardly uses the history: {loss}."
    personal = ""
    if verdict.reads_histories and main.swapped is not None:
        personal = (
            f"; the model uses the history: with another user's history the value is {main.swapped.value:.{digits}f}"
        )
    if main.baseline_estimate is None or main.baseline is None:
        return f"{statement}{personal}."
    p = show_p(main.versus.corrected) if main.versus else ""
    baseline = f"{baseline_label(main.baseline, main.metric)}, with {main.baseline_estimate.value:.{digits}f}"
    return f"{statement}: {_COMPARISONS[verdict.kind]} the best baseline, {baseline}{f' ({p})' if p else ''}{personal}."


def _generated(result: EvaluationResult) -> str:
    """The sentence for runs that only generate titles."""
    exact = result.metrics.get("title_exact_match")
    if exact is None or not exact.known:
        return "Nothing was evaluated."
    return f"The exact title is generated for {exact.value:.3f} of {exact.n:,} users."
