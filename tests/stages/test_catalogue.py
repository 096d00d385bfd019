"""New products in a trained run: told by their words alone, kept, and nothing changed by a file that is no good."""

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
    path = folder / "new.csv"
    path.write_text("item_id,title\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def objects(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "new.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


def best(run: Path, *typed: str) -> dict[str, str]:
    """The first five of all eighty products, with their titles."""
    items = recommend(run, history=typed, k=5)["items"]
    return {item["item_id"]: item["title"] for item in items}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_new_product_is_recommended_by_its_words(items_run: Path, tmp_path: Path, kind: str) -> None:
    before = len(open_run_dataset(open_run(items_run)).catalogue)
    file = (
        table(tmp_path, f"N1,{FIRST}", f'N2,"{SECOND}"')
        if kind == "csv"
        else objects(tmp_path, {"item_id": "N1", "title": FIRST}, {"item_id": "N2", "title": SECOND})
    )
    assert add_items(items_run, file) == {"added": 2, "known": 0, "items": before + 2}
    found = recommend(items_run, history=[FIRST], k=before + 2)  # from the disk, by its title
    assert found["history"] == [{"item_id": "N1", "title": FIRST}]
    assert best(items_run, FIRST)["N2"] == SECOND
    assert "N1" in best(items_run, "N2")
    assert len(found["items"]) == before + 1  # all that were known are still there
    changed = digest(items_run)
    assert add_items(items_run, file) == {"added": 0, "known": 2, "items": before + 2}
    assert digest(items_run) == changed


def test_known_products_score_as_before(items_run: Path, tmp_path: Path) -> None:
    user = open_run_dataset(open_run(items_run)).split("last").test[0].history.user_id
    before = recommend(items_run, user=user, k=1000)
    add_items(items_run, table(tmp_path, f"N1,{FIRST}"))
    add_items(items_run, objects(tmp_path, {"item_id": "N2", "title": SECOND}))
    after = recommend(items_run, user=user, k=1000)
    known = {item["item_id"]: item["score"] for item in after["items"]}
    assert known.keys() == {item["item_id"] for item in before["items"]} | {"N1", "N2"}
    assert [known[item["item_id"]] for item in before["items"]] == pytest.approx(
        [item["score"] for item in before["items"]], abs=1e-4
    )


def test_what_the_recipe_keeps_is_kept_of_new_products_too(items_run: Path, tmp_path: Path) -> None:
    new = {"item_id": "N1", "title": FIRST, "categories": ["New"], "price": "$12.50", "brand": "not kept"}
    add_items(items_run, objects(tmp_path, new, {"item_id": "N2", "title": SECOND}))
    item = open_run_dataset(open_run(items_run)).catalogue["N1"]
    assert (item.categories, item.price, item.brand) == (("New",), 12.5, "")
    cheap = Filters(categories=("new",), highest=20.0)
    found = recommend(items_run, history=["N2"], filters=cheap)["items"]
    assert [row["item_id"] for row in found] == ["N1"]


ODD = ["a b|>c<|item_x|>", "q|>", "q", "naïve ☃\u200b", " ", "new\nline", "<|end|>", "L" * 3000]


def test_odd_ids_are_told_apart(items_run: Path, tmp_path: Path) -> None:
    add_items(items_run, objects(tmp_path, *[{"item_id": name, "title": f"{FIRST} {name[:5]}"} for name in ODD]))
    run = open_run(items_run)
    model = open_trained_run(run).recommender
    items = model.model.items
    assert items is not None
    assert set(items.ids[-len(ODD) :]) == set(ODD)
    for index, name in enumerate(items.ids):
        assert model.model.tokenizer.encode(item_token(name)) == [items.first + index]
    for name in ODD:
        assert recommend(items_run, history=[name], k=1)["history"][0]["item_id"] == name


@pytest.mark.parametrize(
    ("content", "where", "says"),
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
def test_a_hostile_file_is_one_clear_error(
    items_run: Path, tmp_path: Path, content: bytes | None, where: str, says: str
) -> None:
    path = tmp_path / "items"
    if content is not None:
        path.write_bytes(content)
    before = digest(items_run)
    with pytest.raises(ShoptalkError, match=says) as caught:
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
