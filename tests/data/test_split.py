"""Splits: examples worked by hand, and properties for any purchases."""

import hashlib
from collections.abc import Iterator

import ibis
import ibis.expr.types as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoptalk.data.engine import Engine
from shoptalk.data.split import cold_items, order, split, withhold
from shoptalk.recipe import SplitSection

Row = tuple[str, str, int]  # user, item, timestamp


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("work")) as engine:
        yield engine


def table(engine: Engine, rows: list[Row]) -> ir.Table:
    user, item, time = zip(*rows, strict=True)
    return engine.table_of(
        {"user_id": user, "item_id": item, "timestamp": time, "position": list(range(len(rows)))}
    ).cast({"timestamp": "int64", "position": "int64"})


def parts(engine: Engine, rows: list[Row], seed: int = 1, **section: object) -> dict[str, list[tuple[str, str]]]:
    """User -> [(item, part)] in the order of positions."""
    table_with_parts = split(table(engine, rows), SplitSection(**section), seed, engine.cache)  # type: ignore[arg-type]
    by_user: dict[str, list[tuple[str, str]]] = {}
    for row in engine.to_pyarrow(table_with_parts.order_by(["user_id", "position"])).to_pylist():
        items_and_parts = by_user.setdefault(row["user_id"], [])
        assert row["position"] == len(items_and_parts)
        items_and_parts.append((row["item_id"], row["split"]))
    return by_user


def purchases(user: str, *times: int) -> list[Row]:
    """Purchases of one user: item n is called as the user with n behind it."""
    return [(user, f"{user}{index}", time) for index, time in enumerate(times)]


def letters(items_and_parts: list[tuple[str, str]]) -> str:
    """A letter for each part: t train, v validation, T test, c context, u unused."""
    return "".join({"test": "T"}.get(part, part[0]) for _, part in items_and_parts)


def test_order_follows_time_then_the_source(engine: Engine) -> None:
    rows = [("a", "late", 9), ("a", "z", 5), ("a", "b", 5), ("a", "first", 1)]
    done = engine.to_pyarrow(order(table(engine, rows), "source", 1).order_by("position")).to_pylist()
    assert [row["item_id"] for row in done] == ["first", "z", "b", "late"]


def test_random_ties_change_with_the_seed_only_inside_a_moment(engine: Engine) -> None:
    rows = [("a", "first", 1), *[("a", f"i{n}", 5) for n in range(8)], ("a", "last", 9)]
    orders = set()
    for seed in (1, 2, 2):
        done = engine.to_pyarrow(order(table(engine, rows), "random", seed).order_by("position"))
        items = done["item_id"].to_pylist()
        assert (items[0], items[-1]) == ("first", "last")
        assert sorted(items[1:-1]) == [f"i{n}" for n in range(8)]
        orders.add(tuple(items))
    assert len(orders) == 2  # seed 1, and twice the same for seed 2


def test_leave_one_out(engine: Engine) -> None:
    by_user = parts(
        engine, [*purchases("a", 1, 2, 3, 4), *purchases("b", 1, 2), *purchases("c", 3, 2, 1)], method="leave-one-out"
    )
    assert letters(by_user["a"]) == "ttvT"
    assert letters(by_user["b"]) == "tt"  # fewer than three: training only
    assert [item for item, _ in by_user["c"]] == ["c2", "c1", "c0"]  # in the order of time
    assert letters(by_user["c"]) == "tvT"


def test_leave_one_out_of_moments(engine: Engine) -> None:
    rows = [*purchases("a", 1, 2, 3, 3), *purchases("b", 1, 1, 2, 2), *purchases("c", 1, 2, 2, 3)]
    by_user = parts(engine, rows, method="leave-one-out", ties="set")
    assert letters(by_user["a"]) == "tvTT"  # both purchases of the last moment are the truth
    assert letters(by_user["b"]) == "tttt"  # two moments only
    assert letters(by_user["c"]) == "tvvT"


def test_by_user_with_a_fixed_history(engine: Engine) -> None:
    rows = [row for n in range(10) for row in purchases(f"u{n}", 1, 2, 3, 4)] + purchases("short", 1, 2)
    by_user = parts(engine, rows, method="by-user", fractions=(0.7, 0.1, 0.2), history=2)
    kinds = sorted(letters(user_parts) for user_parts in by_user.values())
    # 10 users are long enough: 7 train, 1 validates, 2 test. Two of history, the third asked.
    assert kinds == sorted(["tt"] + ["tttt"] * 7 + ["ccvu"] + ["ccTu"] * 2)
    assert letters(by_user["short"]) == "tt"


