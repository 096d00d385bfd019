"""What becomes of prompts in a whole run: the date they write, and titles that are no titles."""

import json
from datetime import date, datetime
from pathlib import Path

import pytest

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.experiment import evaluate
from shoptalk.models.chat_template import DATE_FILE
from shoptalk.models.storage import save
from shoptalk.progress import silent
from shoptalk.recipe import Recipe, parse_recipe
from shoptalk.runs import open_run
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.stages.train import train
from shoptalk.stages.trained_run import open_trained_run
from tests.stages.printed import recommend
from tests.words import small_model

ITEMS, USERS = 8, 24
SCRIPT = "if(!\u0935\u0937\u0938){window.\u6f22\u5b57=[{a:1}];}" * 20
TEMPLATE = (
    "Today is {{ strftime_now('%d %B %Y') }}.\n"
    "{% for message in messages %}{{ message['content'] + '<end_of_turn>\n' }}{% endfor %}"
)


def shop(folder: Path, **settings: dict[str, object]) -> Recipe:
    """A dataset of which one item of eight has page script for a title, and its recipe."""
    titles = [f"rose soap {number}" for number in range(ITEMS - 1)] + [SCRIPT]
    items = ["item_id,title", *(f'i{number},"{title}"' for number, title in enumerate(titles))]
    bought = [(user, (user + step) % ITEMS, 1_600_000_000 + 100 * step) for user in range(USERS) for step in range(5)]
    rows = ["user_id,item_id,timestamp", *(f"u{user},i{item},{time}" for user, item, time in bought)]
    (folder / "items.csv").write_text("\n".join(items), encoding="utf-8")
    (folder / "rows.csv").write_text("\n".join(rows), encoding="utf-8")
    data = {"source": "table", "interactions": str(folder / "rows.csv"), "items": str(folder / "items.csv")}
    small = {"base": "nano", "width": 32, "layers": 1, "vocabulary": 300} | settings.pop("model", {})
    recipe = parse_recipe(
        {
            "data": data,
            "candidates": {"options": 4},
            "model": small,
            "training": {"epochs": 1, "patience": 0},
            "evaluation": {"baselines": ["chance"], "resamples": 100},
            **settings,
        }
    )
    prepare(recipe, folder / "dataset")
    return recipe


@pytest.mark.parametrize(("task", "style"), [("multiple_choice", "alpaca"), ("generate_title", "plain")])
def test_one_title_of_page_script_ends_no_run(tmp_path: Path, task: str, style: str) -> None:
    recipe = shop(tmp_path, prompt={"task": task, "style": style, "max_tokens": 512})
    report = train(recipe, open_dataset(tmp_path / "dataset"), tmp_path / "run", silent).run.info["training"]
    assert report["shortened"]["fields"]["title"]["items"] == 1
    assert report["shortened"]["fields"]["title"]["longest"]["item_id"] == f"i{ITEMS - 1}"
    assert "accuracy" in evaluate(tmp_path / "run", silent).evaluation.metrics
    found = recommend(tmp_path / "run", history=["i0"], options=["i1", f"i{ITEMS - 1}"])
    assert SCRIPT in [row["title"] for row in found["items"]]


def test_a_run_keeps_the_date_of_its_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Day(date):
        @classmethod
        def today(cls) -> date:
            return date(2024, 2, 29)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime(2031, 5, 17)

    base = small_model()
    base.tokenizer.hugging_face.add_tokens(["<end_of_turn>"], special_tokens=True)
    base.tokenizer.hugging_face.chat_template = TEMPLATE
    base.network.resize_token_embeddings(len(base.tokenizer.hugging_face))
    save(base, tmp_path / "base")
    (tmp_path / "base" / DATE_FILE).unlink()  # as a base from elsewhere
    recipe = shop(
        tmp_path,
        prompt={"task": "multiple_choice", "style": "chat", "max_tokens": 1024},
        model={"base": str(tmp_path / "base")},
    )
    monkeypatch.setattr("shoptalk.runs.date", Day)
    train(recipe, open_dataset(tmp_path / "dataset"), tmp_path / "run", silent)
    monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Clock)
    run = open_run(tmp_path / "run")
    model = open_trained_run(run).recommender
    case = open_run_dataset(run).split("last").test[0]
    (prompt, answers), _ = model.ask(case.history, case.candidates)
    tokens = model.model.tokenizer
    assert tokens.decode(prompt).lstrip().startswith("Today is 29 February 2024.")
    assert tokens.decode(answers[0][-1:], special=True) == "<end_of_turn>"
    assert json.loads((tmp_path / "run" / "run.json").read_text())["date"] == "2024-02-29"
