"""The page and the dashboard in a browser, against a real ``shoptalk serve``."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shoptalk.online.database import open_database
from shoptalk.online.keys import create_key

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PATIENCE = 60_000
#: A product whose every text tries to become markup; a rule pins it to the first place.
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
PRICED = "priced-1"
RULES = f"""
[[rule]]
name = {json.dumps(HOSTILE[:60])}
pin = 1
where = {{ items = ["hostile-1"] }}
"""
PRODUCTS: list[dict[str, Any]] = [
    {"item_id": "hostile-1", "title": HOSTILE, "brand": HOSTILE[:150], "categories": [HOSTILE[:150], "<b>Odd</b>"],
     "description": HOSTILE, "features": [HOSTILE]},
    {"item_id": PRICED, "title": "Copper garden lantern", "brand": "Priced", "categories": ["Lanterns"], "price": 12.5},
]  # fmt: skip


def call(method: str, address: str, body: Any = None, key: str | None = None) -> Any:
    """The JSON of an answer."""
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"Authorization": f"Bearer {key}"})
    content = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(address, content, headers, method=method), timeout=60) as answer:
        return json.load(answer)


@contextmanager
def serving(run: Path, folder: Path, *options: str, key: str | None = None) -> Iterator[str]:
    """The address of a service in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rules = folder / "rules.toml"
    rules.write_text(RULES)
    command = [sys.executable, "-m", "shoptalk.cli.main", "serve", str(run), "--database", str(folder / "shop.db"),
               "--port", str(port), "--rules", str(rules), "--timeout", "30", *options]  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log, subprocess.Popen(command, stderr=log, env=os.environ) as process:
        try:
            _wait_for(address, process, folder / "log")
            call("POST", f"{address}/v1/items", {"items": PRODUCTS}, key)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            call("GET", f"{address}/readyz")
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the service did not start: {log.read_text()}")


