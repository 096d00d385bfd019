"""Every check finds its own flaw, planted at a known strength, and says how strong it is."""

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
    Written,
)
from shoptalk.evaluation.audit.finding import Finding
from shoptalk.evaluation.audit.sampled import sampled_recall

from .shops import OPTIONS, clean_choice_set, clean_log, clean_outcome, words

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


def findings(name: str, evidence: Evidence) -> dict[str, Finding]:
    return {finding.check: finding for finding in CHECKS[name](evidence)}


def sized(finding: Finding, expected: float, tolerance: float = 0.05) -> bool:
    """Flagged, and as strong as it was planted."""
    return finding.severity != "info" and abs(finding.size.value - expected) <= tolerance


def some(count: int, seed: int = 1, share: float = STRENGTH) -> Any:
    return np.random.default_rng(seed).random(count) < share


def shown_otherwise(choice_set: MultipleChoiceSet, change: Any) -> MultipleChoiceSet:
    """The exam whose right options are, for a share of the questions, shown in another way."""
    texts, options = list(choice_set.texts), choice_set.options.copy()
    for row in np.flatnonzero(some(len(options))).tolist():
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
    found = findings("shortcuts in the options", Evidence(log, shown_otherwise(choice_set, change)))
    # The leak decides .4 of the questions, of which chance would have got a quarter: it adds .4 * .75.
    assert sized(found["format_leak"], STRENGTH * (1 - 1 / OPTIONS), 0.06)
    assert found["format_leak"].severity == found["options_only"].severity == "fail"
    assert f" {blamed} (+" in found["format_leak"].says
    assert found["topic"].severity == "info"
    assert "formatting leak" in found["options_only"].says
    assert "right:" in found["format_leak"].example


def test_popularity_that_uniform_negatives_give_away(log: Log, choice_set: MultipleChoiceSet) -> None:
    generator = np.random.default_rng(3)
    item, options = choice_set.item.copy(), choice_set.options.copy()
    wrong = np.arange(OPTIONS) != choice_set.answer[:, None]
    item[wrong] = options[wrong] = generator.integers(len(log.items), size=int(wrong.sum()))
    uniform = replace(choice_set, item=item, options=options)
    found = findings("shortcuts in the options", Evidence(log, uniform))
    best = np.argmax(
        log.bought[item[~choice_set.learned]] + generator.random(item[~choice_set.learned].shape) / 9, axis=1
    )
    assert sized(found["popularity"], float((best == choice_set.answer[~choice_set.learned]).mean()), 0.06)
    assert found["format_leak"].severity == found["topic"].severity == "info"