def test_by_user_without_validation_asks_for_the_last(engine: Engine) -> None:
    rows = [row for n in range(5) for row in purchases(f"u{n}", 1, 2, 3)]
    by_user = parts(engine, rows, method="by-user", fractions=(0.8, 0.0, 0.2))
    assert sorted(letters(user_parts) for user_parts in by_user.values()) == ["ccT"] + ["ttt"] * 4


def test_by_user_rounds_down_the_train_share(engine: Engine) -> None:
    rows = [row for n in range(9) for row in purchases(f"u{n}", 1, 2)]
    by_user = parts(engine, rows, method="by-user", fractions=(0.7, 0.15, 0.15))
    kinds = [letters(user_parts) for user_parts in by_user.values()]
    # 9 * .7 = 6.3 -> 6 train; 9 * .85 = 7.65 -> 7, so 1 validates; 2 test
    assert (kinds.count("tt"), kinds.count("cv"), kinds.count("cT")) == (6, 1, 2)


def test_by_user_with_ties_as_a_set(engine: Engine) -> None:
    rows = purchases("a", 1, 2, 2, 3)
    everything = {"method": "by-user", "fractions": (0.0, 0.0, 1.0), "ties": "set"}
    # Place 1 is asked; place 2 shares its moment.
    assert letters(parts(engine, rows, history=1, **everything)["a"]) == "cTTu"
    # Place 2 is asked; place 1 shares its moment but is history.
    assert letters(parts(engine, rows, history=2, **everything)["a"]) == "ccTu"
    assert letters(parts(engine, purchases("b", 1, 2, 2), **everything)["b"]) == "cTT"
    assert letters(parts(engine, purchases("b", 2, 2), **everything)["b"]) == "tt"  # no history would be left


def test_random_divides_shuffled_purchases(engine: Engine) -> None:
    rows = [row for n in range(30) for row in purchases(f"u{n:02}", *range(10))]
    by_user = parts(engine, rows, method="random", fractions=(0.8, 0.1, 0.1))
    assert {letters(user_parts) for user_parts in by_user.values()} == {"ttttttttvT"}  # 10 purchases: 8, 1 and 1
    tested = [int(user_parts[-1][0][3:]) for user_parts in by_user.values()]
    assert len(set(tested)) > 5  # the test is no purchase of a certain time
    assert parts(engine, rows, method="random") == by_user
    assert parts(engine, rows, 2, method="random") != by_user


def test_by_user_seed_decides_who(engine: Engine) -> None:
    rows = [row for n in range(40) for row in purchases(f"u{n:02}", 1, 2)]

    def tested(seed: int) -> set[str]:
        by_user = parts(engine, rows, seed, method="by-user", fractions=(0.5, 0.0, 0.5))
        return {user for user, user_parts in by_user.items() if letters(user_parts) == "cT"}

    assert len(tested(1)) == len(tested(2)) == 20
    assert tested(1) == tested(1) != tested(2)


def test_by_time(engine: Engine) -> None:
    # Timestamps 0..9, ten rows: the quantile .6 is timestamp 6, the quantile .8 is timestamp 8.
    rows = [("a", "a0", 0), ("a", "a1", 1), ("b", "b0", 2), ("b", "b1", 3), ("c", "c0", 4), ("a", "a2", 5)]
    rows += [("a", "a3", 6), ("a", "a4", 7), ("a", "a5", 8), ("d", "d0", 9)]
    by_user = parts(engine, rows, method="by-time", fractions=(0.6, 0.2, 0.2))
    # a: three train; 6 is the first of the validation window, 7 comes after it but before the test's truth: input only.
    assert letters(by_user["a"]) == "tttvcT"
    assert letters(by_user["b"]) == "tt"
    assert letters(by_user["d"]) == "u"  # nothing before it to ask from


def test_by_time_asks_a_new_user_for_the_second_purchase(engine: Engine) -> None:
    rows = [*purchases("a", 1, 2, 3, 4), *purchases("new", 5, 6, 7)]  # the quantile 4/7 is timestamp 5
    by_user = parts(engine, rows, method="by-time", fractions=(4 / 7, 0.0, 3 / 7))
    assert letters(by_user["new"]) == "cTu"
    by_user = parts(
        engine,
        [*purchases("a", 1, 2, 3, 4), *purchases("new", 5, 5, 7)],
        method="by-time",
        fractions=(4 / 7, 0, 3 / 7),
        ties="set",
    )
    assert letters(by_user["new"]) == "ccT"  # the first moment is all there is before the truth


