"""The report of a comparison contains every value and loads nothing from elsewhere."""

import base64
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from shoptalk.cli.main import main
from shoptalk.report.comparison import bare_p, number, show_cost, show_more, signed, write_comparison
from shoptalk.report.forest import draw_cost, draw_differences, style
from shoptalk.results import ComparedRecipe, Comparison, ComparisonResult, Cost, SeededEstimate
from shoptalk.stages.compare import compare
from tests.runs import BAD, GOOD, USERS, make_run

#: One of 500 users differs, and no interval is known.
PAIR = Comparison(
    "a", "o", "recall@10", 0.1, math.nan, math.nan, p=1.0, p_randomisation=1.0, p_holm=math.nan, effect=0.0, wins=0.0,
    losses=0.0, ties=1.0, n=500, users_needed=None,
)  # fmt: skip


@pytest.fixture
def report(tmp_path: Path) -> ComparisonResult:
    """Two seeds of one recipe, one of another that is worse, and one that is a little worse."""
    both = [make_run(tmp_path / f"a{seed}", GOOD, [1] * 50 + [0] * 10, seed=seed, name="a & <b>") for seed in (1, 2)]
    bad = make_run(tmp_path / "c", BAD, [1] * 20 + [0] * 40, name="c", width=64, seconds=300)
    near = make_run(tmp_path / "d", [1] * 39 + [0] * 21, [1] * 49 + [0] * 11, name="d", width=96)
    return compare([*both, bad, near])


def page_text(page: str) -> str:
    """The text of a page without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("</style>")[1]))


def test_every_figure_is_on_the_page(report: ComparisonResult, tmp_path: Path) -> None:
    write_comparison(report, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    text = page_text(page).replace("&lt;", "<")
    figures = [number(figure) for group in report.groups for metric in group.metrics.values()
               for figure in (metric.value, metric.low, metric.high, metric.spread) if figure is not None]  # fmt: skip
    for comparison in report.comparisons:
        figures += [signed(figure) for figure in (comparison.difference, comparison.low, comparison.high)] + [
            signed(comparison.effect, 3)
        ]
        figures += [
            f"{comparison.wins:.3f} / {comparison.losses:.3f} / {comparison.ties:.3f}",
            bare_p(comparison.p_holm),
        ]
        figures += [
            f"randomisation {bare_p(comparison.p_randomisation)} bootstrap {bare_p(comparison.p)}",
            show_more(comparison),
        ]
    figures += [show_cost(name, group.cost) for group in report.groups for name in
                ("training_seconds", "evaluation_seconds", "peak_memory_bytes", "tokens", "parameters")]  # fmt: skip
    figures += [report.fingerprint, f"{USERS} test users", "c", "d", "model.width", "1, 2"]
    figures += [run for group in report.groups for run in group.runs]
    assert [figure for figure in figures if figure not in text] == []
    assert "<b>" not in page.split("</style>")[1]  # names are escaped
    assert "a &amp; &lt;b&gt;" in page


def test_the_page_is_self_contained_and_every_picture_has_a_description(
    report: ComparisonResult, tmp_path: Path
) -> None:
    write_comparison(report, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", page)
    assert "<script" not in page
    pictures = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', page)
    assert len(pictures) == page.count("<img") == 2 * len(report.metrics) + 1
    for address, shown in pictures:
        assert base64.b64decode(address.removeprefix("data:image/svg+xml;base64,")).rstrip().endswith(b"</svg>")
        assert re.search(r"\d\.\d{4}", shown)


def test_the_same_runs_give_the_same_page(report: ComparisonResult, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_comparison(report, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_seeds_alone_and_unknown_costs_make_a_page_too(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"{seed}", GOOD, seed=seed) for seed in (1, 2)]
    report = compare(runs)
    unknown = replace(report, groups=(replace(report.groups[0], cost=Cost()),))
    write_comparison(unknown, tmp_path / "page.html")
    stated = page_text((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "Differences" not in stated
    assert "energy needs readable hardware counters" in stated


def test_the_command_writes_the_page_and_prints_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    runs = [make_run(tmp_path / "a", GOOD, name="a[b]"), make_run(tmp_path / "b", BAD, name="b", width=64)]
    with pytest.raises(SystemExit) as caught:
        main(["compare", *map(str, runs), "--out", str(tmp_path / "page.html")])
    assert not caught.value.code
    stated = capsys.readouterr().out
    assert "a[b] is significantly better than b: Recall@10 0.6667 against 0.5000" in stated
    assert "a[b] − b" in stated
    assert (tmp_path / "page.html").exists()


def test_how_figures_are_shown() -> None:
    assert (number(None), number(math.nan), signed(math.nan), signed(0.0), signed(-0.01)) == (
        "–", "–", "–", "0", "-0.0100",
    )  # fmt: skip
    assert (bare_p(0.0001), bare_p(0.04), bare_p(math.nan)) == ("< 0.001", "0.040", "–")
    assert show_more(replace(PAIR, users_needed=None)) == ""
    assert show_more(replace(PAIR, users_needed=3000)) == "2,500"
    assert show_more(replace(PAIR, users_needed=5_000_000)) == "over a million"
    cost = Cost(training_seconds=61.0, joules=2500.0, joules_of=("cpu", "gpu"))
    assert show_cost("training_seconds", cost) == "1 min 01 s"
    assert show_cost("joules", cost) == "2.5 kJ (cpu and gpu)"
    assert show_cost("tokens", cost) == "–"


def test_figures_at_their_limits() -> None:
    """A single user without an interval, a long name, and the styles of many groups."""
    assert draw_differences([replace(PAIR, one="n$^" * 80)], "Recall@10").startswith("data:image/svg+xml;base64,")
    metric = SeededEstimate(0.1, 0.1, 0.1, n=1, spread=None, by_seed=(0.1,))
    group = ComparedRecipe("$x^$", ("r",), (1,), {}, {"recall@10": metric}, Cost(training_seconds=1.0))
    assert draw_cost([replace(group, cost=Cost())], "recall@10", "Recall@10") == ""
    assert draw_cost([group, group], "recall@10", "Recall@10")  # no formula, however it looks
    assert len({style(index) for index in range(7)}) == 7
