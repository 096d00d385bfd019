"""Every check finds its own flaw in data with that flaw at a known strength, and measures the strength."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shoptalk.evaluation.audit import CHECKS
from shoptalk.evaluation.audit.evidence import (
    CONTEXT,
    TEST,
    TRAIN,
    VALIDATION,
    Evidence,
    Log,
    MultipleChoiceSet,
    Outcome,
    WrittenAnswers,
)
from shoptalk.evaluation.audit.finding import Finding
from shoptalk.evaluation.audit.sampled import sampled_recall

from .datasets import OPTIONS, bought, clean_choice_set, clean_log, clean_outcome, random_words

STRENGTH = 0.4


@pytest.fixture(scope="module")
def log() -> Log:
    return clean_log(7)


@pytest.fixture(scope="module")
def choice_set(log: Log) -> MultipleChoiceSet:
    return clean_choice_set(log, 7)


@pytest.fixture(scope="module")
def outcome(log: Log) -> Outcome:
    return clean_outcome(log, 7)


def findings_of(name: str, evidence: Evidence) -> dict[str, Finding]:
    """The findings of one check function, by their ``check``."""
    return {finding.check: finding for finding in CHECKS[name](evidence)}


def is_flagged_with_size(finding: Finding, expected: float, tolerance: float = 0.05) -> bool:
    """Whether the finding is flagged and its size is the expected one."""
    return finding.severity != "info" and abs(finding.size.value - expected) <= tolerance


def random_mask(count: int, seed: int = 1, share: float = STRENGTH) -> Any:
    """``count`` random flags, True with the probability ``share``."""
    return np.random.default_rng(seed).random(count) < share


def with_changed_right_options(choice_set: MultipleChoiceSet, change: Any) -> MultipleChoiceSet:
    """The questions, a share of which shows the right option's text changed by ``change``."""
    texts, options = list(choice_set.texts), choice_set.options.copy()
    for row in np.flatnonzero(random_mask(len(options))).tolist():
        options[row, choice_set.answer[row]] = len(texts)
        texts.append(change(choice_set.texts[int(choice_set.right[row])]))
    return replace(choice_set, texts=texts, options=options)


@pytest.mark.parametrize(
    ("change", "blamed"),
    [
        (str.lower, "case"),
        (lambda text: " ".join(word for word in text.split() if not word.isdigit()), "digits"),
        (lambda text: text.replace(" ", ", "), "punctuation"),
    ],
)
def test_a_formatting_leak(log: Log, choice_set: MultipleChoiceSet, change: Any, blamed: str) -> None:
    findings = findings_of("shortcuts in the options", Evidence(log, with_changed_right_options(choice_set, change)))
    # The leak answers .4 of the questions, of which chance is right in a quarter: it adds .4 * .75.
    assert is_flagged_with_size(findings["format_leak"], STRENGTH * (1 - 1 / OPTIONS), 0.06)
    assert findings["format_leak"].severity == findings["options_only"].severity == "fail"
    assert f" {blamed} (+" in findings["format_leak"].says
    assert findings["topic"].severity == "info"
    assert "formatting leak" in findings["options_only"].says
    assert "right:" in findings["format_leak"].example


def test_popularity_with_uniform_negatives(log: Log, choice_set: MultipleChoiceSet) -> None:
    generator = np.random.default_rng(3)
    item, options = choice_set.item.copy(), choice_set.options.copy()
    wrong = np.arange(OPTIONS) != choice_set.answer[:, None]
    item[wrong] = options[wrong] = generator.integers(len(log.items), size=int(wrong.sum()))
    uniform = replace(choice_set, item=item, options=options)
    findings = findings_of("shortcuts in the options", Evidence(log, uniform))
    best = np.argmax(
        log.purchases[item[~choice_set.in_training]] + generator.random(item[~choice_set.in_training].shape) / 9, axis=1
    )
    assert is_flagged_with_size(
        findings["popularity"], float((best == choice_set.answer[~choice_set.in_training]).mean()), 0.06
    )
    assert findings["format_leak"].severity == findings["topic"].severity == "info"


