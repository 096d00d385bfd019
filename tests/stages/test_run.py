"""The whole experiment, small: what it leaves behind, what it refuses, and how it goes on."""

import html
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from shoptalk.cli.main import main
from shoptalk.data import dataset
from shoptalk.models import storage
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.storage import load

pytestmark = pytest.mark.usefixtures("without_report")  # only the run of the fixture `done` has one
SMALL = ["model.width=32", "model.layers=1", "model.precision=fp32",
         "model.vocabulary=400", "training.epochs=2", "training.pretrain_epochs=1",
         "training.choice_epochs=1", "evaluation.generate=5", "evaluation.resamples=200"]  # fmt: skip


def settings(*more: str) -> list[str]:
    return [part for setting in [*SMALL, *more] for part in ("--set", setting)]


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict]:
    """The exit code of a command, and the one JSON object that it prints."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments), "--json"])
    return int(caught.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def done(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    with pytest.raises(SystemExit) as caught:
        main(["run", str(shop / "recipe.toml"), "--out", str(run), *settings(), "--json"])
    assert not caught.value.code
    return run


def test_a_run_leaves_everything_behind(done: Path) -> None:
    names = {path.name for path in done.iterdir()}
    assert {"recipe.toml", "run.json", "model", "metrics.json", "predictions.parquet", "errors.parquet", "log.jsonl",
            "report.html", "loss.png", "dataset", "tensorboard", "audit.json", "generated.json"} == names  # fmt: skip
    metrics = json.loads((done / "metrics.json").read_text())
    assert {"accuracy", "swapped_accuracy", "personalisation_gap", "precision", "recall", "f1", "exact_match", "mrr",
            "ece", "title_exact_match"} <= metrics["metrics"].keys()  # fmt: skip
    assert metrics["baselines"]["chance"]["accuracy"]["value"] == 1 / 4
    versus = metrics["versus"]["chance"]["accuracy"]
    assert versus["difference"] == pytest.approx(metrics["metrics"]["accuracy"]["value"] - 1 / 4)
    assert versus["p_holm"] >= versus["p"]
    assert len(metrics["samples"]) == 3
    assert metrics["samples"][0]["prompt"] in html.unescape((done / "report.html").read_text())
    gap = metrics["metrics"]["accuracy"]["value"] - metrics["metrics"]["swapped_accuracy"]["value"]
    assert metrics["metrics"]["personalisation_gap"]["value"] == pytest.approx(gap)
    predictions = pq.read_table(done / "predictions.parquet").to_pylist()
    assert len(predictions) == metrics["cases"]
    right = sum(row["scores"].index(max(row["scores"])) == row["answer"] for row in predictions)
    assert metrics["metrics"]["accuracy"]["value"] == pytest.approx(right / len(predictions), abs=0.01)


def test_every_wrong_answer_is_explained(done: Path) -> None:
    errors = json.loads((done / "metrics.json").read_text())["errors"]
    rows = pq.read_table(done / "errors.parquet").to_pylist()
    assert errors["what"] == "options"
    assert len(rows) == errors["wrong"] > 10
    for row in rows:
        assert row["chosen"] != row["answer"]
        assert row["scores"][row["chosen"]] == max(row["scores"])
    for group in errors["groups"]:
        assert group["wrong"] == sum(group["name"] in row["groups"] for row in rows)
        assert 0 <= group["reference"] <= 1
        for one in group["examples"]:
            assert one["chosen"] != one["answer"]
            assert len(one["options"]) == len(one["scores"]) == 4
    assert {"semantic_pull", "popularity_pull", "position_pull"} <= {group["name"] for group in errors["groups"]}
    assert sum(row["cases"] for row in errors["calibration"]) == errors["cases"]
    for one in errors["what_if"]:  # the first step is the answer that the users got, by the model that is there now
        assert one["steps"][0]["removed"] is None
        assert one["steps"][0]["answer"] == one["chosen"] != one["answer"]
        # One by one up to the last purchase; of a long history the oldest go together in the first step.
        assert [step["removed"] for step in one["steps"][2:]] == one["history"][1 - len(one["steps"]) : -1]


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a dataset and a saved model are read from disk."""
    count: Counter[str] = Counter()

    def counted(name: str, original: Callable[[Path], Any]) -> Callable[[Path], Any]:
        def function(folder: Path) -> Any:
            count[name] += 1
            return original(folder)

        return function

    monkeypatch.setattr(dataset, "_read_catalogue", counted("dataset", dataset._read_catalogue))
    monkeypatch.setattr(storage, "read_card", counted("model", storage.read_card))
    return count


