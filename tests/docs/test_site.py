"""The web site of the documentation: its pages fit a phone and load nothing else.

`make docs` builds it in strict mode. Here it is only built for a browser, so without one nothing is built.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PHONE, DESKTOP = 375, 1280

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(build, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_pages_fit_the_screen_and_load_nothing_from_elsewhere(browser: Any, site: Path) -> None:
    page = browser.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    paths = [path for path in sorted(site.rglob("*.html")) if path.name != "404.html"]
    assert len(paths) > 40
    wide, without_text = [], []
    for path in paths:
        page.goto(path.as_uri())
        for width in (PHONE, DESKTOP):  # a page is loaded once, as loading takes seconds
            page.set_viewport_size({"width": width, "height": 800})
            if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                wide.append((path.name, width))
        pictures = page.eval_on_selector_all(
            "article img", "all => all.map(image => image.naturalWidth * image.alt.length)"
        )
        without_text += [path.name] if 0 in pictures else []
    page.close()
    assert wide == []
    assert without_text == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