def test_a_topic(log: Log, choice_set: MultipleChoiceSet) -> None:
    """Right items share a word that no other item has."""
    texts = [f"Organic {text}" if number % 2 else text for number, text in enumerate(choice_set.texts)]
    generator = np.random.default_rng(3)
    item, options = choice_set.item.copy(), choice_set.options.copy()
    odd = 1 + 2 * generator.integers(len(texts) // 2, size=len(item))
    mask = random_mask(len(item))
    right = np.where(mask, odd, item[np.arange(len(item)), choice_set.answer] // 2 * 2)
    item = item // 2 * 2  # every distractor is an even item
    item[np.arange(len(item)), choice_set.answer] = right
    findings = findings_of(
        "shortcuts in the options", Evidence(None, replace(choice_set, texts=texts, options=item, item=None))
    )
    assert findings["topic"].severity == "warn"
    assert findings["format_leak"].severity == "info"
    assert options.shape == item.shape


def test_no_personalisation(log: Log, outcome: Outcome) -> None:
    swapped = outcome.values.copy()
    lost = np.flatnonzero(outcome.values)[: round(0.1 * outcome.values.sum())]
    swapped[lost] = 0
    finding = findings_of("personalisation", Evidence(log, outcome=replace(outcome, swapped=swapped)))[
        "personalisation"
    ]
    assert is_flagged_with_size(finding, len(lost) / len(swapped), 1e-9)
    assert finding.severity == "fail"


def with_first_purchase(log: Log, item: Any, targets: Any) -> Log:
    """The log in which the first purchases of the users of these target rows are replaced by ``item``."""
    items = log.item.copy()
    items[log.first_row(targets)] = item
    return replace(log, item=items)


def test_the_target_in_its_own_history(log: Log) -> None:
    targets = log.target_rows[random_mask(len(log.target_rows))]
    finding = findings_of("overlap", Evidence(with_first_purchase(log, log.item[targets], targets)))[
        "target_in_history"
    ]
    assert is_flagged_with_size(finding, len(targets) / len(log.target_rows), 1e-9)
    assert finding.example


def test_near_duplicates(log: Log) -> None:
    """Another size of the right product in the history."""
    twins = [title.replace(" oz", "0 oz") for title in log.titles]
    doubled = replace(log, titles=[*log.titles, *twins], items=[*log.items, *(f"{item}b" for item in log.items)])
    targets = log.target_rows[random_mask(len(log.target_rows))]
    flawed = with_first_purchase(doubled, log.item[targets] + len(log.items), targets)
    finding = findings_of("overlap", Evidence(flawed))["near_duplicates"]
    assert is_flagged_with_size(finding, len(targets) / len(log.target_rows), 1e-9)
    assert " before " in finding.example


def test_rows_in_two_parts(log: Log) -> None:
    targets = log.target_rows[random_mask(len(log.target_rows), share=0.1)]
    rows = np.sort(np.concatenate([np.arange(len(log.user)), targets]))
    copied = np.append(rows[1:] == rows[:-1], False)  # the first copy of each pair is a training purchase
    flawed = replace(
        log,
        user=log.user[rows],
        item=log.item[rows],
        time=log.time[rows],
        part=np.where(copied, TRAIN, log.part[rows]),
    )
    assert is_flagged_with_size(
        findings_of("overlap", Evidence(flawed))["rows_in_two_parts"], len(targets) / len(log.target_rows), 1e-9
    )


def test_users_in_two_parts(log: Log) -> None:
    parts = np.where(log.user % 2 == 0, TRAIN, np.where(log.part == TEST, TEST, CONTEXT))
    split = replace(log, part=parts, method="by-user")
    assert findings_of("overlap", Evidence(split))["users_in_two_parts"].severity == "info"
    parts[np.flatnonzero((split.user % 10 == 1) & (parts == CONTEXT))] = TRAIN  # a fifth of the test's users
    finding = findings_of("overlap", Evidence(replace(split, part=parts)))["users_in_two_parts"]
    assert is_flagged_with_size(finding, 0.2)
    assert finding.severity == "fail"


def test_questions_in_two_parts_and_windows(choice_set: MultipleChoiceSet) -> None:
    test_rows = np.flatnonzero(~choice_set.in_training)
    copied = test_rows[random_mask(len(test_rows))]
    histories = [
        [
            [len(choice_set.answer) + index, text]
            for text in choice_set.seen_items[choice_set.seen_items[:, 0] == row, 1]
        ]
        for index, row in enumerate(copied.tolist())
    ]
    flawed = replace(
        choice_set,
        options=np.concatenate([choice_set.options, choice_set.options[copied]]),
        answer=np.concatenate([choice_set.answer, choice_set.answer[copied]]),
        user=np.concatenate([choice_set.user, choice_set.user[copied]]),
        in_training=np.concatenate([choice_set.in_training, np.ones(len(copied), dtype=bool)]),
        seen_items=np.concatenate([choice_set.seen_items, *histories]),
        item=None,
    )
    findings = findings_of("overlap", Evidence(choice_set=flawed))
    assert is_flagged_with_size(findings["questions_in_two_parts"], len(copied) / len(test_rows), 1e-9)
    assert is_flagged_with_size(findings["overlapping_windows"], len(copied) / len(test_rows), 1e-9)


def test_training_that_is_later_than_the_test(log: Log) -> None:
    target = np.zeros(len(log.user), dtype=bool)
    target[np.append(log.start[1:-1], len(log.user)) - 1] = True
    parts = np.where(target, TEST, TRAIN).astype(np.int8)
    training_times = np.sort(log.time[parts == TRAIN])
    expected = np.mean([(training_times > time).mean() for time in log.time[parts == TEST]])
    for method, severity in (("leave-one-out", "warn"), ("by-time", "fail")):
        finding = findings_of("time", Evidence(replace(log, part=parts, method=method)))["later_training"]
        assert is_flagged_with_size(finding, float(expected), 1e-9)
        assert finding.severity == severity


def test_statistics_that_counted_the_test(log: Log, outcome: Outcome) -> None:
    rows = log.target_rows[random_mask(len(log.target_rows))]
    graph = np.concatenate([outcome.transitions, np.stack([log.item[rows - 1], log.item[rows]], axis=1)])  # type: ignore[list-item]
    new = replace(
        log,
        item=log.item.copy(),
        items=[*log.items, *(f"new{n}" for n in range(20))],
        titles=[*log.titles, *random_words(20, np.random.default_rng(1))],
    )
    new.item[log.target_rows[:20]] = len(log.items) + np.arange(20)  # twenty items that occur only in the test
    known = np.append(outcome.known, np.arange(20) < 8)  # eight of which the run counts as bought
    counted = replace(outcome, transitions=graph, known=known, purchases=None)
    findings = findings_of("time", Evidence(new, outcome=counted))
    assert is_flagged_with_size(findings["test_in_popularity"], 8 / 20, 1e-9)
    findings = findings_of("time", Evidence(log, outcome=replace(outcome, transitions=graph)))
    assert findings["test_in_graph"].severity == "fail"
    assert abs(findings["test_in_graph"].size.value - STRENGTH) < 0.08


def test_a_graph_in_the_attention_that_has_seen_the_test(log: Log, outcome: Outcome) -> None:
    seen = log.part == TRAIN
    seen[log.target_rows - 1] = True  # the last purchase of each history may be known
    seen[log.target_rows[random_mask(len(log.target_rows))]] = True
    leaky = replace(outcome, purchases=bought(log, seen)[::-1])  # the order of the users does not matter
    finding = findings_of("time", Evidence(log, outcome=leaky))["test_in_attention"]
    assert finding.severity == "fail"
    assert abs(finding.size.value - STRENGTH) < 0.08
    finding = findings_of("time", Evidence(log, outcome=outcome))["test_in_attention"]
    assert (finding.severity, finding.size.value) == ("info", 0)


def test_ties_in_the_order_of_a_file(log: Log) -> None:
    """The last two purchases of .4 of the users have the same time and are in the order of their ids."""
    ends = log.start[1:] - 1
    chosen = ends[random_mask(len(ends))]
    time, item = log.time.copy(), log.item.copy()
    time[chosen - 1] = time[chosen]
    ids = np.array(log.items)
    for row in chosen.tolist():
        item[[row - 1, row]] = sorted(item[[row - 1, row]].tolist(), key=lambda number: ids[number])
    parts = np.full(len(time), TRAIN, np.int8)
    parts[ends], parts[ends - 1] = TEST, VALIDATION
    flawed = replace(log, time=time, item=item, part=parts, method="leave-one-out")
    findings = findings_of("ties", Evidence(flawed))
    assert is_flagged_with_size(findings["ties"], len(chosen) / len(ends), 1e-9)
    assert findings["ties"].severity == "fail"
    assert findings["order_in_ties"].size.value == 1.0
    findings = findings_of("ties", Evidence(replace(flawed, ties="set")))
    assert {finding.severity for finding in findings.values()} == {"info"}


def test_ties_without_an_order_are_a_warning(log: Log) -> None:
    time = log.time.copy()
    ends = log.start[1:] - 1
    time[ends - 1] = time[ends]
    parts = np.full(len(time), TRAIN, np.int8)
    parts[ends] = TEST
    findings = findings_of("ties", Evidence(replace(log, time=time, part=parts, method="leave-one-out")))
    assert is_flagged_with_size(findings["ties"], 1.0, 1e-9)
    assert findings["ties"].severity == "warn"


def test_a_run_that_is_better_for_tied_users(log: Log, outcome: Outcome) -> None:
    tied = random_mask(len(outcome.values))
    correct = np.where(tied, 0.9, 0.2) > np.random.default_rng(2).random(len(tied))
    finding = findings_of("ties", Evidence(log, outcome=replace(outcome, values=correct.astype(float), tied=tied)))[
        "ties_of_run"
    ]
    assert is_flagged_with_size(finding, 0.9)


def test_ids_in_the_order_of_time_and_of_popularity(log: Log) -> None:
    first = np.full(len(log.items), 10**9)
    np.minimum.at(first, log.item, log.time)
    for name, values in (("time", first), ("popularity", -log.purchases)):
        ids = np.empty(len(log.items), dtype=object)
        ids[np.argsort(values, kind="stable")] = [f"{n:04}" for n in range(len(log.items))]
        finding = findings_of("item ids", Evidence(replace(log, items=ids.tolist())))[f"ids_by_{name}"]
        assert finding.severity == "warn"
        assert abs(finding.size.value) > 0.9


def test_neighbours_that_are_bought_together(log: Log) -> None:
    """Four of ten transitions lead to the item with the next id."""
    item = log.item.copy()
    names = [f"{n:04}" for n in range(len(log.items))]
    chosen = np.flatnonzero(~log.new_user & random_mask(len(item)))
    for row in chosen.tolist():
        item[row] = (item[row - 1] + 1) % len(names)
    finding = findings_of("item ids", Evidence(replace(log, item=item, items=names)))["ids_of_neighbours"]
    assert is_flagged_with_size(finding, STRENGTH)


@pytest.mark.parametrize(("cut", "severity"), [(0.4, "fail"), (0.05, "warn"), (0.005, "info")])
def test_truncation(log: Log, outcome: Outcome, cut: float, severity: str) -> None:
    finding = findings_of("truncation", Evidence(log, outcome=replace(outcome, cut={"training examples": cut})))[
        "truncation"
    ]
    assert (finding.severity, finding.size.value) == (severity, cut)


def test_answers_in_their_prompts() -> None:
    texts = [
        (f"Had a soap. Buys the very {n} razor?" if n < 40 else "Had a soap", f"the very {n} Razor!")
        for n in range(100)
    ]
    assert is_flagged_with_size(findings_of("truncation", Evidence(texts=texts))["answer_in_prompt"], 0.4, 1e-9)


def test_windows_of_lists_that_overlap_and_rows_without_an_answer() -> None:
    # The training row of each of 100 users has ten items. A test row of each has four of them and six new items; every
    # fourth user has a second test row without items.
    users, in_training, answers = [], [], []
    for user in range(100):
        answers += [(len(users), user * 100 + item) for item in range(10)]
        answers += [(len(users) + 1, user * 100 + item) for item in range(6, 16)]
        users += [user, user, *[user] * (user % 4 == 0)]
        in_training += [True, False, *[False] * (user % 4 == 0)]
    rows = WrittenAnswers([str(n) for n in range(10_000)], np.array(answers), np.array(users), np.array(in_training))
    findings = findings_of("overlap", Evidence(written=rows))
    assert is_flagged_with_size(findings["overlapping_windows"], 4 / 10, 1e-9)
    assert is_flagged_with_size(findings["rows_without_truth"], 25 / 125, 1e-9)
    apart = findings_of("overlap", Evidence(written=replace(rows, user=np.arange(len(users)))))["overlapping_windows"]
    assert (apart.severity, apart.size.value) == ("info", 0.0)


def test_a_position_that_is_right_more_often(choice_set: MultipleChoiceSet) -> None:
    answer = np.where(random_mask(len(choice_set.answer), share=0.2), 0, choice_set.answer)
    finding = findings_of("options", Evidence(choice_set=replace(choice_set, answer=answer, item=None)))[
        "answer_position"
    ]
    assert is_flagged_with_size(finding, 0.2 + 0.8 / OPTIONS)
    assert finding.severity == "fail"


def test_duplicates_same_products_and_false_negatives(log: Log, choice_set: MultipleChoiceSet) -> None:
    rows = np.flatnonzero(random_mask(len(choice_set.answer)))
    wrong_position = (choice_set.answer[rows] + 1) % OPTIONS
    options = choice_set.options.copy()
    options[rows, wrong_position] = choice_set.right[rows]
    finding = findings_of("options", Evidence(choice_set=replace(choice_set, options=options, item=None)))[
        "duplicate_options"
    ]
    assert is_flagged_with_size(finding, len(rows) / len(options), 1e-9)
    texts = [*choice_set.texts, *(text.upper() for text in choice_set.texts)]
    options[rows, wrong_position] = choice_set.right[rows] + len(choice_set.texts)
    finding = findings_of("options", Evidence(choice_set=replace(choice_set, texts=texts, options=options)))[
        "same_product_options"
    ]
    assert is_flagged_with_size(finding, len(rows) / len(options), 1e-9)
    item = choice_set.item.copy()
    item[rows, wrong_position] = log.item[log.start[choice_set.user[rows]]]
    flawed = (item[rows, wrong_position] != item[rows, choice_set.answer[rows]]).sum()
    assert is_flagged_with_size(
        findings_of("options", Evidence(log, replace(choice_set, item=item)))["false_negatives"],
        flawed / len(item),
        0.01,
    )


def test_targets(log: Log) -> None:
    head, unseen = int(log.purchases.argmax()), len(log.items)
    item = log.item.copy()
    targets = log.target_rows
    item[targets[: int(0.6 * len(targets))]] = head
    item[targets[int(0.6 * len(targets)) :]] = unseen
    flawed = replace(log, item=item, items=[*log.items, "x"], titles=[*log.titles, "new"])
    findings = findings_of("targets", Evidence(flawed))
    assert is_flagged_with_size(findings["popular_targets"], 0.6, 0.01)
    assert is_flagged_with_size(findings["unseen_targets"], 0.4, 0.01)
    assert findings_of("targets", Evidence(replace(flawed, withheld=True)))["unseen_targets"].severity == "info"


def test_items_without_a_text_of_their_own(log: Log) -> None:
    count = len(log.items)
    titles_with_blanks = [" " if n < count // 5 else title for n, title in enumerate(log.titles)]
    assert is_flagged_with_size(
        findings_of("targets", Evidence(replace(log, titles=titles_with_blanks)))["no_text"], 0.2, 0.01
    )
    titles_with_duplicates = ["Soap" if n < count // 5 else title for n, title in enumerate(log.titles)]
    assert is_flagged_with_size(
        findings_of("targets", Evidence(replace(log, titles=titles_with_duplicates)))["shared_titles"], 0.2, 0.01
    )


def test_the_sampled_metric_swaps_two_methods(log: Log, outcome: Outcome) -> None:
    """A is first or very low, B always at rank 600 of 10,000: with 100 sampled items B is better."""
    count = len(outcome.values)
    top = np.where(random_mask(count, share=0.2), 1, 9_000)
    middle = np.full(count, 600)
    flawed = replace(outcome, ranks={"A": top, "B": middle}, catalogue=10_000)
    finding = findings_of("sampled metrics", Evidence(log, outcome=flawed))["sampled_metric"]
    assert finding.severity == "warn"
    assert "reverse the order of A and B" in finding.says


def test_sampled_recall_by_hand() -> None:
    # Of 4 other items 1 is ranked higher; 2 are sampled, and it must not be among them: 3/4 * 2/3.
    assert sampled_recall(np.array([2]), 5, drawn=2, k=1) == pytest.approx([3 / 4 * 2 / 3])
    assert sampled_recall(np.array([1, 5]), 5, drawn=2, k=1) == pytest.approx([1, 0])
    # Rank 1,000 of 12,086 is among the first ten of 101 if fewer than ten of the 999 higher items are sampled.
    drawn = np.random.default_rng(1).hypergeometric(999, 12_085 - 999, 100, 200_000)
    assert sampled_recall(np.array([1000]), 12_086) == pytest.approx([(drawn < 10).mean()], abs=0.005)