def test_the_same_seed_gives_the_same_metrics(
    done: Path, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], openings: Counter[str]
) -> None:
    code, again = call(capsys, "run", shop / "recipe.toml", "--out", tmp_path / "again", *settings())
    assert code == 0, again
    assert openings == {"dataset": 1, "model": 1}
    before = json.loads((done / "metrics.json").read_text())
    assert again["metrics"] == before["metrics"]
    assert again["errors"] == before["errors"]
    assert again["fingerprint"] == before["fingerprint"]


def test_a_run_can_be_moved_and_judged_again(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], openings: Counter[str]
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(done, moved)
    before = json.loads((moved / "metrics.json").read_text())
    code, report = call(capsys, "evaluate", moved)
    assert code == 0, report
    assert openings == {"dataset": 1, "model": 1}
    assert report["metrics"] == before["metrics"]


def test_judging_with_other_settings(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    baselines = ["--set", 'evaluation.baselines=["chance"]', "--set", "evaluation.generate=0"]
    (copy / "report.html").unlink()
    code, report = call(capsys, "evaluate", copy, "--seed", 5, *baselines)
    assert code == 0, report
    assert list(report["baselines"]) == ["chance"]
    assert "report.html" in {path.name for path in copy.iterdir()}  # the page follows the figures
    assert "title_exact_match" not in report["metrics"]
    code, report = call(capsys, "evaluate", copy, "--set", "model.width=64")
    assert code == 2
    assert "only settings of [evaluation]" in report["error"]["message"]


def test_a_saved_model_that_differs_fails_the_run(
    done: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forgetful(folder: Path) -> LanguageModel:
        model = load(folder)
        torch.nn.init.zeros_(model.network.model.norm.weight)
        return model

    monkeypatch.setattr("shoptalk.stages.train.load", forgetful)
    chosen = settings("training.epochs=1", "training.choice_epochs=0")
    code, report = call(
        capsys, "train", shop / "recipe.toml", "--data", done / "dataset", "--out", tmp_path / "run", *chosen
    )
    assert code == 2
    assert "differs from the trained one" in report["error"]["message"]


def test_a_known_user_gets_products_that_are_new_with_reasons(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    user = pq.read_table(done / "predictions.parquet")["user_id"][0].as_py()
    code, report = call(capsys, "recommend", done, "--user", user, "-k", 3, "--explain")
    assert code == 0, report
    bought = {row["item_id"] for row in report["history"]}
    assert len(report["items"]) == 3
    assert not bought & {item["item_id"] for item in report["items"]}
    assert {reason["item_id"] for reason in report["items"][0]["because"]} <= bought
    scores = [item["score"] for item in report["items"]]
    assert scores == sorted(scores, reverse=True)


def test_typed_titles_and_given_options(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = pq.read_table(done / "dataset" / "items.parquet").to_pylist()
    typed = ["--history", items[0]["title"], "--option", items[1]["item_id"], "--option", items[2]["title"]]
    code, report = call(capsys, "recommend", done, *typed, "-k", 1)
    assert code == 0, report
    assert report["items"][0]["item_id"] in {items[1]["item_id"], items[2]["item_id"]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["recommend", "RUN", "--user", "nobody"], "no user 'nobody'"),
        (["recommend", "RUN", "--history", "zzzzqqqq"], "no product fits"),
        (["recommend", "RUN"], "say whom to recommend to"),
        (["recommend", "NOTHING", "--user", "x"], "not a run"),
        (["evaluate", "NOTHING"], "not a run"),
        (["train", "NOTHING.toml", "--data", "RUN/dataset", "--out", "NEW"], "cannot be read"),
        (["recommend", "RUN", "-k", "0", "--user", "x"], "greater than or equal to 1"),
        (["nonsense"], "No such command"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    indices = {"RUN": str(done), "NOTHING": str(tmp_path / "nothing"), "NEW": str(tmp_path / "new")}
    for name, path in indices.items():
        arguments = [argument.replace(name, path) for argument in arguments]
    code, report = call(capsys, *arguments)
    assert code == 2
    assert says in report["error"]["message"]


def test_an_old_run_is_never_overwritten(done: Path, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = call(capsys, "run", shop / "recipe.toml", "--out", done, *settings())
    assert code == 2
    assert "already holds a run" in report["error"]["message"]


def test_a_finished_run_is_not_trained_again_by_resume(
    done: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = (done / "log.jsonl").read_bytes()
    code, report = call(capsys, "run", shop / "recipe.toml", "--out", done, "--resume", *settings())
    assert code == 0, report
    assert (done / "log.jsonl").read_bytes() == log
    code, report = call(capsys, "run", shop / "recipe.toml", "--out", done, "--resume", *settings("training.epochs=9"))
    assert code == 2
    assert "not the one that this run began with" in report["error"]["message"]


def test_a_dataset_of_another_recipe_is_refused(
    done: Path, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = settings("candidates.options=5")
    code, report = call(
        capsys, "train", shop / "recipe.toml", "--data", done / "dataset", "--out", tmp_path / "run", *other
    )
    assert code == 2
    assert "candidates.options is 4 in the dataset and 5 in the recipe" in report["error"]["message"]


@pytest.mark.parametrize("form", ["csv", "alpaca", "chat"])
def test_examples_are_exported(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    code, report = call(capsys, "export", done, "--format", form, "--part", "test", "--out", tmp_path / "rows")
    assert code == 0, report
    assert report["examples"] == json.loads((done / "metrics.json").read_text())["cases"]


@pytest.mark.parametrize(
    "task",
    [
        ["prompt.task=multiple_choice", "prompt.style=alpaca", "prompt.answer=letter"],
        ["prompt.task=multiple_choice", "prompt.style=phi3", 'prompt.fields=["title", "brand", "categories"]'],
        ["prompt.task=pointwise", "prompt.style=chat", "training.choice_epochs=0"],
    ],
)
def test_the_other_tasks_and_styles_run_as_well(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], task: list[str]
) -> None:
    code, report = call(
        capsys,
        "run",
        shop / "recipe.toml",
        "--out",
        tmp_path / "run",
        *settings("data.users=50", "training.targets=last", "prompt.max_tokens=768", "training.epochs=1", *task),
    )
    assert code == 0, report
    assert 0 <= report["metrics"]["accuracy"]["value"] <= 1


def test_liking_by_rating_needs_no_options(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (shop / "recipe.toml").read_text()
    start = text.index("[candidates]")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text[:start] + text[text.index("[prompt]") :])
    chosen = settings(
        "data.users=50",
        "training.epochs=1",
        "prompt.task=pointwise",
        "prompt.style=alpaca",
        "training.choice_epochs=0",
        "training.targets=last",
        "prompt.max_tokens=768",
    )
    code, report = call(capsys, "run", recipe, "--out", tmp_path / "run", *chosen)
    assert code == 0, report
    assert report["baselines"]["majority"]["accuracy"]["value"] >= 0.5


@pytest.mark.parametrize("tuning", ["lora", "qlora"])
def test_adapters_are_trained_on_a_base_and_judged(
    done: Path, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tuning: str
) -> None:
    if tuning == "qlora":
        pytest.importorskip("bitsandbytes")
    base = settings(f"model.base={done / 'model'}", f"model.tuning={tuning}", "training.choice_epochs=0",
                    "training.epochs=1", "evaluation.generate=0",
                    "training.gradient_checkpointing=true")  # fmt: skip
    code, report = call(capsys, "run", shop / "recipe.toml", "--out", tmp_path / "run", *base)
    assert code == 0, report
    assert 0 < report["training"]["trainable_share"] < 0.6
    assert (tmp_path / "run" / "model" / "adapter_model.safetensors").exists()


def test_an_untrained_model_is_scored_by_the_same_code(
    done: Path, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = settings(f"model.base={done / 'model'}", "training.epochs=0", "training.pretrain_epochs=0",
                    "training.choice_epochs=0")  # fmt: skip
    code, report = call(capsys, "run", shop / "recipe.toml", "--out", tmp_path / "run", *base)
    assert code == 0, report
    trained = json.loads((done / "metrics.json").read_text())
    assert report["metrics"]["accuracy"] == trained["metrics"]["accuracy"]  # the trained weights, scored zero-shot


def test_examples_from_elsewhere_are_learned_too(
    done: Path, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([{"instruction": "Say", "input": "soap", "output": "Rose soap"}] * 3))
    short = settings(
        "prompt.style=alpaca", "training.targets=last", "training.epochs=1", "training.pretrain_epochs=0",
        "training.choice_epochs=0", "prompt.max_tokens=768",
    )  # fmt: skip
    extra = [*short, "--set", f'training.extra=["{rows}"]']
    code, report = call(
        capsys, "train", shop / "recipe.toml", "--data", done / "dataset", "--out", tmp_path / "run", *extra
    )
    assert code == 0, report
    code, less = call(
        capsys, "train", shop / "recipe.toml", "--data", done / "dataset", "--out", tmp_path / "run2", *short
    )
    assert report["examples"] == less["examples"] + 3
