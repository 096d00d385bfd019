"""Checks of benchmark files: each finds its flaw at a known strength, and clean files are not accused."""

import os
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from shoptalk.data.benchmarks.row import BenchmarkRow
from shoptalk.evaluation.audit import CHECKS, audit, examine, is_conclusive
from shoptalk.evaluation.audit.benchmark import Benchmark, TokenCounts
from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.evaluation.audit.finding import Finding, NotChecked

from .benchmarks import Shop, benchmark, choices, evidence, next_items, tallrec

SHARE = 0.2


def findings_of(name: str, rows: Benchmark) -> dict[str, Finding]:
    return {result.check: result for result in CHECKS[name](Evidence(benchmark=rows)) if isinstance(result, Finding)}


def not_checked(name: str, rows: Benchmark) -> dict[str, str]:
    return {
        result.check: result.why for result in CHECKS[name](Evidence(benchmark=rows)) if isinstance(result, NotChecked)
    }


def chosen(rows: list[BenchmarkRow], seed: int = 1, share: float = SHARE) -> Any:
    """Random flags, True with the probability ``share``."""
    return np.random.default_rng(seed).random(len(rows)) < share


def split(rows: list[BenchmarkRow], **settings: Any) -> list[BenchmarkRow]:
    """The rows with every second one for training."""
    return [replace(row, for_training=number % 2 == 0, **settings) for number, row in enumerate(rows)]


@pytest.mark.parametrize("strength", [0.7, 1.0])
def test_a_popularity_shortcut_is_found_and_sized(strength: float) -> None:
    """Liked items drawn by popularity, the others from all items."""
    users = 170
    rows = benchmark(tallrec(users=users, popularity=strength))
    findings = findings_of("segments of the prompt", rows)
    found = findings["target_popularity"]
    assert found.severity == "fail"
    assert "a shortcut" in found.says
    assert "is the target of" in found.example
    shop = Shop(1, users)
    share = dict(zip(shop.titles, shop.share.tolist(), strict=True))
    known = roc_auc_score([answer == "Yes." for answer in rows.answer], [share[title] for title in rows.target])
    assert known > 0.62
    assert found.size.low - 0.02 < known < found.size.high + 0.05  # the popularity is counted in 170 histories
    assert found.size.value == pytest.approx(known, abs=0.06)
    assert findings["target_alone"].severity == "fail"
    assert findings["history_alone"].severity == "info"


def test_the_honest_twin_is_not_accused() -> None:
    findings, missing = examine(evidence(tallrec()))
    assert [finding for finding in findings if finding.severity != "info"] == []
    assert {"target_popularity", "target_alone", "last_line_alone", "prompt_without_history", "history_alone"} <= {
        finding.check for finding in findings
    }
    assert {"overlap of training and test", "truncation"} <= {result.check for result in missing}
    assert is_conclusive(findings)


def test_a_mark_in_the_last_line_and_outside_it() -> None:
    """A word that depends on the answer, in a share of the rows."""
    rows = tallrec(named=True, users=200)
    marked = [
        replace(
            row, prompt=row.prompt.replace("Whether", "Say whether") if flag and row.answer == "Yes." else row.prompt
        )
        for row, flag in zip(rows, chosen(rows, share=0.6), strict=True)
    ]
    findings = findings_of("segments of the prompt", benchmark(marked))
    assert findings["target_alone"].severity == "info"
    for name in ("last_line_alone", "prompt_without_history"):
        assert findings[name].severity == "fail"
        assert findings[name].size.value == pytest.approx(0.5 + 0.6 / 2, abs=0.06)  # the others are at random


