"""Refreshing a run: a better one is taken up, a worse one refused, and a killed process leaves the old one."""

import gzip
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shoptalk.cli.main import main
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.grown import grow
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.errors import RecipeError, RunError, ShoptalkError, UsageError
from shoptalk.online.database import open_database
from shoptalk.online.events import Event, add_events
from shoptalk.online.items import ShopItem, put_items
from shoptalk.progress import silent
from shoptalk.recipe import read_recipe
from shoptalk.results import RefreshResult, from_json
from shoptalk.runs import open_run
from shoptalk.schema import PARTS, History, Item
from shoptalk.stages import refresh as stage
from shoptalk.stages.old_version import old_recommender, predict_with_old
from shoptalk.stages.refresh import REFUSED, decision, not_worse, refresh, refresh_in_process
from shoptalk.stages.train import train
from shoptalk.stages.trained_run import TrainedRun
from shoptalk.versions import current_folder, taken_versions
from tests.stages.conftest import SMALL
from tests.stages.printed import recommend

SETTINGS = [*SMALL, 'evaluation.baselines=["popularity"]', "evaluation.resamples=200"]
#: A product that was listed after the training, and when twelve users bought it.
NEW, LATER = "N1", 1_900_000_000.0
pytestmark = pytest.mark.usefixtures("without_report")


def meaningless(dataset: Dataset) -> Dataset:
    """The dataset with a product drawn at random in place of each but those of the test: nothing to learn."""
    rows, copy = dataset.rows, replace(dataset)
    learned = rows.part != PARTS.index("test")
    code, item = rows.code.copy(), rows.item.copy()
    code[learned] = np.random.default_rng(3).integers(len(rows.item_ids), size=int(learned.sum()))
    item[learned] = np.array(rows.item_ids, dtype=object)[code[learned]]
    copy.__dict__["rows"] = replace(rows, code=code, item=item)
    return copy