def test_by_time_per_user(engine: Engine) -> None:
    section = {"method": "by-time-per-user", "fractions": (0.7, 0.1, 0.2)}
    by_user = parts(engine, [*purchases("a", *range(10)), *purchases("b", 1, 2, 3), *purchases("c", 1)], **section)
    assert letters(by_user["a"]) == "tttttttvTT"  # 7 train, 1 validation, 2 test: all of them are the truth
    assert letters(by_user["b"]) == "ttT"  # floor(2.1) = 2 and floor(2.4) = 2
    assert letters(by_user["c"]) == "t"
    # The moment that starts in training stays whole.
    assert (
        letters(parts(engine, purchases("a", 0, 1, 2, 3, 4, 5, 6, 6, 8, 9), ties="set", **section)["a"]) == "ttttttttTT"
    )


PURCHASES = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("stuvwxyz"), st.integers(0, 12)), min_size=1, max_size=60
)
METHODS = st.sampled_from(["leave-one-out", "by-user", "by-time", "by-time-per-user"])
FRACTIONS = st.sampled_from([(0.8, 0.1, 0.1), (0.7, 0.15, 0.15), (0.5, 0.0, 0.5), (0.34, 0.33, 0.33)])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=PURCHASES,
    method=METHODS,
    fractions=FRACTIONS,
    history=st.integers(0, 3),
    ties=st.sampled_from(["source", "random", "set"]),
)
def test_properties_for_any_purchases(
    engine: Engine, rows: list[Row], method: str, fractions: tuple[float, float, float], history: int, ties: str
) -> None:
    section = SplitSection(method=method, fractions=fractions, history=history, ties=ties)  # type: ignore[arg-type]
    done = engine.to_pyarrow(split(table(engine, rows), section, 3, engine.cache).order_by(["user_id", "position"]))
    split_rows = done.to_pylist()
    # All rows are there, and no others.
    assert sorted((row["user_id"], row["item_id"], row["timestamp"]) for row in split_rows) == sorted(rows)
    for user in {row[0] for row in rows}:
        user_rows = [row for row in split_rows if row["user_id"] == user]
        assert [row["position"] for row in user_rows] == list(range(len(user_rows)))
        assert [row["timestamp"] for row in user_rows] == sorted(row["timestamp"] for row in user_rows)
        kinds = [row["split"] for row in user_rows]
        assert kinds[0] not in ("validation", "test")  # every case has a history
        for part in ("validation", "test"):
            indices = [at for at, kind in enumerate(kinds) if kind == part]
            assert (
                indices == list(range(indices[0], indices[0] + len(indices))) if indices else True
            )  # one run, one case
        # Training rows come before all others.
        assert kinds == sorted(kinds, key=lambda kind: kind != "train")
        if ties != "set" and method != "by-time-per-user":
            assert max(kinds.count("validation"), kinds.count("test")) <= 1
    if method == "by-time":
        training_times = [row["timestamp"] for row in split_rows if row["split"] == "train"]
        target_times = [row["timestamp"] for row in split_rows if row["split"] in ("validation", "test")]
        assert not training_times or not target_times or max(training_times) < min(target_times)


@pytest.mark.parametrize("ties", ["source", "random", "set"])
def test_the_expressions_compile_for_spark(ties: str) -> None:
    rows = ibis.table({"user_id": "string", "item_id": "string", "timestamp": "int64", "position": "int64"}, name="t")
    section = SplitSection(method="leave-one-out", ties=ties)  # type: ignore[arg-type]
    sql = ibis.to_sql(split(rows, section, 1, lambda table: table), dialect="pyspark")
    assert ("MD5" in sql.upper()) == (ties == "random")


def withheld_parts(engine: Engine, rows: list[Row], cold: set[str], ties: str = "source") -> dict[str, str]:
    """User -> "item:part" of the purchases that remain when the cold items are withheld."""
    section = SplitSection(ties=ties, cold=0.5)  # type: ignore[arg-type]
    chosen = engine.table_of({"item_id": sorted(cold) or ["nothing"]})
    remaining = engine.cache(withhold(table(engine, rows), chosen, section, 1, engine.cache))
    done = engine.to_pyarrow(split(remaining, section, 1, engine.cache).order_by(["user_id", "position"])).to_pylist()
    by_user: dict[str, list[str]] = {}
    for row in done:
        item_and_part = f"{row['item_id']}:{'T' if row['split'] == 'test' else row['split'][0]}"
        by_user.setdefault(row["user_id"], []).append(item_and_part)
    return {user: " ".join(texts) for user, texts in by_user.items()}