def test_users_who_like_everything() -> None:
    """The history alone predicts the answer: a warning, and not the target's fault."""
    rows = tallrec(users=200)
    fixed = [
        replace(
            row,
            prompt=row.prompt.replace(
                "User Preference: ", f'User Preference: "Fan {number // 3}{"!" * (number // 3 % 2)}", '
            ),
            answer=("No.", "Yes.")[number // 3 % 2],
        )
        for number, row in enumerate(rows)
    ]
    findings = findings_of("segments of the prompt", benchmark(fixed))
    assert findings["history_alone"].severity == "warn"
    assert findings["history_alone"].size.value > 0.7
    assert findings["target_alone"].severity == "info"


def test_ratings_by_accuracy() -> None:
    rows = [
        BenchmarkRow(
            f"a:{n}", f'Had "Soap {n % 40}", "Comb {n % 37}".\nRate "Razor {"abcde"[n % 5]}{n % 50}".', str(n % 5 + 1)
        )
        for n in range(600)
    ]
    findings = findings_of("segments of the prompt", benchmark(rows))
    assert findings["target_alone"].severity == "fail"
    assert findings["target_alone"].size.value == pytest.approx(1 - 1 / 5, abs=0.1)


def test_positions_in_the_prompt() -> None:
    rows = choices()
    marked = [replace(row, prompt=f"Case {'abcde'[int(row.answer) - 1] * 3}. {row.prompt}") for row in rows]
    findings = findings_of("segments of the prompt", benchmark(marked))
    assert findings["prompt_without_history"].severity == "fail"
    assert "the position of the right option" in findings["prompt_without_history"].says


def test_unbalanced_labels_and_a_shift() -> None:
    rows = [
        replace(row, answer="Yes." if flag else row.answer)
        for row, flag in zip(tallrec(), chosen(tallrec(), share=0.6), strict=True)
    ]
    finding = findings_of("balance of the answers", benchmark(rows))["label_balance"]
    assert finding.severity == "warn"
    assert finding.size.value == pytest.approx(0.8, abs=0.06)
    assert "“Yes.”" in finding.says
    shifted = [
        replace(row, for_training=number % 2 == 0, answer="Yes." if number % 4 == 0 else row.answer)
        for number, row in enumerate(tallrec())
    ]
    finding = findings_of("balance of the answers", benchmark(shifted))["label_shift"]
    assert finding.severity == "warn"
    assert abs(finding.size.value) == pytest.approx(0.75 - 0.5, abs=0.07)
    constant = [replace(row, answer="Yes.") for row in tallrec()]
    assert findings_of("balance of the answers", benchmark(constant))["label_balance"].severity == "fail"


def test_frequent_answers() -> None:
    rows = [
        replace(row, answer="Soap", target="Soap") if flag else row
        for row, flag in zip(next_items(), chosen(next_items(), share=0.4), strict=True)
    ]
    finding = findings_of("balance of the answers", benchmark(rows))["frequent_answers"]
    assert finding.severity == "warn"
    assert finding.size.value == pytest.approx(0.4, abs=0.1)
    assert finding.example == "“Soap”"


def test_rows_that_occur_twice() -> None:
    rows = tallrec()
    copies = [row for row, flag in zip(rows, chosen(rows), strict=True) if flag]
    findings = findings_of("rows", benchmark([*rows, *copies]))
    assert findings["repeated_rows"].severity == "warn"
    assert findings["repeated_rows"].size.value == pytest.approx(len(copies) / (len(rows) + len(copies)))
    other = {"Yes.": "No.", "No.": "Yes."}
    findings = findings_of("rows", benchmark([*rows, *(replace(row, answer=other[row.answer]) for row in copies)]))
    assert findings["contradictory_rows"].size.value == pytest.approx(2 * len(copies) / (len(rows) + len(copies)))
    assert findings["contradictory_rows"].severity == "warn"


def test_rows_in_two_parts() -> None:
    rows = split(tallrec())
    test = [row for row in rows if not row.for_training]
    copies = [replace(row, for_training=True) for row, flag in zip(test, chosen(test), strict=True) if flag]
    findings = findings_of("rows", benchmark([*rows, *copies]))
    assert (findings["rows_in_two_parts"].severity, findings["cases_in_two_parts"].severity) == ("fail", "info")
    assert findings["rows_in_two_parts"].size.value == pytest.approx(len(copies) / len(test))
    reworded = [replace(row, prompt=row.prompt.replace("Whether", "Tell me whether")) for row in copies]
    findings = findings_of("rows", benchmark([*rows, *reworded]))
    assert (findings["rows_in_two_parts"].severity, findings["cases_in_two_parts"].severity) == ("info", "fail")
    assert findings["cases_in_two_parts"].size.value == pytest.approx(len(copies) / len(test))


@pytest.mark.parametrize("named", [True, False])
def test_test_targets_in_training_histories(named: bool) -> None:
    """Windows of one user in both parts, the later one in training."""
    rows = next_items()
    table = []
    for number, row in enumerate(rows):
        test = replace(row, for_training=False, user=row.user if named else "")
        table.append(test)
        later = replace(test, for_training=True, history=(*row.history[1:], row.target), target=f"New {number}")
        table.append(later if number % 5 == 0 else replace(later, history=row.history, user=f"v{number}"))
    finding = findings_of("rows", benchmark(table))["test_in_training_histories"]
    assert finding.severity == "fail"
    assert finding.size.value == pytest.approx(0.2, abs=0.01)
    assert ("recognised" in finding.says) is not named


def test_the_target_in_its_own_history() -> None:
    flags = chosen(next_items())
    rows = [
        replace(row, history=(row.target, *row.history[1:])) if flag else row
        for row, flag in zip(next_items(), flags, strict=True)
    ]
    finding = findings_of("targets in histories", benchmark(rows))["target_in_history"]
    test = [flag for row, flag in zip(rows, flags, strict=True) if not row.for_training]
    assert finding.severity == "warn"
    assert finding.size.value == pytest.approx(np.mean(test))
    row = choices()[1]
    copied = [
        replace(
            row,
            prompt=f"Bought Silk Soap, Blue Comb {n}. Which of these options is next?\n1. Blue Comb {n}\n2. X Y",
            answer="1",
        )
        for n in range(60)
    ]
    assert findings_of("targets in histories", benchmark(copied))["target_in_history"].size.value == 1


def test_the_same_user_and_target_in_training() -> None:
    rows = tallrec(named=True)
    test = [row for row in rows if not row.for_training]
    again = [
        replace(row, for_training=True, prompt=row.prompt.replace("Preference: ", 'Preference: "New", '))
        for row in test[::5]
    ]
    finding = findings_of("targets in histories", benchmark([*rows, *again]))["same_user_and_target"]
    assert finding.severity == "fail"
    assert finding.size.value == pytest.approx(len(again) / len(test), abs=0.01)


def test_ids_in_the_order_of_purchases() -> None:
    rows = next_items()
    ordered = [
        replace(row, ids=(*row.ids[:-1], str(int(row.ids[-2]) + 1))) if flag else row
        for row, flag in zip(rows, chosen(rows, share=0.4), strict=True)
    ]
    finding = findings_of("item ids", benchmark(ordered))["ids_of_neighbours"]
    assert finding.severity == "warn"
    assert finding.size.value == pytest.approx(0.4, abs=0.05)


def test_options_that_are_drawn_again() -> None:
    rows = choices()
    others = choices(seed=2)
    copies = [
        replace(row, prompt=row.prompt.replace(line, f"{line[:2]} {other.prompt.splitlines()[4][3:]}!"))
        for row, other in list(zip(rows, others, strict=True))[:60]
        for line in [row.prompt.splitlines()[2 + int(row.answer) % 5]]
    ]
    finding = findings_of("options of copies", benchmark([*rows, *copies]))["options_redrawn"]
    assert finding.severity == "fail"
    assert finding.size.value == pytest.approx(120 / 360)
    assert findings_of("options of copies", benchmark([*rows, *rows[:60]]))["options_redrawn"].severity == "info"


def test_rows_that_are_too_long() -> None:
    rows = benchmark(tallrec())
    prompt = np.where(chosen(tallrec()), 600, 100)
    tokens = TokenCounts("smol", 512, np.arange(len(rows)), prompt, np.full(len(rows), 2))
    finding = findings_of("token length", replace(rows, tokens=tokens))["truncation"]
    assert (finding.severity, finding.size.value) == ("fail", pytest.approx((prompt == 600).mean()))
    assert "600 tokens of the prompt" in finding.example
    assert "smol" in finding.says
    assert not_checked("token length", rows) == {"truncation": "no tokenizer and length were given"}


def test_what_cannot_be_checked_is_said() -> None:
    few = examine(evidence(tallrec(users=10)))
    assert not is_conclusive(few[0])
    assert {"what the segments of the prompt give away", "balance of the answers"} <= {
        result.check for result in few[1]
    }
    texts = [
        BenchmarkRow(f"a:{n}", f"Tell something about {n}", f"It is {n}, and {n * n} is its square") for n in range(150)
    ]
    findings, missing = examine(evidence(texts))
    assert not is_conclusive(findings)
    assert "the target in its own history" in {result.check for result in missing}
    questions = examine(evidence(choices(users=40)))
    assert "what the options give away" in {result.check for result in questions[1]}
    sampled = replace(benchmark(split(tallrec())), sampled=("big.json",))
    assert "big.json" in not_checked("rows", sampled)["all rows"]
    assert "12 rows" in not_checked("options of copies", replace(benchmark(choices()), unread_options=12))["options"]


def false_alarms(seeds: range) -> Counter[str]:
    """How many clean files have a finding other than info, by check; "files" counts them."""
    alarms: Counter[str] = Counter()
    for seed in seeds:
        for rows in (tallrec(seed), tallrec(seed, users=200, rows=2, named=True), choices(seed), next_items(seed)):
            checks = {finding.check for finding in audit(evidence(rows, seed)) if finding.severity != "info"}
            alarms.update([*checks, *(["files"] if checks else [])])
    return alarms


#: Clean files of each of four formats; ``SHOPTALK_CLEAN_FILES=25`` takes a hundred in all.
CLEAN_FILES = int(os.environ.get("SHOPTALK_CLEAN_FILES", "3"))


def test_clean_files_are_rarely_accused() -> None:
    assert false_alarms(range(100, 100 + CLEAN_FILES))["files"] <= 4 * CLEAN_FILES // 20  # one in twenty
