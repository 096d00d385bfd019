"""The training loop: learning, early stopping, resuming after a kill."""

import json
import multiprocessing
import os
import resource
import signal
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from shoptalk.errors import Diverged, ModelError, RunError, StorageError
from shoptalk.progress import silent
from shoptalk.recipe import Prompt, Training
from shoptalk.runs import read_log
from shoptalk.training import loop, phases
from shoptalk.training.checkpoint import State, load_checkpoint, save_checkpoint
from shoptalk.training.cross_entropy import fused_cross_entropy
from shoptalk.training.examples import encode_cases, encode_texts
from shoptalk.training.loop import TrainingData, fine_tune
from shoptalk.training.optimiser import make_optimiser
from shoptalk.training.phases import Answers, ValidationResult
from tests.words import CATALOGUE, TITLES, eval_data, prompt_builder, small_model

QUIET = {"checkpoint_seconds": 1e9, "batch_tokens": 256, "learning_rate": 3e-3}


LETTERS = Prompt(task="multiple_choice", style="plain", answer="letter")


def train(
    run: Path,
    *,
    seed: int = 1,
    resume: bool = False,
    validation_cases: int = 16,
    fixed: dict[str, int] | None = None,
    pretrain: bool = False,
    prompt: Prompt = LETTERS,
    layers: int = 1,
    **settings: object,
) -> tuple:
    """Train a small model; ``settings`` are of the section ``training``. Returns the model and the outcome."""
    model = small_model(seed, layers=layers)
    builder = prompt_builder(prompt, CATALOGUE)
    training_data = TrainingData(
        encode_cases(eval_data(24), builder, model.tokenizer),
        encode_cases(eval_data(validation_cases, 1), builder, model.tokenizer),
        encode_texts(TITLES, model.tokenizer) if pretrain else None,
    )
    recipe = Training.model_validate({**QUIET, "epochs": 3, **settings})
    run.mkdir(exist_ok=True)
    outcome = fine_tune(model, training_data, recipe, seed, run, resume=resume, progress=silent, epochs=fixed)
    return model, outcome


def weights(model: object) -> dict[str, torch.Tensor]:
    """Copies of all weights."""
    return {name: parameter.detach().clone() for name, parameter in model.network.named_parameters()}


def test_the_loss_falls_and_is_logged(tmp_path: Path) -> None:
    _, outcome = train(tmp_path, epochs=4)
    losses = [row["train"] for row in outcome.losses]
    assert losses[-1] < losses[0]
    epochs = [event for event in read_log(tmp_path) if event["event"] == "epoch"]
    assert [event["train"] for event in epochs] == losses


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, second, other_seed = (
        weights(train(tmp_path / name, seed=seed, epochs=2)[0]) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert not all(torch.equal(tensor, other_seed[name]) for name, tensor in first.items())


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    model, outcome = train(tmp_path, epochs=12, learning_rate=2e-2, patience=2)
    validation = [row["validation"] for row in outcome.losses]
    assert outcome.best_loss == min(validation)
    assert outcome.best_epoch == 1 + validation.index(min(validation))
    best = load_file(tmp_path / "checkpoints" / "best.safetensors")
    assert all(torch.equal(tensor, best[name]) for name, tensor in weights(model).items())


def rising_losses(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """Raise the training loss of every epoch above that of the one before; returns the weights after each epoch."""
    epoch_weights: list[dict[str, torch.Tensor]] = []
    validate, loss = Answers.validate, Answers.loss

    def raised_loss(phase: Answers, model: object, group: object) -> tuple:
        loss_sum, terms, tokens = loss(phase, model, group)
        return loss_sum + 10.0 * (len(epoch_weights) + 1) * terms, terms, tokens  # a constant: gradients stay the same

    def record_weights(phase: Answers, model: object, batch_tokens: int) -> ValidationResult:
        epoch_weights.append(weights(model))
        return validate(phase, model, batch_tokens)

    monkeypatch.setattr(Answers, "loss", raised_loss)
    monkeypatch.setattr(Answers, "validate", record_weights)
    return epoch_weights


def test_without_validation_cases_the_last_epoch_is_kept_whatever_the_training_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch_weights = rising_losses(monkeypatch)
    model, outcome = train(tmp_path, epochs=4, patience=1, validation_cases=0)
    losses = [row["train"] for row in outcome.losses]
    assert losses == sorted(losses)  # the training loss rose by about 10 an epoch, and patience was 1
    assert (len(epoch_weights), outcome.best_epoch) == (4, 4)
    assert (outcome.stopped_early, outcome.epochs) == (False, {"answers": 4})
    assert all(torch.equal(tensor, epoch_weights[-1][name]) for name, tensor in weights(model).items())


def test_a_fixed_number_of_epochs_ends_with_the_last_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch_weights = rising_losses(monkeypatch)
    fixed = {"catalogue": 1, "answers": 3}
    model, outcome = train(tmp_path, epochs=5, pretrain_epochs=2, pretrain=True, patience=1, fixed=fixed)
    assert [(row["phase"], row["epoch"]) for row in outcome.losses] == [
        ("catalogue", 1),  # the second of two epochs is skipped
        *(("answers", epoch) for epoch in (3, 4, 5)),
    ]
    assert (outcome.epochs, outcome.stopped_early) == (fixed, False)
    assert all(torch.equal(tensor, epoch_weights[-1][name]) for name, tensor in weights(model).items())
    assert not (tmp_path / "checkpoints" / "best.safetensors").exists()


def test_training_for_the_chosen_numbers_of_epochs_gives_the_weights_of_the_best_epoch(tmp_path: Path) -> None:
    settings = {"epochs": 12, "pretrain_epochs": 3, "pretrain": True, "learning_rate": 3e-2, "patience": 1}
    model, outcome = train(tmp_path / "select", **settings)
    assert outcome.stopped_early
    assert set(outcome.epochs) == {"catalogue", "answers"}
    for phase, start in (("catalogue", 0), ("answers", 3)):  # the epoch with the least validation loss of each
        losses = {row["epoch"]: row["validation"] for row in outcome.losses if row["phase"] == phase}
        assert outcome.epochs[phase] == min(losses, key=losses.__getitem__) - start
    refitted, _ = train(tmp_path / "refit", validation_cases=0, fixed=outcome.epochs, **settings)
    expected = weights(model)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(refitted).items())


def test_a_validation_loss_of_nan_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answers, "validate", lambda *_: ValidationResult(float("nan")))
    with pytest.raises(Diverged, match="the validation loss became nan at step"):
        train(tmp_path)