def test_cold_items_are_test_targets_only(engine: Engine) -> None:
    rows = [*purchases("a", 1, 2, 3, 4, 5), *purchases("b", 1, 2, 3), *purchases("c", 1, 2, 3, 4), *purchases("d", 1)]
    # a: in the middle it goes, at the end it stays. b: of three the first goes, so two would be left: no test, and the
    # cold last one goes too. c: an early one goes, the last is not cold. d: its only one goes, and d with it.
    cold = {"a1", "a4", "b0", "b2", "c0", "d0"}
    assert withheld_parts(engine, rows, cold) == {"a": "a0:t a2:t a3:v a4:T", "b": "b1:t", "c": "c1:t c2:v c3:T"}
    assert withheld_parts(engine, rows, set())["b"] == "b0:t b1:v b2:T"


def test_cold_items_of_a_last_moment_with_ties(engine: Engine) -> None:
    rows = [*purchases("a", 1, 2, 3, 3), *purchases("b", 1, 2, 2)]
    # Both purchases of a's last moment are its truth, the cold one too; b has two moments, so no test.
    assert withheld_parts(engine, rows, {"a2", "b1"}, "set") == {"a": "a0:t a1:v a2:T a3:T", "b": "b0:t b2:t"}
    # With ties as in the source, only the very last purchase is asked for.
    assert withheld_parts(engine, rows, {"a2"})["a"] == "a0:t a1:v a3:T"


def test_the_share_of_cold_items(engine: Engine) -> None:
    items = engine.table_of({"item_id": [f"i{number}" for number in range(4000)]})

    def drawn(share: float, seed: int) -> set[str]:
        chosen = cold_items(items, SplitSection(cold=share), seed)
        return set(engine.to_pyarrow(chosen)["item_id"].to_pylist())

    assert 400 - 76 <= len(drawn(0.1, 1)) <= 400 + 76  # four standard deviations of sqrt(4000 * .1 * .9) = 19
    assert drawn(0.1, 1) == drawn(0.1, 1) != drawn(0.1, 2)
    assert drawn(0.1, 1) < drawn(0.2, 1)
    assert (len(drawn(0.0, 1)), len(drawn(1.0, 1))) == (0, 4000)
    # MD5 of "1", a unit separator and the id, by another implementation.
    by_hand = {f"i{number}" for number in range(4000) if _md5(f"1\x1fi{number}") < 0.1 * 2**32}
    assert drawn(0.1, 1) == by_hand


def _md5(text: str) -> int:
    return int(hashlib.md5(text.encode()).hexdigest()[:8], 16)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=PURCHASES, cold=st.sets(st.sampled_from("stuvwxyz")), ties=st.sampled_from(["source", "random", "set"]))
def test_no_cold_item_is_in_training(engine: Engine, rows: list[Row], cold: set[str], ties: str) -> None:
    section = SplitSection(ties=ties, cold=0.5)  # type: ignore[arg-type]
    chosen = engine.table_of({"item_id": sorted(cold) or ["nothing"]})
    remaining = engine.cache(withhold(table(engine, rows), chosen, section, 3, engine.cache))
    done = engine.to_pyarrow(split(remaining, section, 3, engine.cache)).to_pylist()
    assert all(row["split"] == "test" for row in done if row["item_id"] in cold)
    # All other purchases remain.
    assert sorted((row["user_id"], row["item_id"], row["timestamp"]) for row in done if row["item_id"] not in cold) == (
        sorted(row for row in rows if row[1] not in cold)
    )


@pytest.mark.parametrize("ties", ["source", "random", "set"])
def test_withholding_compiles_for_spark(ties: str) -> None:
    rows = ibis.table({"user_id": "string", "item_id": "string", "timestamp": "int64", "position": "int64"}, name="t")
    section = SplitSection(cold=0.1, ties=ties)  # type: ignore[arg-type]
    items = ibis.table({"item_id": "string"}, name="i")
    sql = ibis.to_sql(withhold(rows, cold_items(items, section, 1), section, 1, lambda table: table), dialect="pyspark")
    assert "MD5" in sql.upper()
