"""Adding items to a trained run: they are recommended by their text, stay in the run, and bad files change nothing."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from shoptalk.errors import RunError, ShoptalkError
from shoptalk.recommend.filters import Filters
from shoptalk.runs import open_run
from shoptalk.schema import item_token
from shoptalk.stages.catalogue import add_items
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.stages.trained_run import open_trained_run
from tests.stages.printed import recommend

FIRST, SECOND = "Copper Kettle Walnut Fountain Teapot", "Copper Kettle Walnut Fountain Teapot, Large"


def table(folder: Path, *rows: str) -> Path:
    """A CSV file of items."""
    path = folder / "new.csv"
    path.write_text("item_id,title\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def json_lines(folder: Path, *rows: dict[str, Any]) -> Path:
    """A file of items as JSON lines."""
    path = folder / "new.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def digest(folder: Path) -> str:
    """SHA-256 of the names and contents of all files in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


def top_five(run: Path, *typed: str) -> dict[str, str]:
    """Ids and titles of the first five recommended items."""
    items = recommend(run, history=typed, k=5)["items"]
    return {item["item_id"]: item["title"] for item in items}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_new_item_is_recommended_by_its_text(items_run: Path, tmp_path: Path, kind: str) -> None:
    before = len(open_run_dataset(open_run(items_run)).catalogue)
    weights = items_run / "model" / "transition_text.json"  # validation may give texts no weight in so small a model
    weights.write_text(json.dumps({**json.loads(weights.read_text()), "edges": 1.0, "words": 3.0}))
    file = (
        table(tmp_path, f"N1,{FIRST}", f'N2,"{SECOND}"')
        if kind == "csv"
        else json_lines(tmp_path, {"item_id": "N1", "title": FIRST}, {"item_id": "N2", "title": SECOND})
    )
    assert add_items(items_run, file) == {"added": 2, "known": 0, "items": before + 2}
    result = recommend(items_run, history=[FIRST], k=before + 2)  # from the disk, by its title
    assert result["history"] == [{"item_id": "N1", "title": FIRST}]
    assert top_five(items_run, FIRST)["N2"] == SECOND
    assert "N1" in top_five(items_run, "N2")
    assert len(result["items"]) == before + 1  # the known items are still recommended
    changed = digest(items_run)
    assert add_items(items_run, file) == {"added": 0, "known": 2, "items": before + 2}
    assert digest(items_run) == changed


def test_scores_of_known_items_do_not_change(items_run: Path, tmp_path: Path) -> None:
    user = open_run_dataset(open_run(items_run)).split("last").test[0].history.user_id
    before = recommend(items_run, user=user, k=1000)
    add_items(items_run, table(tmp_path, f"N1,{FIRST}"))
    add_items(items_run, json_lines(tmp_path, {"item_id": "N2", "title": SECOND}))
    after = recommend(items_run, user=user, k=1000)
    known = {item["item_id"]: item["score"] for item in after["items"]}
    assert known.keys() == {item["item_id"] for item in before["items"]} | {"N1", "N2"}
    assert [known[item["item_id"]] for item in before["items"]] == pytest.approx(
        [item["score"] for item in before["items"]], abs=1e-4
    )


def test_new_items_have_the_fields_that_the_recipe_keeps(items_run: Path, tmp_path: Path) -> None:
    new = {"item_id": "N1", "title": FIRST, "categories": ["New"], "price": "$12.50", "brand": "dropped by the recipe"}
    add_items(items_run, json_lines(tmp_path, new, {"item_id": "N2", "title": SECOND}))
    item = open_run_dataset(open_run(items_run)).catalogue["N1"]
    assert (item.categories, item.price, item.brand) == (("New",), 12.5, "")
    filters = Filters(categories=("new",), highest=20.0)
    items = recommend(items_run, history=["N2"], filters=filters)["items"]
    assert [item["item_id"] for item in items] == ["N1"]


UNUSUAL_IDS = ["a b|>c<|item_x|>", "q|>", "q", "naïve ☃\u200b", " ", "new\nline", "<|end|>", "L" * 3000]


def test_unusual_ids_are_distinct_tokens(items_run: Path, tmp_path: Path) -> None:
    add_items(
        items_run,
        json_lines(tmp_path, *[{"item_id": item_id, "title": f"{FIRST} {item_id[:5]}"} for item_id in UNUSUAL_IDS]),
    )
    run = open_run(items_run)
    model = open_trained_run(run).recommender
    items = model.model.items
    assert items is not None
    assert set(items.ids[-len(UNUSUAL_IDS) :]) == set(UNUSUAL_IDS)
    for index, item_id in enumerate(items.ids):
        assert model.model.tokenizer.encode(item_token(item_id)) == [items.first + index]
    for item_id in UNUSUAL_IDS:
        assert recommend(items_run, history=[item_id], k=1)["history"][0]["item_id"] == item_id


@pytest.mark.parametrize(
    ("content", "where", "message"),
    [
        (b"", "", "is empty"),
        (b"item_id,title\n", "", "no rows"),
        (b"sku,title\na,b\n", "", "no column 'item_id'"),
        (b"item_id,title\nA1,\n", "", "no item has a title"),
        (b"item_id,title\nA1,Soap\n,Comb\n", ":3", "no usable item_id"),
        (b'{"item_id": "A1", "title": "Soap"}\n{"item_id":\n', ":2", "not valid JSON"),
        (b'{"item_id": "A\\ud800", "title": "Soap"}\n', ":1", "no usable item_id"),
        (b'[{"item_id": "A1", "title": "Soap"}]', "", "JSON array"),
        (bytes(range(256)) * 9, "", "no column 'item_id'"),
        (b"PAR1 and then nothing", "", "magic bytes"),
        (None, "", "no such file"),
    ],
)
def test_a_malformed_file_is_a_clear_error(
    items_run: Path, tmp_path: Path, content: bytes | None, where: str, message: str
) -> None:
    path = tmp_path / "items"
    if content is not None:
        path.write_bytes(content)
    before = digest(items_run)
    with pytest.raises(ShoptalkError, match=message) as caught:
        add_items(items_run, path)
    assert caught.value.where == f"{path}{where}"
    assert "data.max_bad_lines" not in str(caught.value)  # the run's recipe cannot be changed any more
    assert "[data]" not in str(caught.value)
    assert digest(items_run) == before


def test_a_crash_leaves_the_model_as_it_was(items_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = digest(items_run)
    monkeypatch.setattr("shoptalk.stages.catalogue.save_transition_text", crash)
    with pytest.raises(ShoptalkError, match="No space left"):
        add_items(items_run, table(tmp_path, f"N1,{FIRST}"))
    assert digest(items_run) == before
    assert not list(items_run.glob(".*"))


def test_a_run_without_item_tokens_is_refused(items_run: Path, tmp_path: Path) -> None:
    recipe = items_run / "recipe.toml"
    text = recipe.read_text().replace('task = "next_item"', 'task = "generate_title"').replace('"bare"', '"plain"')
    recipe.write_text(text)
    with pytest.raises(RunError, match="no item tokens"):
        add_items(items_run, table(tmp_path, f"N1,{FIRST}"))