@pytest.fixture(scope="module")
def shop(served_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an open service."""
    with serving(served_run, tmp_path_factory.mktemp("open")) as address:
        yield address


class Visit:
    """A browser window of its own, with its cookies and what went wrong in it."""

    def __init__(self, browser: Any, address: str, *, width: int = 1280, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.context.set_default_timeout(PATIENCE)
        self.address = address
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    def open(self, path: str = "/", wait: str = "#picks .card") -> "Visit":
        self.page.goto(self.address + path)
        self.page.wait_for_selector(wait)
        return self

    def step_into_a_test_user(self, number: int = 0) -> None:
        self.page.click("#person")
        self.page.locator(".people button").nth(number).click()
        self.page.wait_for_selector("#truth .rank")
        self.page.wait_for_selector("#picks .bars")

    def picks(self) -> list[str]:
        found: list[str] = self.page.eval_on_selector_all("#picks .card", "all => all.map(one => one.dataset.item)")
        return found

    def visitor(self) -> str:
        return next(c["value"].partition(".")[0] for c in self.context.cookies() if c["name"] == "shoptalk_visitor")

    def stored(self) -> Any:
        return call("GET", f"{self.address}/v1/users/{self.visitor()}")

    def focus(self) -> Any:
        """Where the focus is: the id or text of the element."""
        return self.page.evaluate("document.activeElement.id || document.activeElement.textContent")


@pytest.fixture
def visit(browser: Any, shop: str) -> Iterator[Visit]:
    visit = Visit(browser, shop)
    yield visit
    visit.context.close()


def changed(visit: Visit, word: str) -> None:
    """Wait until the recommendations have followed something."""
    visit.page.wait_for_function(
        "word => document.querySelector('#picks-about').textContent.includes(word)", arg=f"after your {word}"
    )


def test_a_click_moves_the_recommendations_and_is_attributed(visit: Visit) -> None:
    visit.open()
    assert "no history yet" in visit.page.inner_text("#picks-note")
    before, clicked = visit.picks(), visit.picks()[2]
    visit.page.locator("#picks .card h3 button").nth(2).click()
    visit.page.wait_for_selector("dialog[open] .sheet")
    changed(visit, "click")
    visit.page.keyboard.press("Escape")
    assert visit.picks() != before
    assert visit.page.is_hidden("#picks-note")  # the model answers now
    stored = visit.stored()
    (event,) = stored["events"]
    assert (event["kind"], event["item_id"]) == ("click", clicked)
    first = min(stored["recommendations"], key=lambda one: one["created"])
    assert event["recommendation_id"] == first["recommendation_id"]
    assert [one["item_id"] for one in first["shown"]] == before
    assert visit.problems == []


def test_the_basket_and_a_purchase(visit: Visit) -> None:
    visit.open()
    bought = visit.picks()[1]
    visit.page.locator("#picks .card .actions button").nth(1).click()
    visit.page.wait_for_function("() => document.querySelector('#basket-count').textContent === '1'")
    visit.page.fill("#query", "copper garden lantern")
    visit.page.keyboard.press("Enter")
    visit.page.locator("#found-items .card .actions button").first.click()
    visit.page.wait_for_function("() => document.querySelector('#basket-count').textContent === '2'")
    visit.page.click("#basket")
    prices = visit.page.eval_on_selector_all("dialog .line .num", "all => all.map(one => Number(one.textContent))")
    assert 12.5 in prices
    assert visit.page.inner_text("dialog .total .num") == f"{sum(prices):.2f}"
    visit.page.get_by_role("button", name="Buy all 2").click()
    changed(visit, "purchase")
    assert visit.page.inner_text("#basket-count") == "0"
    assert {bought, PRICED}.isdisjoint(visit.picks())  # what was bought is not recommended again
    events = {(one["kind"], one["item_id"]): one for one in visit.stored()["events"]}
    assert set(events) == {("basket", bought), ("basket", PRICED), ("purchase", bought), ("purchase", PRICED)}
    assert events["purchase", PRICED]["value"] == 12.5
    assert events["purchase", bought]["recommendation_id"] is not None
    assert events["basket", PRICED]["recommendation_id"] is None  # found by searching
    visit.page.reload()  # the history is that of the service
    visit.page.wait_for_function("() => document.querySelectorAll('#past li').length === 2")
    assert visit.problems == []


def test_a_test_user_with_the_held_out_purchase_reasons_and_a_simple_method(visit: Visit) -> None:
    visit.open().step_into_a_test_user(1)
    page = visit.page
    assert "has not seen" in page.inner_text("#truth-about")
    assert page.locator("#truth-items .rank").count() >= 2
    assert page.locator("#past li").count() >= 2
    labelled = page.eval_on_selector_all("#picks .bars li", "all => all.map(one => one.innerText)")
    assert labelled
    assert all("+" in text or "−" in text for text in labelled)
    widths = page.eval_on_selector_all(".bars .track span", "all => all.map(one => one.getBoundingClientRect().width)")
    assert max(widths) > min(widths) > 0
    assert "ms" in page.inner_text("#picks-ms")
    assert page.locator("#beside .row").count() == 12
    page.select_option("#method", "popularity")
    page.wait_for_function("() => document.querySelector('#beside-about').textContent.startsWith('answered')")
    truth = page.inner_text("#truth-items")
    page.reload()
    page.wait_for_selector("#truth .rank")  # still the same test user
    assert page.inner_text("#truth-items .title") in truth
    assert visit.stored()["events"] == []  # stepping in stores nothing
    assert visit.problems == []


def test_forgetting(visit: Visit) -> None:
    visit.open()
    visit.page.locator("#picks .card .actions button").first.click()
    visit.page.wait_for_selector("#start-over:visible")
    visit.page.wait_for_function("() => document.querySelector('#picks-about').textContent.includes('basket')")
    old = visit.visitor()
    visit.page.click("#start-over")
    visit.page.wait_for_selector("#start-over", state="hidden")
    assert visit.visitor() != old
    assert call("GET", f"{visit.address}/v1/users/{old}")["events"] == []


def test_filters_and_an_empty_list(visit: Visit) -> None:
    visit.open()
    visit.page.select_option("#category", "Lanterns")
    visit.page.wait_for_function("() => document.querySelectorAll('#picks .card').length === 1")
    assert visit.picks() == [PRICED]
    visit.page.fill("#price-low", "13")
    visit.page.wait_for_function("() => document.querySelectorAll('#picks .card').length === 0")
    assert visit.page.inner_text("#picks-note") == "No product meets these filters."
    visit.page.fill("#price-high", "1")  # contradicts the lower bound
    visit.page.wait_for_function(
        "() => document.querySelector('#picks-note').textContent.includes('Change the filters')"
    )
    visit.page.click("#filters-reset")
    visit.page.wait_for_function("() => document.querySelectorAll('#picks .card').length === 12")


def test_the_keyboard_alone(visit: Visit) -> None:
    page = visit.open().page
    page.keyboard.press("Tab")
    assert visit.focus() == "Skip to the recommendations"
    page.keyboard.press("Enter")
    assert visit.focus() == "main"
    page.focus("#query")
    page.keyboard.type("copper garden lantern")
    page.keyboard.press("Enter")
    page.wait_for_selector("#found-items .card")
    assert visit.focus() == "found-title"
    page.keyboard.press("Tab")  # close the results
    page.keyboard.press("Tab")
    assert visit.focus() == "Copper garden lantern"
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    assert visit.focus() == "dialog-title"
    page.keyboard.press("Escape")
    assert visit.focus() == "Copper garden lantern"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # add to basket
    page.wait_for_function("() => document.querySelector('#said').textContent.includes('after the basket')")
    page.focus("#basket")
    page.keyboard.press("Enter")
    assert visit.focus() == "dialog-title"
    for _ in range(3):
        page.keyboard.press("Tab")
    assert visit.focus() == "Buy it"
    page.keyboard.press("Enter")
    changed(visit, "purchase")
    assert visit.focus() == "basket"


def test_a_closed_dialog_does_not_take_the_focus_back_later(visit: Visit) -> None:
    page = visit.open().page
    page.focus("#basket")
    page.keyboard.press("Enter")
    moved_on = """async () => {
        const dialog = document.querySelector("dialog");
        const told = new Promise((done) => dialog.addEventListener("close", done));
        dialog.close();
        const first = document.activeElement.id;
        document.querySelector("#query").focus();
        await told;
        return [first, document.activeElement.id];
    }"""
    assert page.evaluate(moved_on) == ["basket", "query"]


def test_recommendations_that_fail_once_are_asked_for_again(visit: Visit) -> None:
    page = visit.open().page
    page.route("**/v1/recommend", lambda route: route.fulfill(status=503, body="{}"), times=1)
    page.locator("#picks .card .actions button").first.click()
    page.wait_for_selector("#trouble:visible")
    page.wait_for_function("() => document.querySelector('#picks-about').textContent.includes('after the basket')")
    assert page.is_hidden("#trouble")


def test_without_the_service_events_wait_and_are_stored_once(visit: Visit) -> None:
    page = visit.open().page
    visit.context.set_offline(True)
    page.locator("#picks .card .actions button").first.click()
    page.wait_for_selector("#trouble:visible")
    assert "The service does not answer. 1 event will be sent again." in page.inner_text("#trouble")
    assert page.locator("#picks .card").count() == 12  # the list stays
    visit.context.set_offline(False)
    page.wait_for_selector("#trouble", state="hidden")
    page.wait_for_function("() => document.querySelector('#picks-about').textContent.includes('after the basket')")
    assert len(visit.stored()["events"]) == 1


def test_hostile_titles_are_shown_as_text(visit: Visit) -> None:
    page = visit.open().page
    assert visit.picks()[0] == "hostile-1"
    assert page.inner_text("#picks .card h3") == HOSTILE
    page.locator("#picks .card h3 button").first.click()
    changed(visit, "click")
    assert page.inner_text("#dialog-title") == HOSTILE
    assert page.inner_text("dialog .features li") == HOSTILE
    page.get_by_role("dialog").get_by_role("button", name="Add to basket").click()
    page.click("#basket")
    assert page.inner_text("dialog .line .title") == HOSTILE
    page.keyboard.press("Escape")
    page.fill("#query", HOSTILE)
    page.keyboard.press("Enter")
    page.wait_for_selector("#found-items .card")
    assert HOSTILE in page.inner_text("#found-title")
    assert HOSTILE[:60] in page.inner_text("#picks-about")  # the name of the rule
    assert page.locator("main img, main script, dialog img, dialog script, main b, dialog b").count() == 0
    assert page.title() != "taken"
    assert visit.problems == []
    assert all(url.startswith(visit.address) for url in visit.requests)


LOOKS = [(1280, "light"), (360, "dark")]


def violations(page: Any) -> list[str]:
    """What axe-core finds that is serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [
        f"{one['id']}: {node['html']}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_it_fits_and_is_accessible(browser: Any, shop: str, width: int, scheme: str) -> None:
    visit = Visit(browser, shop, width=width, scheme=scheme).open()
    page = visit.page
    assert fits(page)
    assert violations(page) == []
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0] > 128")
    assert light == (scheme == "light")
    page.click("#person")
    page.wait_for_selector(".people button")
    assert violations(page) == []
    page.keyboard.press("Escape")
    visit.step_into_a_test_user()
    page.fill("#query", "a")
    page.keyboard.press("Enter")
    page.wait_for_selector("#found-items .card")
    page.wait_for_selector("#beside .row")
    assert fits(page)
    assert violations(page) == []
    page.locator("#picks .card h3 button").nth(1).click()
    page.wait_for_selector("dialog .bars")
    changed(visit, "click")
    assert fits(page)
    assert violations(page) == []
    visit.context.close()


@pytest.fixture(scope="module")
def keyed(served_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a service that needs keys and shows the page, and a key."""
    folder = tmp_path_factory.mktemp("keyed")
    database = open_database(folder / "shop.db")
    _, key = create_key(database, "dashboard", ("admin",))
    database.close()
    runs = folder / "runs"
    runs.mkdir()
    run = runs / "small"
    shutil.copytree(served_run, run)
    with serving(run, folder, "--page", key=key) as address:
        yield address, key


def test_the_page_works_beside_keys(browser: Any, keyed: tuple[str, str]) -> None:
    visit = Visit(browser, keyed[0]).open()
    visit.page.locator("#picks .card .actions button").nth(2).click()
    visit.page.wait_for_function(
        "() => document.querySelector('#picks-about').textContent.includes('after the basket')"
    )
    visit.step_into_a_test_user()
    assert visit.problems == []
    visit.context.close()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_dashboard(browser: Any, keyed: tuple[str, str], width: int, scheme: str) -> None:
    address, key = keyed
    visit = Visit(browser, address, width=width, scheme=scheme).open()
    visit.page.locator("#picks .card .actions button").nth(1).click()
    visit.page.wait_for_function(
        "() => document.querySelector('#picks-about').textContent.includes('after the basket')"
    )
    visit.open("/admin", "#login:visible")
    page = visit.page
    assert visit.focus() == "key"
    assert violations(page) == []
    page.fill("#key", "st_0_wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("#trouble:visible")
    page.fill("#key", key)
    page.keyboard.press("Enter")
    page.wait_for_selector("#figures .tile")
    assert fits(page)
    assert violations(page) == []
    titles = page.eval_on_selector_all("#figures section", "all => all.map(one => one.getAttribute('aria-label'))")
    assert {"Answers", "Time to answer", "Share of fallbacks", "Events", "Rates by arm", "Runs", "Rules"} <= set(titles)
    assert page.eval_on_selector_all("svg[role=img]", "all => all.every(one => one.querySelector('title, desc'))")
    page.locator("#figures summary").first.click()
    assert page.locator("#figures details[open] tbody tr").count() >= 1
    assert HOSTILE[:60] in page.inner_text("#figures")
    assert page.locator("main img").count() == 0
    assert page.title() != "taken"
    page.reload()  # the key stays in this tab
    page.wait_for_selector("#figures .tile")
    assert [text for text in visit.problems if "401" not in text] == []
    visit.context.close()