def test_a_topic(log: Log, choice_set: MultipleChoiceSet) -> None:
    """Right items share a word that no other item has."""
    texts = [f"Organic {text}" if number % 2 else text for number, text in enumerate(choice_set.texts)]
    generator = np.random.default_rng(3)
    item, options = choice_set.item.copy(), choice_set.options.copy()
    odd = 1 + 2 * generator.integers(len(texts) // 2, size=len(item))
    chosen = some(len(item))
    right = np.where(chosen, odd, item[np.arange(len(item)), choice_set.answer] // 2 * 2)
    item = item // 2 * 2  # every distractor is an even item
    item[np.arange(len(item)), choice_set.answer] = right
    found = findings(
        "shortcuts in the options", Evidence(None, replace(choice_set, texts=texts, options=item, item=None))
    )
    assert found["topic"].severity == "warn"
    assert found["format_leak"].severity == "info"
    assert options.shape == item.shape


def test_no_personalisation(log: Log, outcome: Outcome) -> None:
    swapped = outcome.own.copy()
    lost = np.flatnonzero(outcome.own)[: round(0.1 * outcome.own.sum())]
    swapped[lost] = 0
    found = findings("personalisation", Evidence(log, outcome=replace(outcome, swapped=swapped)))["personalisation"]
    assert sized(found, len(lost) / len(swapped), 1e-9)
    assert found.severity == "fail"


def planted_in_history(log: Log, item: Any, targets: Any) -> Log:
    """The log in which the first purchase of the chosen test users is another item."""
    items = log.item.copy()
    items[log.first_row(targets)] = item
    return replace(log, item=items)


def test_the_target_in_its_own_history(log: Log) -> None:
    targets = log.target[some(len(log.target))]
    found = findings("overlap", Evidence(planted_in_history(log, log.item[targets], targets)))["target_in_history"]
    assert sized(found, len(targets) / len(log.target), 1e-9)
    assert found.example


def test_near_duplicates(log: Log) -> None:
    """Another size of the right product in the history."""
    twins = [title.replace(" oz", "0 oz") for title in log.titles]
    doubled = replace(log, titles=[*log.titles, *twins], items=[*log.items, *(f"{item}b" for item in log.items)])
    targets = log.target[some(len(log.target))]
    flawed = planted_in_history(doubled, log.item[targets] + len(log.items), targets)
    found = findings("overlap", Evidence(flawed))["near_duplicates"]
    assert sized(found, len(targets) / len(log.target), 1e-9)
    assert " before " in found.example


def test_rows_in_two_parts(log: Log) -> None:
    targets = log.target[some(len(log.target), share=0.1)]
    rows = np.sort(np.concatenate([np.arange(len(log.user)), targets]))
    copied = np.append(rows[1:] == rows[:-1], False)  # the first of two stands among the training purchases
    flawed = replace(log, user=log.user[rows], item=log.item[rows], time=log.time[rows],
                     part=np.where(copied, TRAIN, log.part[rows]))  # fmt: skip
    assert sized(findings("overlap", Evidence(flawed))["rows_in_two_parts"], len(targets) / len(log.target), 1e-9)


def test_users_in_two_parts(log: Log) -> None:
    parts = np.where(log.user % 2 == 0, TRAIN, np.where(log.part == TEST, TEST, CONTEXT))
    split = replace(log, part=parts, method="by-user")
    assert findings("overlap", Evidence(split))["users_in_two_parts"].severity == "info"
    parts[np.flatnonzero((split.user % 10 == 1) & (parts == CONTEXT))] = TRAIN  # a fifth of the test's users
    found = findings("overlap", Evidence(replace(split, part=parts)))["users_in_two_parts"]
    assert sized(found, 0.2)
    assert found.severity == "fail"


def test_questions_in_two_parts_and_windows(choice_set: MultipleChoiceSet) -> None:
    asked = np.flatnonzero(~choice_set.learned)
    copied = asked[some(len(asked))]
    shown = [
        [
            [len(choice_set.answer) + index, text]
            for text in choice_set.seen_items[choice_set.seen_items[:, 0] == row, 1]
        ]
        for index, row in enumerate(copied.tolist())
    ]
    again = replace(
        choice_set,
        options=np.concatenate([choice_set.options, choice_set.options[copied]]),
        answer=np.concatenate([choice_set.answer, choice_set.answer[copied]]),
        asker=np.concatenate([choice_set.asker, choice_set.asker[copied]]),
        learned=np.concatenate([choice_set.learned, np.ones(len(copied), dtype=bool)]),
        seen_items=np.concatenate([choice_set.seen_items, *shown]),
        item=None,
    )
    found = findings("overlap", Evidence(choice_set=again))
    assert sized(found["questions_in_two_parts"], len(copied) / len(asked), 1e-9)
    assert sized(found["overlapping_windows"], len(copied) / len(asked), 1e-9)


def test_training_that_is_later_than_the_test(log: Log) -> None:
    target = np.zeros(len(log.user), dtype=bool)
    target[np.append(log.start[1:-1], len(log.user)) - 1] = True
    parts = np.where(target, TEST, TRAIN).astype(np.int8)
    learned = np.sort(log.time[parts == TRAIN])
    expected = np.mean([(learned > when).mean() for when in log.time[parts == TEST]])
    for method, severity in (("leave-one-out", "warn"), ("by-time", "fail")):
        found = findings("time", Evidence(replace(log, part=parts, method=method)))["later_training"]
        assert sized(found, float(expected), 1e-9)
        assert found.severity == severity


def test_statistics_that_counted_the_test(log: Log, outcome: Outcome) -> None:
    rows = log.target[some(len(log.target))]
    graph = np.concatenate([outcome.transitions, np.stack([log.item[rows - 1], log.item[rows]], axis=1)])  # type: ignore[list-item]
    new = replace(log, item=log.item.copy(), items=[*log.items, *(f"new{n}" for n in range(20))],
                  titles=[*log.titles, *words(20, np.random.default_rng(1))])  # fmt: skip
    new.item[log.target[:20]] = len(log.items) + np.arange(20)  # twenty items that only the test holds
    known = np.append(outcome.known, np.arange(20) < 8)  # eight of which the run counts
    found = findings("time", Evidence(new, outcome=replace(outcome, transitions=graph, known=known)))
    assert sized(found["test_in_popularity"], 8 / 20, 1e-9)
    found = findings("time", Evidence(log, outcome=replace(outcome, transitions=graph)))
    assert found["test_in_graph"].severity == "fail"
    assert abs(found["test_in_graph"].size.value - STRENGTH) < 0.08


def test_ties_in_the_order_of_a_file(log: Log) -> None:
    """The last two purchases of .4 of the users are of one moment, in the order of their ids."""
    ends = log.start[1:] - 1
    chosen = ends[some(len(ends))]
    time, item = log.time.copy(), log.item.copy()
    time[chosen - 1] = time[chosen]
    ids = np.array(log.items)
    for row in chosen.tolist():
        item[[row - 1, row]] = sorted(item[[row - 1, row]].tolist(), key=lambda one: ids[one])
    parts = np.full(len(time), TRAIN, np.int8)
    parts[ends], parts[ends - 1] = TEST, VALIDATION
    flawed = replace(log, time=time, item=item, part=parts, method="leave-one-out")
    found = findings("ties", Evidence(flawed))
    assert sized(found["ties"], len(chosen) / len(ends), 1e-9)
    assert found["ties"].severity == "fail"
    assert found["order_in_ties"].size.value == 1.0
    found = findings("ties", Evidence(replace(flawed, ties="set")))
    assert {finding.severity for finding in found.values()} == {"info"}


def test_ties_without_an_order_are_a_warning(log: Log) -> None:
    time = log.time.copy()
    ends = log.start[1:] - 1
    time[ends - 1] = time[ends]
    parts = np.full(len(time), TRAIN, np.int8)
    parts[ends] = TEST
    found = findings("ties", Evidence(replace(log, time=time, part=parts, method="leave-one-out")))
    assert sized(found["ties"], 1.0, 1e-9)
    assert found["ties"].severity == "warn"


def test_ties_that_flatter_a_run(log: Log, outcome: Outcome) -> None:
    tied = some(len(outcome.own))
    own = np.where(tied, 0.9, 0.2) > np.random.default_rng(2).random(len(tied))
    found = findings("ties", Evidence(log, outcome=replace(outcome, own=own.astype(float), tied=tied)))["ties_of_run"]
    assert sized(found, 0.9)


def test_ids_in_the_order_of_time_and_of_popularity(log: Log) -> None:
    first = np.full(len(log.items), 10**9)
    np.minimum.at(first, log.item, log.time)
    for name, values in (("time", first), ("popularity", -log.bought)):
        ids = np.empty(len(log.items), dtype=object)
        ids[np.argsort(values, kind="stable")] = [f"{n:04}" for n in range(len(log.items))]
        found = findings("item ids", Evidence(replace(log, items=ids.tolist())))[f"ids_by_{name}"]
        assert found.severity == "warn"
        assert abs(found.size.value) > 0.9


def test_neighbours_that_are_bought_together(log: Log) -> None:
    """Four steps of ten lead to the item whose id comes next."""
    item = log.item.copy()
    names = [f"{n:04}" for n in range(len(log.items))]
    chosen = np.flatnonzero(~log.new_user & some(len(item)))
    for row in chosen.tolist():
        item[row] = (item[row - 1] + 1) % len(names)
    found = findings("item ids", Evidence(replace(log, item=item, items=names)))["ids_of_neighbours"]
    assert sized(found, STRENGTH)


@pytest.mark.parametrize(("cut", "severity"), [(0.4, "fail"), (0.05, "warn"), (0.005, "info")])
def test_truncation(log: Log, outcome: Outcome, cut: float, severity: str) -> None:
    found = findings("truncation", Evidence(log, outcome=replace(outcome, cut={"training examples": cut})))[
        "truncation"
    ]
    assert (found.severity, found.size.value) == (severity, cut)


def test_answers_in_their_prompts() -> None:
    texts = [
        (f"Had a soap. Buys the very {n} razor?" if n < 40 else "Had a soap", f"the very {n} Razor!")
        for n in range(100)
    ]
    assert sized(findings("truncation", Evidence(texts=texts))["answer_in_prompt"], 0.4, 1e-9)


def test_windows_of_lists_that_overlap_and_rows_that_ask_for_nothing() -> None:
    # Each of 100 users learned items 0 to 9 of its own. A test row of each asks for four of them and six new ones; a
    # second one, of every fourth user, asks for nothing.
    users, learned, given = [], [], []
    for user in range(100):
        given += [(len(users), user * 100 + item) for item in range(10)]
        given += [(len(users) + 1, user * 100 + item) for item in range(6, 16)]
        users += [user, user, *[user] * (user % 4 == 0)]
        learned += [True, False, *[False] * (user % 4 == 0)]
    rows = Written([str(n) for n in range(10_000)], np.array(given), np.array(users), np.array(learned))
    found = findings("overlap", Evidence(written=rows))
    assert sized(found["overlapping_windows"], 4 / 10, 1e-9)
    assert sized(found["rows_without_truth"], 25 / 125, 1e-9)
    apart = findings("overlap", Evidence(written=replace(rows, asker=np.arange(len(users)))))["overlapping_windows"]
    assert (apart.severity, apart.size.value) == ("info", 0.0)


def test_a_place_that_is_right_more_often(choice_set: MultipleChoiceSet) -> None:
    answer = np.where(some(len(choice_set.answer), share=0.2), 0, choice_set.answer)
    found = findings("options", Evidence(choice_set=replace(choice_set, answer=answer, item=None)))["answer_position"]
    assert sized(found, 0.2 + 0.8 / OPTIONS)
    assert found.severity == "fail"


def test_duplicates_same_products_and_false_negatives(log: Log, choice_set: MultipleChoiceSet) -> None:
    rows = np.flatnonzero(some(len(choice_set.answer)))
    other = (choice_set.answer[rows] + 1) % OPTIONS
    options = choice_set.options.copy()
    options[rows, other] = choice_set.right[rows]
    found = findings("options", Evidence(choice_set=replace(choice_set, options=options, item=None)))[
        "duplicate_options"
    ]
    assert sized(found, len(rows) / len(options), 1e-9)
    texts = [*choice_set.texts, *(text.upper() for text in choice_set.texts)]
    options[rows, other] = choice_set.right[rows] + len(choice_set.texts)
    found = findings("options", Evidence(choice_set=replace(choice_set, texts=texts, options=options)))[
        "same_product_options"
    ]
    assert sized(found, len(rows) / len(options), 1e-9)
    item = choice_set.item.copy()
    item[rows, other] = log.item[log.start[choice_set.asker[rows]]]
    fine = (item[rows, other] != item[rows, choice_set.answer[rows]]).sum()
    assert sized(
        findings("options", Evidence(log, replace(choice_set, item=item)))["false_negatives"], fine / len(item), 0.01
    )


def test_targets(log: Log) -> None:
    head, unseen = int(log.bought.argmax()), len(log.items)
    item = log.item.copy()
    targets = log.target
    item[targets[: int(0.6 * len(targets))]] = head
    item[targets[int(0.6 * len(targets)) :]] = unseen
    more = replace(log, item=item, items=[*log.items, "x"], titles=[*log.titles, "new"])
    found = findings("targets", Evidence(more))
    assert sized(found["popular_targets"], 0.6, 0.01)
    assert sized(found["unseen_targets"], 0.4, 0.01)
    assert findings("targets", Evidence(replace(more, withheld=True)))["unseen_targets"].severity == "info"


def test_items_without_a_text_of_their_own(log: Log) -> None:
    count = len(log.items)
    blank = [" " if n < count // 5 else title for n, title in enumerate(log.titles)]
    assert sized(findings("targets", Evidence(replace(log, titles=blank)))["no_text"], 0.2, 0.01)
    shared = ["Soap" if n < count // 5 else title for n, title in enumerate(log.titles)]
    assert sized(findings("targets", Evidence(replace(log, titles=shared)))["shared_titles"], 0.2, 0.01)


def test_the_sampled_metric_swaps_two_methods(log: Log, outcome: Outcome) -> None:
    """One is right at the top or nowhere, the other always near the tenth part: 100 draws of 10,000 prefer that one."""
    count = len(outcome.own)
    top = np.where(some(count, share=0.2), 1, 9_000)
    middle = np.full(count, 600)
    flawed = replace(outcome, ranks={"one": top, "other": middle}, catalogue=10_000)
    found = findings("sampled metrics", Evidence(log, outcome=flawed))["sampled_metric"]
    assert found.severity == "warn"
    assert "swap one and other" in found.says


def test_sampled_recall_by_hand() -> None:
    # Of 4 others 1 is better; 2 are drawn, and none of the better may be among them: 3/4 * 2/3.
    assert sampled_recall(np.array([2]), 5, drawn=2, k=1) == pytest.approx([3 / 4 * 2 / 3])
    assert sampled_recall(np.array([1, 5]), 5, drawn=2, k=1) == pytest.approx([1, 0])
    # Ten of a hundred: rank 1,000 of 12,086 stands among the first ten of 101 with the probability of < 10 hits.
    drawn = np.random.default_rng(1).hypergeometric(999, 12_085 - 999, 100, 200_000)
    assert sampled_recall(np.array([1000]), 12_086) == pytest.approx([(drawn < 10).mean()], abs=0.005)
