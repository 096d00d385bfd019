"""The pages of reproductions are written from the files of the runs."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def reproduce(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    spec = importlib.util.spec_from_file_location("reproduce", ROOT / "benchmarks" / "reproduce.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "reproduce", module)
    spec.loader.exec_module(module)
    return module


def test_rows_without_a_truth_are_misses_among_all_rows(reproduce: ModuleType) -> None:
    names = ("precision", "recall", "hr", "mrr", "ndcg")
    scores = {f"{name}@10": 0.3 for name in names} | {"users": 2, "without_truth": 4}
    table = reproduce._scores([("D", scores)]).splitlines()
    assert table[2] == "| D, rows with a truth | 0.3000 | 0.3000 | 0.3000 | 0.3000 | 0.3000 | 2 |"
    assert table[3] == "| D, all rows | 0.1000 | 0.1000 | 0.1000 | 0.1000 | 0.1000 | 6 |"  # 0.3 * 2 / 6


def test_runs_of_a_group_are_in_one_table(reproduce: ModuleType, tmp_path: Path) -> None:
    def row(value: float) -> dict[str, float]:
        """An estimate."""
        return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 1200}

    for name, value in (("one", 0.5), ("two", 0.6)):
        (tmp_path / name).mkdir()
        metrics = {"metrics": {"recall@10": row(value)}, "baselines": {"item_knn": {"recall@10": row(0.4)}}}
        finding = {"check": "ties", "severity": "fail", "says": "tied"}
        (tmp_path / name / "metrics.json").write_text(json.dumps(metrics))
        (tmp_path / name / "audit.json").write_text(json.dumps({"findings": [finding] if name == "two" else []}))
    (tmp_path / "rows.audit.json").write_text(json.dumps({"findings": [{**finding, "severity": "info"}]}))
    steps = (
        reproduce.Experiment("one", "First", "a.toml", ("data.reviews={runs}/r",)),
        reproduce.Experiment("two", "Second", "b.toml"),
        reproduce.Material("rows", "rows", ("python", "x.py", "{runs}/one"), "audit"),
    )
    comparison = {"metric": "recall@10", "difference": 0.1, "low": 0.05, "high": 0.15, "p_holm": 0.02, "n": 1200}
    (tmp_path / "two-against-one.compare.json").write_text(json.dumps({"comparisons": [comparison]}))
    group = reproduce.Group("T", ("recall@10", "gap"), steps, ("two", "one"))
    parts = reproduce._side_by_side(group, "d", tmp_path)
    assert parts[0].splitlines()[2:] == [
        "| First | 0.5000 [0.4000, 0.6000] |  | 1,200 |",
        "| Second | 0.6000 [0.5000, 0.7000] |  | 1,200 |",
        "| item knn | 0.4000 [0.3000, 0.5000] |  | 1,200 |",
    ]
    assert parts[1] == (
        "`shoptalk compare`: *Second* minus *First*, recall@10: +0.1000 [+0.0500, +0.1500], p = 0.020, 1,200 users."
    )
    assert parts[2].endswith("- **info**, ties: tied")
    assert parts[3:5] == [
        "`shoptalk audit --run` of *First*: no fail.",
        "`shoptalk audit --run` of *Second*: ties (tied).",
    ]
    assert parts[5].splitlines()[1:-1] == [
        "shoptalk run a.toml --set data.reviews=runs/d/r --out runs/d/one",
        "shoptalk run b.toml --out runs/d/two",
        "python x.py runs/d/one",
        "shoptalk audit --alpaca runs/d/rows",
        "shoptalk compare runs/d/two runs/d/one",
    ]


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "reproductions").glob("?.md")), ids=lambda page: page.stem)
def test_a_page_names_its_command_and_no_absolute_path(page: Path, reproduce: ModuleType) -> None:
    text = page.read_text(encoding="utf-8")
    block = text.split(reproduce.BEGIN)[1].split(reproduce.END)[0]
    if not block.strip():
        pytest.skip("no figures yet")
    assert block.strip().startswith(f"Written by `python benchmarks/reproduce.py {page.stem}`.")
    assert "/tmp" not in text
    assert "/home" not in text


def test_a_section_without_runs_stays_as_it_is(
    reproduce: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduce, "PAGES", tmp_path)
    sections = "### One\n\nold one\n\n### Two\n\nold two"
    (tmp_path / "x.md").write_text(f"Text\n{reproduce.BEGIN}\nWritten.\n\n{sections}\n{reproduce.END}\nafter")
    steps = (reproduce.Experiment("a", "A", "a.toml"), reproduce.Experiment("b", "B", "b.toml"))
    one, two = (reproduce.Group(title, ("recall@10",), steps) for title in ("One", "Two"))
    assert reproduce.group_section(two, "x", tmp_path / "runs") == ["### Two\n\nold two"]
    (tmp_path / "runs" / "b").mkdir(parents=True)
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 3}
    metrics = {"metrics": {"recall@10": estimate}, "baselines": {}}
    (tmp_path / "runs" / "b" / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "runs" / "b" / "audit.json").write_text('{"findings": []}')
    title, table, *_ = reproduce.group_section(one, "x", tmp_path / "runs")
    assert title == "### One"
    assert table.splitlines()[2:] == ["| B | 0.5000 [0.4000, 0.6000] | 3 |"]  # A has not been run


def test_published_metrics_and_a_table_of_unfinished_rows(reproduce: ModuleType, tmp_path: Path) -> None:
    forms = reproduce.graph_forms
    truth = [f"t{number}" for number in range(30)]
    ranked = [[*truth[:10], *(f"x{number}" for number in range(90))], ["a", "b"]]
    columns = forms.published_metrics(ranked, [truth, ["b", "c"]])
    assert columns["recall@20"].tolist() == [10 / 20, 1 / 2]  # min(20, 30 targets), min(20, 2 targets)
    assert columns["recall@40"].tolist() == [10 / 30, 1 / 2]
    values = {key: [0.1, 0.3] for key in (*forms.METRICS, forms.LONGER)}
    for form, add in (("off", 0.0), ("ones", 0.1)):
        row = forms.Row("random", form, pretrained=False)
        moved = {name: [value + add for value in column] for name, column in values.items()}
        content = {"users": ["a", "b"], "values": moved, "audit": "", "seconds": 1.0}
        (tmp_path / f"{row.name}.json").write_text(json.dumps(content))
    assert f"2 of {len(list(forms.rows('industrial')))} rows" in forms.tables("industrial", tmp_path)
    assert "ones +0.1000 [+0.1000, +0.1000], beyond chance" in forms.summary("industrial", tmp_path)


def test_error_analysis_names_what_exceeds_its_reference(reproduce: ModuleType) -> None:
    example = {"history": ["Rose soap", "Rose oil"], "options": ["Mint balm", "Rose balm"], "chosen": 0, "answer": 1,
               "why": "more popular"}  # fmt: skip
    excess = {"value": 0.2, "low": 0.1, "high": 0.3, "n": 9}
    popular = {"title": "Popular", "value": 0.7, "low": 0.6, "high": 0.8, "reference": 0.5, "excess": excess,
               "examples": [example]}  # fmt: skip
    unknown = {**popular, "title": "Other", "value": 0.1, "reference": None, "examples": []}
    unknown["excess"] = {"value": None, "low": None, "high": None, "n": 0}
    words = [{"word": "mint", "pull": 2.0, "low": 1.2}, {"word": "rose", "pull": 1.5, "low": 0.9}]
    analysis = {"wrong": 9, "cases": 20, "says": "Wrong.", "groups": [unknown, popular], "words": words}
    lines = reproduce.error_section("A", analysis).splitlines()
    assert lines[4:6] == [
        "| Popular | 0.700 [0.600, 0.800] | 0.500 | +0.200 [+0.100, +0.300] |",
        "| Other | 0.100 [0.600, 0.800] |  |  |",
    ]
    assert lines[7] == "Words of wrong options that are chosen too often: *mint* (2.0 times as often as by chance)."
    assert lines[9] == "- Popular: bought *Rose soap; Rose oil*; chosen *Mint balm*, right *Rose balm* (more popular)."


def test_a_group_is_chosen_by_number_or_name(reproduce: ModuleType) -> None:
    assert reproduce.chosen_groups("a", "smollm2") == reproduce.chosen_groups("a", None)
    assert reproduce.chosen_groups("c", "smollm2") == reproduce.chosen_groups("c", "2")
    assert len(reproduce.chosen_groups("c", None)) == 2
    assert reproduce.chosen_groups("c", "3") == ()
