"""Item tokens from raw files to recommendations: nano alone, with a scorer, after a refit, inside a text prompt."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from shoptalk.data.dataset import open_dataset
from shoptalk.models.storage import load
from shoptalk.prompts.encode import encode
from shoptalk.runs import open_run
from shoptalk.schema import EvalExample, History, Split
from shoptalk.stages import sasrec, transition_text
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.stages.trained_run import open_trained_run
from shoptalk.stages.transition_text import WITHHELD_SHARE, withhold
from tests.stages.test_run import call
from tests.words import small_model

pytestmark = pytest.mark.usefixtures("without_report")  # only the run of the fixture `done` writes one

BARE = [
    "items.second_stage=off",
    'prompt.task="next_item"', 'prompt.style="bare"', 'split.method="leave-one-out"', 'split.fractions=[0.8,0.1,0.1]',
    "split.history=0", "training.pretrain_epochs=0", "training.choice_epochs=0", "training.epochs=3",
    "training.learning_rate=0.003", "training.batch_tokens=512", "evaluation.generate=0", "evaluation.resamples=200",
    "model.width=32", "model.layers=1", "model.precision=fp32", "model.vocabulary=300", "items.dimensions=32",
]  # fmt: skip


def settings(*more: str) -> list[str]:
    return [part for setting in [*BARE, *more] for part in ("--set", setting)]


@pytest.fixture(scope="module")
def done(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from shoptalk.cli.main import main

    run = tmp_path_factory.mktemp("runs") / "items"
    small = pytest.MonkeyPatch()
    small.setitem(sasrec.MODEL, "width", 32)
    small.setitem(sasrec.TRAINING, "epochs", 2)
    more = [
        "items.transition_text=true",
        "training.refit=true",
        'evaluation.baselines=["popularity","transitions","sasrec"]',
    ]
    with pytest.raises(SystemExit) as caught:
        main(["run", str(shop / "recipe.toml"), "--out", str(run), *settings(*more), "--json"])
    small.undo()
    assert not caught.value.code
    return run


def test_what_is_judged(done: Path) -> None:
    report = json.loads((done / "metrics.json").read_text())
    assert {"recall@10", "ndcg@10", "hr@5", "mrr@20", "swapped_recall@10", "accuracy"} <= report["metrics"].keys()
    assert set(report["baselines"]) == {"popularity", "transitions", "sasrec"}
    assert report["versus"].keys() == report["baselines"].keys()
    assert report["metrics"]["recall@10"]["value"] > report["baselines"]["popularity"]["recall@10"]["value"]


def test_lists_and_options_have_their_wrong_answers(done: Path) -> None:
    report = json.loads((done / "metrics.json").read_text())
    assert (report["errors"]["what"], report["option_errors"]["what"]) == ("ranking", "options")
    hits = report["metrics"]["hr@10"]["value"]
    assert 1 - report["errors"]["wrong"] / report["errors"]["cases"] == pytest.approx(hits)
    assert pq.read_table(done / "option_errors.parquet").num_rows == report["option_errors"]["wrong"]
    for group in report["errors"]["groups"]:
        for one in group["examples"]:
            assert one["answer"] == len(one["options"]) - 1  # the right one stands behind the first of the list
    for one in report["errors"]["what_if"]:
        assert one["steps"][0]["answer"] == one["chosen"]
        assert one["steps"][0]["rank"] is None or one["steps"][0]["rank"] > 10


def test_refitting_learns_from_validation_purchases_and_from_no_test(done: Path) -> None:
    run = open_run(done)
    dataset = open_run_dataset(run)
    split = dataset.split()
    items = load(run.model).items
    assert items is not None
    fitted = replace(split, refit=True).for_final_fit().train
    both = {item for one in fitted for item in one.items}
    assert items.seen == both
    asked = {case.history.user_id: case for case in split.test}
    for one in fitted:
        if one.user_id in asked:
            assert one.items == asked[one.user_id].history.items
    assert len(split.test) > 100


def test_a_memory_changes_lists_and_is_part_of_the_run(done: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    run = open_run(copy).note(files=[])
    histories = [case.history for case in open_run_dataset(run).split().test[:20]]
    with_it = open_trained_run(run).recommender.score_all(histories)
    (run.model / "transition_text.json").unlink()
    without = open_trained_run(run).recommender.score_all(histories)
    assert np.abs(with_it - without).max() > 0.1


def test_a_base_that_has_tokens_of_these_items_already_is_refused(
    done: Path, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "base"
    model = load(done / "model")
    model.network.save_pretrained(base)
    model.tokenizer.save(base)
    chosen = settings(f"model.base={json.dumps(str(base))}")
    code, report = call(capsys, "run", shop / "recipe.toml", "--out", tmp_path / "run", *chosen)
    assert code == 2
    assert "have a token already" in report["error"]["message"]


@pytest.mark.parametrize(("tuning", "style"), [("full", "plain"), ("lora", "alpaca"), ("qlora", "plain")])
def test_titles_beside_tokens(
    shop: Path,
    tuning: str,
    style: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if tuning == "qlora":
        pytest.importorskip("bitsandbytes")
    base = tmp_path / "base"
    small = small_model()
    small.network.save_pretrained(base)
    small.tokenizer.save(base)
    more = [f"model.base={json.dumps(str(base))}", f'model.tuning="{tuning}"', f'prompt.style="{style}"',
            "training.epochs=1", "training.refit=false", "training.batch_tokens=4096", "prompt.history=4",
            "data.users=50", 'prompt.fields=["token","title"]', 'training.targets="last"',
            'items.tasks=["next","next_title","title_of","item_of"]', 'evaluation.baselines=["popularity"]',
            "prompt.max_tokens=512"]  # fmt: skip
    code, report = call(capsys, "run", shop / "recipe.toml", "--out", tmp_path / "run", *settings(*more))
    assert code == 0, report
    trained = load(tmp_path / "run" / "model")
    assert trained.items is not None
    assert bool((trained.items.residual != 0).any())
    assert report["metrics"]["recall@10"]["n"] > 40


def test_drawn_negatives_train_as_well(
    shop: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = settings("items.negatives=20", "training.refit=false", 'evaluation.baselines=["popularity"]')
    code, report = call(capsys, "run", shop / "recipe.toml", "--out", tmp_path / "run", *chosen)
    assert code == 0, report
    losses = [row["train"] for row in json.loads((tmp_path / "run" / "run.json").read_text())["training"]["losses"]]
    assert losses[-1] < losses[0]


def test_withheld_items_are_removed_from_training_and_histories() -> None:
    train = [History("a", tuple("123")), History("b", tuple("45"))]
    train_cases = [EvalExample(History("a", tuple("12")), ("3",)), EvalExample(History("b", ("4",)), ("5",))]
    validation = [EvalExample(History("a", tuple("123")), ("4",)), EvalExample(History("b", tuple("45")), ("1",))]
    withheld = [0, 1, 0, 1, 0]  # items 2 and 4
    seed = next(seed for seed in range(200) if list(np.random.default_rng(seed).random(5) < WITHHELD_SHARE) == withheld)
    split = withhold(Split(train, train_cases, validation, []), list("12345"), seed)
    assert [history.items for history in split.train] == [("1", "3"), ("5",)]
    assert [(case.history.items, case.targets) for case in split.train_cases] == [(("1",), ("3",))]  # nothing before 5
    assert [(case.history.items, case.targets) for case in split.validation] == [(("1", "3"), ("4",)), (("5",), ("1",))]


def test_the_cold_start_bonus_raises_cold_recall(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transition_text, "LEAST_COLD_CASES", 5)
    results = {}
    for name in ("false", "true"):
        more = [f"items.cold_start_items={name}", "items.transition_text=true", "training.refit=true", "split.cold=0.2"]
        arguments = settings(*more, 'evaluation.baselines=["popularity"]')
        code, report = call(capsys, "run", shop / "recipe.toml", "--out", tmp_path / name, *arguments)
        assert code == 0, report
        bonus = json.loads((tmp_path / name / "model" / "transition_text.json").read_text())["cold_start_bonus"]
        results[name] = bonus, report["metrics"]["cold_recall@10"]["value"]
    assert results["false"][0] == 0
    assert results["true"] > results["false"]


def test_cold_items_are_ranked_by_their_words(
    shop: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = settings("split.cold=0.2", "training.refit=false", 'evaluation.baselines=["popularity"]')
    code, report = call(capsys, "run", shop / "recipe.toml", "--out", tmp_path / "run", *chosen)
    assert code == 0, report
    cold = report["metrics"]["cold_recall@10"]
    assert cold["n"] > 10
    assert cold["value"] > report["baselines"]["popularity"]["cold_recall@10"]["value"]
    model = load(tmp_path / "run" / "model")
    assert model.items is not None
    bought = {item for one in open_dataset(tmp_path / "run" / "dataset").split().train for item in one.items}
    unseen = torch.tensor([item not in bought for item in model.items.ids])
    assert bool(unseen.any())
    assert not bool(model.items.residual[unseen].any())


@pytest.mark.parametrize(
    "task", [["prompt.task=next_item", "prompt.style=bare"], ["prompt.task=generate_ids", "prompt.style=alpaca"]]
)
def test_users_have_tokens_where_that_is_asked_for(
    task: list[str], shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [
        "data.users=50",
        "prompt.user=true",
        "training.epochs=1",
        "training.refit=false",
        "training.batch_tokens=4096",
        "prompt.history=4",
    ]
    arguments = settings(*task, *more, "evaluation.baselines=[]")
    code, report = call(capsys, "run", shop / "recipe.toml", "--out", tmp_path / "run", *arguments)
    assert code == 0, report
    run = open_run(tmp_path / "run")
    dataset = open_run_dataset(run)
    model = open_trained_run(run, dataset).recommender
    history = dataset.split().test[0].history
    token = model.model.tokenizer.encode(f"<|user_{history.user_id}|>")
    assert len(token) == 1
    other = History("nobody", history.items)
    shown, untold = (
        encode(run.recipe.prompt.style, model.builder.ask(one), model.model.tokenizer).ids for one in (history, other)
    )
    assert shown.count(token[0]) == 1
    assert token[0] not in untold
    if hasattr(model, "score_all"):
        assert not np.array_equal(model.score_all([history]), model.score_all([other]))  # who it is changes the scores