def test_training_stops_when_the_validation_loss_no_longer_falls(tmp_path: Path) -> None:
    _, outcome = train(tmp_path, epochs=60, learning_rate=3e-2, patience=1)
    assert outcome.stopped_early
    assert len(outcome.losses) == outcome.best_epoch + 1


def test_the_overfit_check_passes(tmp_path: Path) -> None:
    # Titles need about 100 of the 200 epochs with each of four seeds; letters fail with some seeds.
    prompt = Prompt(task="generate_title", style="plain")
    _, outcome = train(tmp_path, overfit=True, prompt=prompt, layers=2, learning_rate=5e-3)
    assert outcome.losses[-1]["train"] < 0.05


def test_the_overfit_check_fails_where_nothing_is_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "OVERFIT_EPOCHS", 5)
    with pytest.raises(ModelError, match="does not learn 16 examples"):
        train(tmp_path, overfit=True, learning_rate=1e-9, batch_tokens=2048)


def test_a_training_loss_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the loss became"):
        train(tmp_path, epochs=50, learning_rate=1e12, weight_decay=1e12)


KILLED = {"epochs": 4, "checkpoint_seconds": 0.0}


def train_until_killed(run: Path, *, resume: bool, epoch: int, batch: int, when: str) -> int:
    """Train in a copy of this process; returns its exit code.

    It is killed before or after (``when``) it saves the checkpoint of this epoch and batch.
    """

    def save(folder: Path, state: State, *content: object) -> None:
        reached = (state.epoch, state.batch) == (epoch, batch)
        if reached and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        save_checkpoint(folder, state, *content)
        if reached:
            os.kill(os.getpid(), signal.SIGKILL)

    def train_and_save() -> None:
        loop.save_checkpoint = save
        train(run, resume=resume, **KILLED)

    process = multiprocessing.get_context("fork").Process(target=train_and_save)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def test_a_killed_training_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "killed"
    expected = weights(train(whole, **KILLED)[0])
    assert epochs_logged(whole) == 4
    # The second step after the epoch is lost.
    assert train_until_killed(run, resume=False, epoch=1, batch=2, when="before") == -signal.SIGKILL
    assert epochs_logged(run) == 1
    assert train_until_killed(run, resume=True, epoch=3, batch=1, when="after") == -signal.SIGKILL
    assert epochs_logged(run) == 3
    resumed = weights(train(run, resume=True, **KILLED)[0])
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in expected.items())
    assert logged_losses(run) == logged_losses(whole)


def logged_losses(run: Path) -> list[tuple[float, float]]:
    """Training and validation loss of each epoch in the log."""
    return [(event["train"], event["validation"]) for event in read_log(run) if event["event"] == "epoch"]


def epochs_logged(run: Path) -> int:
    """The number of epochs in the log."""
    return sum(event["event"] == "epoch" for event in read_log(run))


