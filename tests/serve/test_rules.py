"""Business rules: what each does to a list, what answers say of it, and files that cannot be used."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from shoptalk.errors import RulesError
from shoptalk.serve.rules import read_rules
from tests.serve.conftest import Start, ids, post_event, recommend, service


@pytest.fixture
def with_rules(served_run: Path, start: Start, tmp_path: Path) -> Any:
    """Starts a service with rules, and gives it with its products and its list without rules."""

    def begin(text: str) -> Any:
        path = tmp_path / "rules.toml"
        path.write_text("")
        client = start(served_run, rules=str(path))
        items = service(client).state.arms[0].items
        plain = ids(recommend(client, history=[items[0]], k=40))
        path.write_text(text.replace("FIRST", plain[0]).replace("LAST", plain[-1]).replace("THIRD", plain[2]))
        assert client.post("/v1/admin/reload").json()["refused"] == {}
        return client, items, plain

    return begin


def test_hide(with_rules: Any) -> None:
    client, items, plain = with_rules('[[rule]]\nname = "none of it"\nhide = true\nwhere = { items = ["FIRST"] }')
    answer = recommend(client, history=[items[0]], k=3)
    assert ids(answer) == plain[1:4]
    assert answer["rules"] == [{"rule": "none of it", "action": "hide", "items": [plain[0]]}]
    assert recommend(client, history=[items[0]], k=3, filters={"deny": [plain[0]]})["rules"] == []  # nothing to hide


def test_boost_and_demote(with_rules: Any) -> None:
    client, items, plain = with_rules(
        '[[rule]]\nname = "up"\nboost = 10.0\nwhere = { items = ["LAST"] }\n'
        '[[rule]]\nname = "down"\nboost = -10.0\nwhere = { items = ["FIRST"] }'
    )
    answer = recommend(client, history=[items[0]], k=40)
    assert ids(answer)[0] == plain[-1]
    assert ids(answer)[-1] == plain[0]
    assert answer["items"][0]["rules"] == ["up"]
    assert ids(answer)[1:-1] == plain[1:-1]


def test_pin(with_rules: Any) -> None:
    client, items, plain = with_rules('[[rule]]\nname = "launch"\npin = 2\nwhere = { items = ["LAST"] }')
    answer = recommend(client, history=[items[0]], k=3)
    assert ids(answer) == [plain[0], plain[-1], plain[1]]
    assert [item["rules"] for item in answer["items"]] == [[], ["launch"], []]
    assert plain[-1] not in ids(recommend(client, history=[items[0]], k=3, filters={"deny": [plain[-1]]}))


def test_at_most_per_category(with_rules: Any) -> None:
    client, items, plain = with_rules('[[rule]]\nname = "variety"\nat_most = 1\nper = "category"')
    state = service(client).state
    answer = recommend(client, history=[items[0]], k=40)
    last = [state.catalogue.items[item].categories[-1] for item in ids(answer)]
    assert len(last) == len(set(last)) > 1
    expected = []
    for item in plain:
        category = state.catalogue.items[item].categories[-1]
        if category not in [state.catalogue.items[one].categories[-1] for one in expected]:
            expected.append(item)
    assert ids(answer) == expected
    assert answer["rules"][0]["rule"] == "variety"


def test_minimum_stock(with_rules: Any) -> None:
    client, items, plain = with_rules('[[rule]]\nname = "stock"\nminimum_stock = 2')
    assert ids(recommend(client, history=[items[0]], k=2)) == plain[:2]  # stock unknown
    assert client.patch(f"/v1/items/{plain[0]}", json={"stock": 1}).status_code == 200
    assert client.patch(f"/v1/items/{plain[1]}", json={"stock": 2}).status_code == 200
    assert ids(recommend(client, history=[items[0]], k=2)) == plain[1:3]


def test_not_again_for_some_days(with_rules: Any) -> None:
    client, items, _ = with_rules('[[rule]]\nname = "rest"\ndays_after_purchase = 30')
    now = time.time()
    post_event(client, "1", "u", items[0], timestamp=now - 40 * 86_400)
    post_event(client, "2", "u", items[1], timestamp=now - 20 * 86_400)
    found = ids(recommend(client, user="u", k=40, exclude_history=False))
    assert items[0] in found
    assert items[1] not in found


def test_rules_are_taken_up_when_the_file_changes_and_broken_ones_refused(
    served_run: Path, start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text("")
    client = start(served_run, rules=str(path), poll_seconds=0.05)
    items = service(client).state.arms[0].items
    best = ids(recommend(client, history=[items[0]], k=1))[0]

    def until(wanted: Any) -> bool:
        for _ in range(100):
            if wanted():
                return True
            time.sleep(0.05)
        return False

    path.write_text(f'[[rule]]\nname = "gone"\nhide = true\nwhere = {{ items = ["{best}"] }}')
    assert until(lambda: ids(recommend(client, history=[items[0]], k=1))[0] != best)
    path.write_text('[[rule]]\nname = "wrong"\nhide = 3')
    assert until(lambda: client.get("/v1/admin/status").json()["refused"])
    assert client.get("/v1/admin/status").json()["rules"] == ["gone"]
    assert ids(recommend(client, history=[items[0]], k=1))[0] != best
    path.write_text("")
    os.utime(path, (1, 1))
    assert until(lambda: ids(recommend(client, history=[items[0]], k=1))[0] == best)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[rule]]\nname = 'a'", "needs exactly one of"),
        ("[[rule]]\nname = 'a'\nhide = true\npin = 1", "has hide and pin"),
        ("[[rule]]\nname = 'a'\nhide = true\nwere = {}", "unknown key"),
        ("[[rule]]\nname = 'a'\nhide = true\n[[rule]]\nname = 'a'\nhide = true", "two rules are named 'a'"),
        ("[[rule]]\nname = 'a'\nboost = inf", "boost"),
        ("[[rule]", "not TOML"),
        ("x = " + "[" * 5_000, "not TOML"),
        ("\xff", "not TOML"),
        ("# " + "x" * 1_100_000, "too large"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RulesError, match=says):
        read_rules(path)


def test_no_file_of_rules_stops_the_start(served_run: Path, start: Start, tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="cannot be read"):
        start(served_run, rules=str(tmp_path / "missing.toml"))
