"""The verdict of the report: from the metrics, and from the audit first."""

from dataclasses import replace

import pytest

from shoptalk.evaluation.verdict import decide, main_result, options_result, reads_histories
from shoptalk.report.verdict import LABELS, show_verdict
from shoptalk.results import AuditResult
from shoptalk.schema import Estimate
from tests.report.runs import audit, audited, difference, estimate, option_metrics, ranking_metrics, result


@pytest.mark.parametrize(
    ("original", "swapped", "simple", "kind", "says"),
    [
        (0.99, 0.985, 0.53, "blind", "hardly uses the history: it loses only 0.005 with another user's history"),
        (0.60, 0.30, 0.53, "better", "best baseline, TF-IDF similarity to the history, with 0.530; the model uses"),
        (0.54, 0.30, 0.53, "even", "not significantly different from the best baseline"),
        (0.45, 0.26, 0.53, "worse", "worse than the best baseline"),
    ],
)
def test_options_by_their_intervals(original: float, swapped: float, simple: float, kind: str, says: str) -> None:
    verdict = show_verdict(result(option_metrics(original, swapped, simple)))
    assert verdict.kind == kind
    assert says in verdict.sentence
    assert f"Accuracy is {original:.3f} for 1,000 users (95 % interval {original - 0.01:.3f} to" in verdict.sentence


@pytest.mark.parametrize(
    ("apart", "p", "kind"), [(-0.015, 0.01, "worse"), (-0.015, 0.2, "even"), (0.015, 0.01, "better")]
)
def test_a_paired_test_decides_before_intervals_do(apart: float, p: float, kind: str) -> None:
    versus = {"versus": {"tfidf": {"accuracy": difference(apart, p)}}}
    assert decide(result(option_metrics(0.58, 0.3, 0.58 - apart) | versus)).kind == kind


@pytest.mark.parametrize(
    ("original", "swapped", "p", "kind", "says"),
    [
        (0.06, 0.002, 0.002, "better", "better than the best baseline, ALS, with 0.0400 (p = 0.002)"),
        (0.06, 0.002, 0.2, "even", "not significantly different from the best baseline, ALS"),
        (0.03, 0.002, 0.002, "worse", "worse than the best baseline, ALS"),
        (0.06, 0.05, 0.002, "blind", "hardly uses the history: it loses only 0.0100 with another user's history"),
    ],
)
def test_rankings(original: float, swapped: float, p: float, kind: str, says: str) -> None:
    verdict = show_verdict(result(ranking_metrics(original, swapped, p)))
    assert verdict.kind == kind
    assert says in verdict.sentence
    assert f"Recall@10 is {original:.4f} for 1,000 users" in verdict.sentence


def test_a_failed_audit_comes_first() -> None:
    fail = next(finding for finding in audited(audit()).findings if finding.severity == "fail")
    failed = AuditResult((replace(fail, says="a leak"), replace(fail, says="another")), clean=False)
    verdict = show_verdict(result(option_metrics()), failed)
    assert decide(result(option_metrics()), failed).failures == ("a leak", "another")
    assert (verdict.kind, verdict.title) == ("stop", "Results are not reliable: the audit failed")
    assert (verdict.warning, verdict.more) == ("A leak.", 1)
    assert "Accuracy is 0.600" in verdict.sentence


def test_a_gap_that_may_be_nothing_is_no_reading_of_histories() -> None:
    metrics = option_metrics(0.27, 0.255)  # 0.02 above chance, 0.015 of it by the history (0.005 to 0.025)
    main = main_result(result(metrics))
    assert main is not None
    assert reads_histories(main) is True
    metrics["metrics"]["personalisation_gap"] |= {"low": -0.001}
    main = main_result(result(metrics))
    assert main is not None
    assert reads_histories(main) is False


def test_the_accuracy_beside_a_ranking_has_a_gap_of_its_own() -> None:
    metrics = ranking_metrics()
    metrics["metrics"] |= {"accuracy": estimate(0.7), "swapped_accuracy": estimate(0.4),
                           "options_personalisation_gap": estimate(0.3)}  # fmt: skip
    chosen, main = options_result(result(metrics)), main_result(result(metrics))
    assert chosen is not None
    assert main is not None
    assert chosen.gap == Estimate(**estimate(0.3))
    assert main.gap == Estimate(**metrics["metrics"]["personalisation_gap"])


def test_nothing_to_compare_with() -> None:
    alone = ranking_metrics() | {"baselines": {}, "versus": {}}
    del alone["metrics"]["personalisation_gap"]
    assert decide(result(alone)).kind == "plain"
    assert show_verdict(result(alone)).sentence.endswith("interval 0.0590 to 0.0610).")
    single = {"metrics": {"accuracy": {"value": 1.0, "low": None, "high": None, "n": 1}}, "baselines": {}}
    assert show_verdict(result(single)).sentence == "Accuracy is 1.000 for 1 users."


def test_generated_titles_alone() -> None:
    metrics = {"metrics": {"title_exact_match": estimate(0.125)}, "baselines": {}}
    assert show_verdict(result(metrics)).sentence == "The exact title is generated for 0.125 of 1,000 users."
    assert show_verdict(result({"metrics": {}, "baselines": {}})).sentence == "Nothing was evaluated."


def test_every_verdict_has_a_symbol_and_its_own_title() -> None:
    assert len({title for _, title in LABELS.values()}) == len(LABELS)
    assert all(symbol for symbol, _ in LABELS.values())