def sabotaged(recipe: Any, dataset: Dataset, out: Path, progress: Any) -> TrainedRun:
    """A training on meaningless purchases."""
    return replace(train(recipe, meaningless(dataset), out, progress), dataset=dataset)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop whose latest purchases are in the database of the service, and two runs on the earlier ones."""
    folder = tmp_path_factory.mktemp("shop")
    write_sample(folder, users=200, items=60)
    with gzip.open(folder / "reviews.json.gz", "rt") as file:
        reviews = [json.loads(line) for line in file]
    latest: dict[str, int] = {}
    for number, review in enumerate(reviews):
        before = latest.setdefault(review["reviewerID"], number)
        if reviews[before]["unixReviewTime"] <= review["unixReviewTime"]:
            latest[review["reviewerID"]] = number
    held_back = set(latest.values())
    with gzip.open(folder / "reviews.json.gz", "wt") as file:
        file.writelines(json.dumps(review) + "\n" for number, review in enumerate(reviews) if number not in held_back)
    events = [
        Event(f"e{number}", review["reviewerID"], review["asin"], "purchase", review["unixReviewTime"])
        for number, review in enumerate(reviews)
        if number in held_back
    ]
    database = open_database(folder / "shop.db")
    put_items(database, [ShopItem(Item(NEW, "Blue Lantern yoga mat, mint & lime, extra long", brand="Blue Lantern"))])
    later = [replace(event, event_id=f"new {event.event_id}", item_id=NEW, timestamp=LATER) for event in events[:12]]
    add_events(database, [*events, *later])
    database.close()
    text = (folder / "recipe.toml").read_text()
    (folder / "recipe.toml").write_text(text.replace('[candidates]\noptions = 4\nnegatives = "uniform"\n', ""))
    recipe = read_recipe(folder / "recipe.toml", SETTINGS)
    prepare(recipe, folder / "dataset")
    dataset = open_dataset(folder / "dataset")
    train(recipe, dataset, folder / "good", silent)
    train(recipe, meaningless(dataset), folder / "bad", silent)
    return folder


@pytest.fixture
def run(shop: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shop / "good", tmp_path / "run"))


def test_a_better_run_is_taken_up_followed_and_rolled_back(shop: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(shop / "bad", tmp_path / "run"))
    result = refresh(run, str(shop / "shop.db"), silent)
    assert (result.outcome, result.purchases, result.items, result.current) == ("taken up", 212, 1, "0001")
    assert result.test is not None
    assert result.test.difference.low > 0  # better, not only not worse
    assert 100 <= result.cases <= 200
    opened = open_run(run)
    assert opened.folder == current_folder(run) == run / "versions" / opened.version
    assert from_json(RefreshResult, json.loads((opened.folder / "refresh.json").read_text())) == result
    user = open_dataset(opened.dataset).rows.users[0]
    assert len(recommend(run, user=user, k=3)["items"]) == 3
    # The whole run can be moved; without its reviews too, and with nothing new nothing is trained.
    moved = run.rename(tmp_path / "moved")
    again = refresh(moved, str(shop / "shop.db"), silent)
    assert (again.outcome, again.current, again.purchases) == ("nothing new", "0001", 0)
    with pytest.raises(SystemExit) as ended:
        main(["refresh", str(moved), "--rollback", "--json"])
    assert ended.value.code == 0
    assert open_run(moved).folder == moved


def test_a_worse_run_is_refused_with_its_own_exit_code(
    run: Path, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stage, "train", sabotaged)
    with pytest.raises(SystemExit) as ended:
        main(["refresh", str(run), "--from", str(shop / "shop.db"), "--json"])
    assert ended.value.code == REFUSED == 5
    printed = json.loads(capsys.readouterr().out)
    assert printed["outcome"] == "refused"
    assert printed["says"].startswith("worse: recall@10")
    assert printed["test"]["difference"]["high"] < 0
    assert taken_versions(run) == ("original",)
    assert open_run(run).folder == run
    assert (run / "versions" / "0001" / "refresh.json").exists()  # for a look


def test_the_old_version_recommends_new_products_by_their_text(run: Path, shop: Path, tmp_path: Path) -> None:
    """As the service does; else the new version would win by knowing them."""
    old = open_run(run)
    grown = grow(old.recipe, old.dataset, str(shop / "shop.db"), ("purchase",), tmp_path / "raw")
    prepare(grown.recipe, tmp_path / "grown")
    dataset = open_dataset(tmp_path / "grown")
    assert NEW in dataset.catalogue
    cases = [case for case in dataset.split("last").test if case.targets == (NEW,)]
    assert len(cases) >= 8  # the others have too few purchases
    with_text = [
        replace(case, history=History("u", (*case.history.items, NEW)), targets=case.history.items[-1:])
        for case in cases
    ]
    found = predict_with_old(old, dataset, [*cases, *with_text], tmp_path, silent)["recall@10"]
    assert found.shape == (2 * len(cases),)
    recommender, known = old_recommender(old, dataset, tmp_path / "work")
    assert known is not None
    assert NEW in recommender.items
    (ranked,) = recommender.rank([cases[0].history], len(known))
    assert np.isfinite(ranked.scores).all()
    assert NEW in ranked.items


def killing(at: str) -> Callable[..., Any]:
    """A function that ends its own process, as ``kill -9`` does."""

    def kill(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    return kill


def refresh_until(run: Path, database: str, module: str, name: str) -> None:
    """In a process of its own: refresh, until a function is called."""
    import importlib

    setattr(importlib.import_module(module), name, killing(name))
    refresh(run, database, silent, margin=0.9)


@pytest.mark.slow
def test_a_killed_refresh_leaves_a_run_that_answers(run: Path, shop: Path) -> None:
    """Killed before each step, and within the change of the list; the last process gets through."""
    database = str(shop / "shop.db")
    points = [
        ("shoptalk.stages.refresh", "prepare", "original"),
        ("shoptalk.stages.train", "verify", "original"),
        ("shoptalk.stages.refresh", "judge", "original"),
        ("shoptalk.stages.refresh", "write_result", "original"),
        ("shoptalk.versions", "write_json", "original"),
        ("shoptalk.versions", "remove_others", "0001"),  # after the change: the new one is current, and whole
    ]
    user = open_dataset(shop / "dataset").rows.users[0]
    context = multiprocessing.get_context("fork")
    for module, name, current in points:
        process = context.Process(target=refresh_until, args=(run, database, module, name))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL, name
        assert taken_versions(run)[-1] == current, name
        assert recommend(run, user=user, k=3)["items"], name
    assert refresh(run, database, silent).outcome == "nothing new"
    assert sorted(path.name for path in (run / "versions").iterdir()) == ["0001"]


def test_a_process_of_its_own(run: Path, shop: Path) -> None:
    """What a service calls: errors come back, and the address is not among the arguments."""
    with pytest.raises(ShoptalkError, match="cannot open the database"):
        refresh_in_process(run, str(shop / "nothing.db"))


@pytest.mark.parametrize(
    ("old", "new", "outcome", "why"),
    [
        ([1, 0] * 200, [1, 0] * 200, "taken up", "not worse"),
        ([1, 0] * 200, [0, 0] * 200, "refused", "worse"),
        ([1, 0] * 200, [1] * 396 + [0] * 4, "taken up", "not worse"),
        ([0] * 400, [0] * 400, "refused", "not shown"),  # nothing is found by either: that proves nothing
        ([1, 0] * 200, [0, 1] * 200, "refused", "not shown"),  # equal means, but much noise
        ([1, 0] * 2000, [1, 0] * 1980 + [0, 0] * 20, "taken up", "not worse"),  # 1 % of .5 worse: within the margin
    ],
    ids=["equal", "worse", "better", "nothing", "noise", "within the margin"],
)
def test_the_decision(old: list[int], new: list[int], outcome: str, why: str) -> None:
    test = not_worse("recall@10", np.array(old, float), np.array(new, float), 0.1)
    assert test.margin == pytest.approx(0.1 * np.mean(old))
    found, says = decision(test)
    assert (found, says.startswith(why)) == (outcome, True)


def test_the_test_rarely_takes_up_a_run_that_is_worse_by_the_margin() -> None:
    """With a true loss of exactly the margin, at most about 2.5 % of the tests take the new run up."""
    rng = np.random.default_rng(0)
    taken = 0
    for _ in range(300):
        old, new = (rng.random(400) < 0.5).astype(float), (rng.random(400) < 0.4).astype(float)
        taken += decision(not_worse("recall@10", old, new, 0.2, resamples=200))[0] == "taken up"
    assert taken / 300 <= 0.05


def test_what_cannot_be_refreshed(run: Path, shop: Path, tmp_path: Path) -> None:
    database = str(shop / "shop.db")
    with pytest.raises(RunError, match="not a run"):
        refresh(tmp_path, database, silent)
    with pytest.raises(UsageError, match="margin"):
        refresh(run, database, silent, margin=1.5)
    with pytest.raises(RunError, match="no version before"):
        stage.rollback(run)
    text = (run / "recipe.toml").read_text()
    (run / "recipe.toml").write_text(text.replace('method = "leave-one-out"', 'method = "by-user"'))
    with pytest.raises(RecipeError, match="does not hold back the latest purchases"):
        refresh(run, database, silent)
