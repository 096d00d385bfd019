"""The stage ``[pretraining]``: its prompts are of training purchases alone, and it is trained, logged and resumed."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from shoptalk.data.dataset import Dataset, check_fit, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.errors import DatasetError, PromptError, RecipeError
from shoptalk.progress import silent
from shoptalk.prompts.crowd import TEMPLATES, CrowdFact, CrowdPrompts
from shoptalk.recipe import Prompt, Recipe
from shoptalk.runs import read_log
from shoptalk.schema import Item
from shoptalk.stages.model_setup import ModelSetup, set_up
from shoptalk.stages.train import train
from shoptalk.tasks import load_recipe
from shoptalk.training.crowd import draw_facts
from shoptalk.training.examples import TokenSet
from shoptalk.training.loop import phases
from shoptalk.training.phases import Answers
from tests.stages.conftest import SMALL
from tests.words import prompt_builder

ALL = 'pretraining.prompts=["contents", "first_order", "second_order", "interaction", "predictive"]'
SETTINGS = [
    *SMALL, "split.method=leave-one-out", "split.history=0", "prompt.user=true", "items.transition_text=false",
    "items.second_stage=off", 'data.keep=["brand", "categories"]', 'prompt.fields=["title", "review"]',
    "training.refit=false", "training.batch_tokens=1024", "training.learning_rate=0.01",
    "pretraining.epochs=2", ALL,
]  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("pretraining")
    write_sample(folder, users=80, items=50)
    prepare(recipe(folder), folder / "dataset")
    return open_dataset(folder / "dataset")


@pytest.fixture(scope="module")
def setup(dataset: Dataset) -> ModelSetup:
    return set_up(recipe(dataset.folder.parent), dataset, silent)


def recipe(folder: Path, *more: str) -> Recipe:
    return load_recipe(folder / "recipe.toml", [*SETTINGS, *more])


def texts(setup: ModelSetup) -> list[str]:
    crowd: TokenSet | None = setup.data.crowd
    assert crowd is not None
    decode = setup.model.tokenizer.hugging_face.decode
    starts = crowd.ends - crowd.lengths
    return [decode(crowd.ids[start:end].tolist()) for start, end in zip(starts, crowd.ends, strict=True)]


def test_no_validation_or_test_purchase_is_in_a_prompt(dataset: Dataset, setup: ModelSetup) -> None:
    split = dataset.split()
    learned = {(history.user_id, item) for history in split.train for item in history.items}
    together = {(one, two) for history in split.train for one in history.items for two in history.items}
    users = pairs = 0
    for text in texts(setup):
        items = re.findall(r"<\|item_(.+?)\|>", text)
        user = re.search(r"<\|user_(.+?)\|>", text)
        if user:
            users += 1
            assert {(user[1], item) for item in items} <= learned, text
        elif "bought together" in text:
            pairs += 1
            assert {(items[0], item) for item in items[1:]} <= together, text
    assert users > 80
    assert pairs > 10


def test_held_out_reviews_are_in_no_prompt(dataset: Dataset, setup: ModelSetup) -> None:
    reviews = {review for history in dataset.split().train for review in history.reviews}
    section = recipe(dataset.folder.parent).pretraining
    prompts = CrowdPrompts(setup.builder, {}, frozenset(), users=True)
    told = {fact.review for fact in draw_facts(section, setup.split.train, prompts, 20, 1) if fact.review}
    assert told
    assert told <= reviews


def test_the_stage_is_trained_before_the_task_and_resumed(dataset: Dataset, tmp_path: Path) -> None:
    train(recipe(dataset.folder.parent), dataset, tmp_path / "whole", silent)
    rows = [event for event in read_log(tmp_path / "whole") if event["event"] == "epoch"]
    assert [row["phase"] for row in rows] == ["pretraining", "pretraining", "items"]
    assert rows[1]["train"] < rows[0]["train"]

    def stop(stage: str, done: float, total: float, note: str) -> None:
        if stage == "train" and done > 1.5:
            raise KeyboardInterrupt

    settings = recipe(dataset.folder.parent, "training.checkpoint_seconds=0")
    with pytest.raises(KeyboardInterrupt):
        train(settings, dataset, tmp_path / "parts", stop)
    train(settings, dataset, tmp_path / "parts", silent, resume=True)
    resumed = [event for event in read_log(tmp_path / "parts") if event["event"] == "epoch"]
    assert [row["train"] for row in resumed] == [row["train"] for row in rows]


def test_a_task_of_texts_is_pretrained_on_titles(dataset: Dataset) -> None:
    settings = recipe(
        dataset.folder.parent, "prompt.task=multiple_choice", "prompt.style=plain", 'pretraining.prompts=["predictive"]'
    )
    text_setup = set_up(settings, dataset, silent)
    first = phases(text_setup.data, settings.training)[0]
    assert (type(first), first.name) == (Answers, "pretraining")
    prompts = texts(text_setup)
    assert len(prompts) == sum(len(history.items) > 1 for history in text_setup.split.train)
    assert not any("<|item_" in text for text in prompts)
    titles = [item.title for item in dataset.catalogue.values()]
    assert all(any(text.rstrip().endswith(title) for title in titles) for text in prompts)


def test_counts_and_kinds(dataset: Dataset, setup: ModelSetup) -> None:
    section = recipe(dataset.folder.parent, "pretraining.counts={contents = 7, interaction = 0}").pretraining
    prompts = CrowdPrompts(setup.builder, {}, frozenset(), users=False)
    facts = draw_facts(section, setup.split.train, prompts, 20, 1)
    assert sum(fact.template in {"contents", "title"} for fact in facts) == 7
    assert not any(fact.template == "interaction" for fact in facts)
    without = [replace(history, reviews=()) for history in setup.split.train]
    with pytest.raises(PromptError, match="first_order"):
        draw_facts(section, without, prompts, 20, 1)
    with pytest.raises(RecipeError, match="should be .contents."):
        recipe(dataset.folder.parent, 'pretraining.prompts=["content"]')


def test_first_order_prompts_bring_their_reviews(tmp_path: Path) -> None:
    write_sample(tmp_path, users=40, items=30)
    titles = 'prompt.fields=["title"]'
    prepare(recipe(tmp_path, titles), tmp_path / "dataset")
    whole = open_dataset(tmp_path / "dataset")
    one = set_up(recipe(tmp_path, titles), whole, silent)
    reviews = [review for history in one.split.train for review in history.reviews if review]
    assert any(reviews[0][:20] in text for text in texts(one))  # in the crowd prompts
    case = one.split.test[0]
    assert not any("review:" in message.text for message in one.builder.ask(case.history))  # and in no others
    prepare(recipe(tmp_path, titles, "pretraining.epochs=0"), tmp_path / "without")
    with pytest.raises(DatasetError, match="reads review, which the dataset was made without"):
        check_fit(recipe(tmp_path, titles), open_dataset(tmp_path / "without"))


def test_templates_are_strict_and_titles_hostile() -> None:
    catalogue = {"x": Item("x", "Soap <|item_y|> </s>\nA) buy $user", "Brand"), "y": Item("y", "Brush")}
    builder = prompt_builder(Prompt(task="next_item", style="bare"), catalogue)
    prompts = CrowdPrompts(builder, {"contents": "Tell: $item"}, frozenset({"y"}), users=False)
    question, answer = prompts.write(CrowdFact("contents", ("x",)), builder, 1).messages
    assert "<|item_" not in question.text
    assert "\n" not in question.text
    assert "$user" in question.text
    assert question.text.startswith("Tell: Soap")
    assert answer.text == "brand: Brand"
    assert prompts.write(CrowdFact("contents", ("y",)), builder, 1).messages[1].text == "Brush"
    assert set(prompts.templates) == set(TEMPLATES)
    for text in ("Tell: $itm", "Tell:", "It costs $5: $item"):
        with pytest.raises(PromptError, match="contents"):
            CrowdPrompts(builder, {"contents": text}, frozenset(), users=False)
