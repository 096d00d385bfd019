"""The answer of ``shoptalk choose`` in words."""

from shoptalk.evaluation.verdict import OPTION_METRIC
from shoptalk.report.names import metric_label, show_p
from shoptalk.results import ChoiceResult, MethodCurve
from shoptalk.schema import Estimate

#: Short names of methods and models, as on the page of learning curves.
_LABELS = {
    "recent_popularity": "recent popularity",
    "tfidf": "TF-IDF",
    "text_knn": "text-kNN",
    "cooccurrence": "co-occurrence",
    "item_knn": "item-kNN",
    "nano": "nano (text)",
    "SmolLM2": "SmolLM2 (LoRA)",
}
#: From this probability on, a model is worth training although it may not be better.
_WORTH_TRYING = 0.8


def method_label(name: str) -> str:
    """The short name of a simple method or a model."""
    return _LABELS.get(name, name)


def metric_name(metric: str) -> str:
    """The name of the metric inside a sentence."""
    return metric if metric == OPTION_METRIC else metric_label(metric)


def describe_choice(result: ChoiceResult) -> tuple[str, ...]:
    """The recommendation, how sure it is, what would make it surer, and what more purchases or a model would change."""
    sentences = (_headline(result), _certainty(result), _more_users(result), _doubled(result), _model(result))
    return tuple(sentence for sentence in sentences if sentence)


def _headline(result: ChoiceResult) -> str:
    label = method_label(result.recommended)
    if result.kind == "model":
        return f"Train {label}."
    if result.kind == "little":
        return f"Little can be said with {result.measured_on} users to measure with. Begin with {label}."
    return f"Use {label}."


def _certainty(result: ChoiceResult) -> str:
    metric, curves = metric_name(result.metric), {curve.method: curve for curve in result.curves}
    best, chance = curves[result.best], percent(result.probability)
    best_label, best_value = method_label(result.best), best.value.value
    if result.kind == "model":
        return (
            f"Judged by other shops of this size, it is better than every simple method with probability {chance}. "
            f"The best of these here is {best_label}, whose {metric} is {best_value:.3f}."
        )
    if result.recommended == result.best:
        others = [curve for curve in result.curves if curve.method != result.best]
        following = max(others, key=lambda curve: curve.value.value)
        return (
            f"It is the best of {len(result.curves)} simple methods with a probability of {chance}: its {metric} is "
            f"{best_value:.3f}, by {following.behind.value:.3f} higher than that of the next, "
            f"{method_label(following.method)}."
        )
    chosen = curves[result.recommended]
    return (
        f"It is simpler than {best_label}, whose {metric} is higher ({best_value:.3f} against "
        f"{chosen.value.value:.3f}), but not significantly ({show_p(chosen.p_holm)}). The probability that it is the "
        f"best of {len(result.curves)} simple methods is {chance}. Choosing it loses {result.loss:.3f} on average, and "
        f"not more than {result.most_loss:.3f} with a probability of 95 %."
    )


def _more_users(result: ChoiceResult) -> str:
    needed = result.users_needed
    if result.kind in ("sure", "model") or needed is None or needed <= result.validation_users:
        return ""
    return (
        f"To be surer, prepare more validation users: about {rounded(needed):,} would show a difference of this size, "
        f"and there are {result.validation_users:,}."
    )


def _doubled(result: ChoiceResult) -> str:
    known = [curve for curve in result.curves if curve.probability_doubled is not None]
    if not known or result.kind == "little":
        return ""
    first = max(known, key=_probability_doubled)
    chance = percent(_probability_doubled(first))
    still = "still " if first.method == result.best else ""
    return (
        f"With twice the training users, the best of them would {still}be {method_label(first.method)} with a "
        f"probability of {chance} (extrapolated)."
    )


def _probability_doubled(curve: MethodCurve) -> float:
    return curve.probability_doubled or 0.0


def _model(result: ChoiceResult) -> str:
    """The model that is worth training although it is not recommended."""
    if result.kind == "model":
        return ""
    known = [model for model in result.models if model.value is not None]
    hopeful = [model for model in known if (model.probability or 0) >= _WORTH_TRYING]
    if hopeful:
        best = max(hopeful, key=lambda model: model.probability or 0)
        return (
            f"Worth training: {method_label(best.model)}, which would be better than the best simple method with a "
            f"probability of {percent(best.probability or 0)}, judged by other shops."
        )
    if not known:
        return "Whether a trained model would be better is not known: none was measured at this size in other shops."
    chances = ", ".join(f"{method_label(model.model)} {percent(model.probability or 0)}" for model in known)
    return f"Probability that a trained model would be better, judged by other shops: {chances}."


def with_interval(estimate: Estimate) -> str:
    """A value with its interval."""
    interval = f" [{estimate.low:.3f}, {estimate.high:.3f}]" if estimate.has_interval else ""
    return f"{estimate.value:.3f}{interval}"


def percent(probability: float) -> str:
    """A probability in per cent; never 0 or 100, which resampling cannot show."""
    if probability > 0.995:
        return "more than 99 %"
    return "less than 1 %" if probability < 0.005 else f"{100 * probability:.0f} %"


def short_percent(probability: float) -> str:
    """A probability for tables."""
    return percent(probability).replace("more than", ">").replace("less than", "<")


def rounded(count: int) -> int:
    """A count with two significant digits."""
    return int(float(f"{count:.1e}"))