def test_an_incomplete_checkpoint_is_ignored(tmp_path: Path) -> None:
    model = small_model()
    optimiser = make_optimiser(model, Training())
    parameters = dict(model.network.named_parameters())
    save_checkpoint(tmp_path, State(step=3), weights(model), optimiser)
    (tmp_path / ".step-00000009.abcd.tmp").mkdir()  # what a crash in the middle of writing leaves
    state = load_checkpoint(tmp_path, parameters, optimiser)
    assert state is not None
    assert state.step == 3
    (tmp_path / "step-00000003" / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(RunError, match="damaged checkpoint"):
        load_checkpoint(tmp_path, parameters, optimiser)


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    model = small_model()
    optimiser = make_optimiser(model, Training())
    parameters = {name: parameter.detach() for name, parameter in model.network.named_parameters()}
    save_checkpoint(tmp_path, State(step=3), parameters, optimiser)
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # writing a larger file fails as on a full disk
    try:
        with pytest.raises(StorageError):
            save_checkpoint(tmp_path, State(step=4), parameters, optimiser)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]
    state = load_checkpoint(tmp_path, parameters, optimiser)
    assert state is not None
    assert state.step == 3


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    model, wider_model = small_model(), small_model(width=64)
    save_checkpoint(tmp_path, State(step=1), weights(model), make_optimiser(model, Training()))
    with pytest.raises(RunError, match="another model"):
        load_checkpoint(tmp_path, dict(wider_model.network.named_parameters()), make_optimiser(wider_model, Training()))


def test_resuming_restores_the_scale_of_gradients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In fp16: a scale of 8 that doubles after every two steps."""
    model, scalers = small_model(), []

    def scaler(device: str, *, enabled: bool) -> torch.amp.GradScaler:
        scalers.append(torch.amp.GradScaler(device, enabled=enabled, init_scale=8.0, growth_interval=2))
        return scalers[-1]

    monkeypatch.setattr(loop, "GradScaler", scaler)
    examples = encode_cases(eval_data(16), prompt_builder(LETTERS, CATALOGUE), model.tokenizer)
    recipe = Training.model_validate({**QUIET, "epochs": 1, "batch_tokens": 128, "checkpoint_seconds": 0.0})

    def learn(run: Path, *, stop: int | None = None, resume: bool = False) -> float:
        """The scale at the end; with ``stop`` the training is interrupted after that many checkpoints."""
        saved = 0

        def save(*arguments: object) -> None:
            nonlocal saved
            save_checkpoint(*arguments)
            saved += 1
            if saved == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(loop, "save_checkpoint", save)
        fp16_model = replace(small_model(), precision="fp16")
        with pytest.raises(KeyboardInterrupt) if stop else nullcontext():
            fine_tune(fp16_model, TrainingData(examples, examples), recipe, 1, run, resume=resume, progress=silent)
        return float(scalers[-1].get_scale())

    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    whole.mkdir()
    resumed.mkdir()
    end = learn(whole)
    assert end > 16.0  # more than three steps, none of them with an overflow
    assert learn(resumed, stop=3) == 16.0  # 8 * 2 after the first two of three steps
    assert learn(resumed, resume=True) == end


def test_the_loss_of_words_is_fused_in_fp16_too(monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = replace(small_model(), precision="fp16"), []

    def recorded(*arguments: object) -> torch.Tensor:
        calls.append(arguments)
        return fused_cross_entropy(*arguments)

    monkeypatch.setattr(phases, "fused_cross_entropy", recorded)
    states, targets = torch.randn(5, 32), torch.arange(5)
    loss = phases.word_loss(model, states, targets)
    expected = torch.nn.functional.cross_entropy(model.logits(states), targets, reduction="sum")
    assert torch.allclose(loss, expected, rtol=1e-5)
    assert len(calls) == 1


def test_an_incomplete_line_of_the_log_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps({"event": "step", "step": 1}) + '\n{"event": "st')
    assert [event["step"] for event in read_log(tmp_path)] == [1]


def test_pretraining_on_texts_has_no_validation_where_answers_are_items(tmp_path: Path) -> None:
    model = small_model(1)
    builder = prompt_builder(LETTERS, CATALOGUE)
    cases, texts = encode_cases(eval_data(8), builder, model.tokenizer), encode_texts(TITLES, model.tokenizer)
    recipe = Training(pretrain_epochs=1, epochs=1)
    for negatives, validated in ((None, 8), (0, 0)):
        first, second = loop.phases(TrainingData(cases, cases, texts, negatives=negatives), recipe)
        assert (first.name, len(first.validation_set)) == ("catalogue", validated)
        assert len(second.validation_set) == 8
