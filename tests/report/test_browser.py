"""The report in a browser: width, console output, requests and accessibility."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shoptalk.report.page import write_report
from tests.report.runs import HOSTILE, full_run, ranking_metrics, write_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    runs = {"full": full_run(folder / "full"), "ranked": write_run(folder / "ranked", ranking_metrics())}
    for run in runs.values():
        write_report(run)
    return {name: run / "report.html" for name, run in runs.items()}


class Opened:
    """An open page with its console messages and requests."""

    def __init__(self, browser: Any, path: Path, width: int, media: str = "screen") -> None:
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 800})
        self.page.emulate_media(media=media)
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.eval_on_selector_all("details", "all => all.forEach(element => element.open = true)")

    def all(self, selector: str, script: str) -> list[Any]:
        return list(self.page.eval_on_selector_all(selector, f"all => all.map({script})"))


WIDTHS = [(name, width) for name in ("full", "ranked") for width in (1200, 360)]


@pytest.fixture(scope="module")
def opened_pages() -> Iterator[dict[tuple[str, int], Opened]]:
    """The pages that are open, by the name of their run and their width."""
    by_width: dict[tuple[str, int], Opened] = {}
    yield by_width
    for shown in by_width.values():
        shown.page.close()


@pytest.fixture(params=WIDTHS, ids=str)
def opened(
    browser: Any,
    pages: dict[str, Path],
    opened_pages: dict[tuple[str, int], Opened],
    request: pytest.FixtureRequest,
) -> Opened:
    """A page that the tests share in any order: they must not change it."""
    if request.param not in opened_pages:
        name, width = request.param
        opened_pages[request.param] = Opened(browser, pages[name], width)
    return opened_pages[request.param]


def test_it_requests_nothing_and_logs_no_errors(opened: Opened) -> None:
    assert opened.messages == []
    assert [url for url in opened.requests[1:] if not url.startswith("data:")] == []


def test_every_figure_is_drawn_and_described(opened: Opened) -> None:
    figures = opened.all("img", "element => [element.complete, element.naturalWidth, element.alt.length]")
    assert figures
    assert all(done and width > 0 and shown_values > 10 for done, width, shown_values in figures)


def test_it_is_no_wider_than_the_screen(opened: Opened) -> None:
    assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_headings_go_down_one_by_one(opened: Opened) -> None:
    levels = opened.all("h1, h2, h3, h4, h5, h6", "element => Number(element.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_landmarks_tables_and_links_are_accessible(opened: Opened) -> None:
    assert opened.all("html", "element => element.lang") == ["en"]
    for landmark in ("header", "main", "nav[aria-label]", "footer"):
        assert len(opened.all(landmark, "element => 1")) == 1, landmark
    ids = opened.all("[id]", "element => element.id")
    assert len(ids) == len(set(ids))
    assert set(opened.all("[aria-labelledby]", "element => element.getAttribute('aria-labelledby')")) <= set(ids)
    assert set(opened.all("a[href^='#']", "element => element.getAttribute('href').slice(1)")) <= set(ids)
    assert all(opened.all("table", "element => element.caption !== null && element.caption.textContent.trim() !== ''"))
    assert all(opened.all("th", "element => element.scope !== ''"))


@pytest.mark.parametrize(("name", "width"), WIDTHS)
def test_the_keyboard_skips_to_the_verdict_and_is_seen(
    browser: Any, pages: dict[str, Path], name: str, width: int
) -> None:
    shown = Opened(browser, pages[name], width)  # its focus moves, so it is a page of this test alone
    shown.page.keyboard.press("Tab")
    focus = "[document.activeElement.className, getComputedStyle(document.activeElement).outlineStyle]"
    assert shown.page.evaluate(focus) == ["skip", "solid"]
    shown.page.keyboard.press("Enter")
    assert shown.page.evaluate("document.activeElement.id") == "main"
    shown.page.close()


def test_hostile_titles_are_shown_and_do_nothing(browser: Any, pages: dict[str, Path]) -> None:
    shown = Opened(browser, pages["full"], 800)
    assert shown.page.title() == HOSTILE[0]  # the run's own name, as text
    text = shown.page.inner_text("main")
    assert all(title in text for title in HOSTILE if title.strip() == title)
    assert shown.all("script", "element => 1") == shown.all("img[src=x]", "element => 1") == []
    shown.page.close()


def test_print_shows_collapsed_sections(browser: Any, pages: dict[str, Path], tmp_path: Path) -> None:
    shown = Opened(browser, pages["full"], 800, media="print")
    shown.page.eval_on_selector_all("details", "all => all.forEach(element => element.open = false)")
    assert shown.page.is_visible("#metrics-table")
    assert not shown.page.is_visible("nav")
    shown.page.pdf(path=str(tmp_path / "report.pdf"))
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    shown.page.close()
