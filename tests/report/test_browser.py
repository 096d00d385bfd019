"""The page as a browser shows it: whole, narrow, quiet, and for those who do not see it."""

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shoptalk.report.page import write_report
from tests.report.runs import HOSTILE, full_run, ranking_metrics, write_run

pytestmark = pytest.mark.browser
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with driver.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-quic"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    runs = {"full": full_run(folder / "full"), "ranked": write_run(folder / "ranked", ranking_metrics())}
    for run in runs.values():
        write_report(run)
    return {name: run / "report.html" for name, run in runs.items()}


class Opened:
    """A page with what it said and asked for while it was opened."""

    def __init__(self, browser: Any, path: Path, width: int, media: str = "screen") -> None:
        self.stated: list[str] = []
        self.asked: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 800})
        self.page.emulate_media(media=media)
        self.page.on("console", lambda message: self.stated.append(message.text))
        self.page.on("pageerror", lambda error: self.stated.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")

    def all(self, selector: str, script: str) -> list[Any]:
        return list(self.page.eval_on_selector_all(selector, f"all => all.map({script})"))


WIDTHS = [(name, width) for name in ("full", "ranked") for width in (1200, 360)]


@pytest.fixture(params=WIDTHS, ids=str)
def opened(browser: Any, pages: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[Opened]:
    name, width = request.param
    shown = Opened(browser, pages[name], width)
    yield shown
    shown.page.close()


def test_it_loads_nothing_and_complains_of_nothing(opened: Opened) -> None:
    assert opened.stated == []
    assert [url for url in opened.asked[1:] if not url.startswith("data:")] == []


def test_every_figure_is_drawn_and_told(opened: Opened) -> None:
    figures = opened.all("img", "one => [one.complete, one.naturalWidth, one.alt.length]")
    assert figures
    assert all(done and width > 0 and shown_values > 10 for done, width, shown_values in figures)


def test_it_is_no_wider_than_the_screen(opened: Opened) -> None:
    assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_headings_go_down_one_by_one(opened: Opened) -> None:
    levels = opened.all("h1, h2, h3, h4, h5, h6", "one => Number(one.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_landmarks_tables_and_links_can_be_heard(opened: Opened) -> None:
    assert opened.all("html", "one => one.lang") == ["en"]
    for landmark in ("header", "main", "nav[aria-label]", "footer"):
        assert len(opened.all(landmark, "one => 1")) == 1, landmark
    ids = opened.all("[id]", "one => one.id")
    assert len(ids) == len(set(ids))
    assert set(opened.all("[aria-labelledby]", "one => one.getAttribute('aria-labelledby')")) <= set(ids)
    assert set(opened.all("a[href^='#']", "one => one.getAttribute('href').slice(1)")) <= set(ids)
    assert all(opened.all("table", "one => one.caption !== null && one.caption.textContent.trim() !== ''"))
    assert all(opened.all("th", "one => one.scope !== ''"))


def test_the_keyboard_skips_to_the_verdict_and_is_seen(opened: Opened) -> None:
    opened.page.keyboard.press("Tab")
    focus = "[document.activeElement.className, getComputedStyle(document.activeElement).outlineStyle]"
    assert opened.page.evaluate(focus) == ["skip", "solid"]
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("document.activeElement.id") == "main"


def test_hostile_titles_are_shown_and_do_nothing(browser: Any, pages: dict[str, Path]) -> None:
    shown = Opened(browser, pages["full"], 800)
    assert shown.page.title() == HOSTILE[0]  # the run's own name, as text
    text = shown.page.inner_text("main")
    assert all(title in text for title in HOSTILE if title.strip() == title)
    assert shown.all("script", "one => 1") == shown.all("img[src=x]", "one => 1") == []
    shown.page.close()


def test_paper_shows_what_is_folded_on_a_screen(browser: Any, pages: dict[str, Path], tmp_path: Path) -> None:
    shown = Opened(browser, pages["full"], 800, media="print")
    shown.page.eval_on_selector_all("details", "all => all.forEach(one => one.open = false)")
    assert shown.page.is_visible("#metrics-table")
    assert not shown.page.is_visible("nav")
    shown.page.pdf(path=str(tmp_path / "report.pdf"))
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    shown.page.close()
