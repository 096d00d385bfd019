"""The training loop: batches without padding, loss on answers only, early stopping, exact resuming."""

import math
import time
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.amp import GradScaler

from shoptalk.errors import Diverged, ModelError
from shoptalk.files import replacing
from shoptalk.models.language_model import LanguageModel
from shoptalk.progress import Progress
from shoptalk.recipe import Training, decided
from shoptalk.training.checkpoint import State, load_checkpoint, load_weights, save_checkpoint, save_tensors
from shoptalk.training.early_stopping import epochs_without_progress
from shoptalk.training.examples import TokenSet
from shoptalk.training.log import Log
from shoptalk.training.optimiser import learning_rate, make_optimiser
from shoptalk.training.phases import Answers, Choices, MultipleChoicePhase, NextItems, ValidationResult
from shoptalk.training.trackers import Tracker

#: The overfit check: its examples, its most epochs, and the loss per token, in nats, below which it has passed.
OVERFIT_EXAMPLES, OVERFIT_EPOCHS, OVERFIT_LOSS = 16, 200, 0.05
#: In a run's folder: the folder of the checkpoints, which is removed after training.
CHECKPOINTS = "checkpoints"
#: In the folder of the checkpoints: the weights of the best epoch so far of the current phase.
BEST_WEIGHTS = "best.safetensors"
#: A step in this many is logged.
LOG_STEPS = 20
#: Largest norm of the gradient of all weights; a longer gradient is scaled down to it.
GRADIENT_NORM = 1.0
#: Steps of warm-up of a phase that begins with a new optimiser.
WARMUP_STEPS = 50


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Training and validation data of all phases.

    Attributes
    ----------
    train, validation
        Examples of the task.
    catalogue
        Texts of the items, for the phase before the examples; None without that phase.
    choices, validation_choices
        Questions with options, for the choice phase after the examples; None without that phase.
    negatives
        None where the answers are text. Where they are item tokens, the number of items that are sampled for the
        softmax of a step; 0 for the softmax over all items.
    crowd, crowd_epochs
        Examples of the stage ``[pretraining]``, the first of all phases, and its number of epochs.
    """

    train: TokenSet
    validation: TokenSet
    catalogue: TokenSet | None = None
    choices: Choices | None = None
    validation_choices: Choices | None = None
    negatives: int | None = None
    crowd: TokenSet | None = None
    crowd_epochs: int = 0


class Phase(Protocol):
    """Some epochs of training with one loss.

    With ``resets_optimiser`` the phase begins with a new optimiser and a warm-up, because its loss is of another kind
    than that of the phase before.
    """

    name: str
    resets_optimiser: bool

    @property
    def validation_set(self) -> Sized:
        """The validation cases by which epochs are compared; if there are none, the last epoch counts."""
        ...

    def plan(self, batch_tokens: int, generator: np.random.Generator) -> list[NDArray[np.int64]]:
        """The batches of an epoch."""
        ...

    def loss(self, model: LanguageModel, group: NDArray[np.int64]) -> tuple[Tensor, int, int]:
        """Summed loss of a batch, the number of terms in the sum, and the number of tokens of the batch."""
        ...

    def validate(self, model: LanguageModel, batch_tokens: int) -> ValidationResult:
        """Loss, and NDCG where items are ranked, on the validation cases."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a training; losses are means per answer token, in nats.

    ``losses`` has a row for each epoch, ``best_epoch`` counts from 1, ``tokens`` and ``seconds`` are totals, and
    ``epochs`` maps the name of each phase to the number of its epochs after which its weights were kept.
    """

    losses: list[dict[str, Any]]
    best_epoch: int
    best_loss: float
    tokens: int
    seconds: float
    stopped_early: bool
    epochs: dict[str, int] = field(default_factory=dict)


def fine_tune(
    model: LanguageModel,
    training_data: TrainingData,
    recipe: Training,
    seed: int,
    run: Path,
    *,
    resume: bool,
    progress: Progress,
    epochs: Mapping[str, int] | None = None,
    trackers: Sequence[Tracker] = (),
) -> Outcome:
    """Train, and leave the model with the weights of the best epoch by validation loss (for item tokens, by NDCG@10).

    If there are no validation cases, or the number of epochs is fixed, all epochs are trained and the last weights are
    kept.

    Parameters
    ----------
    run
        The run's folder; checkpoints and ``log.jsonl`` are written there.
    resume
        Continue from the latest checkpoint of the folder, if there is one.
    progress
        Called after each step with the epochs done (as a fraction), the number of epochs, and the loss and speed.
    epochs
        Fixed number of epochs by name of the phase, as in `Outcome.epochs` of another training; the learning rate is
        that of the same epochs there. Without it, the numbers are those of ``recipe``, and a phase ends early after
        ``recipe.patience`` epochs without improvement.
    trackers
        Also receive every event of the log.

    Raises
    ------
    Diverged
        When the loss of training or of validation is not a number.
    ModelError
        When an `overfit` check does not learn its examples.
    """
    if recipe.overfit:
        train = training_data.train.first(OVERFIT_EXAMPLES)
        validation = train if training_data.negatives is None else training_data.validation.first(OVERFIT_EXAMPLES)
        training_data = TrainingData(train, validation, negatives=training_data.negatives)
        recipe = recipe.model_copy(update={"epochs": OVERFIT_EPOCHS, "patience": 0})
    return _Trainer(model, training_data, recipe, seed, run, progress, trackers, epochs).run(resume=resume)


class _Trainer:
    """One training, from its first step or from a checkpoint."""

    def __init__(
        self,
        model: LanguageModel,
        training_data: TrainingData,
        recipe: Training,
        seed: int,
        run: Path,
        progress: Progress,
        trackers: Sequence[Tracker],
        epochs: Mapping[str, int] | None,
    ) -> None:
        self.model, self.recipe, self.seed, self.progress, self.trackers = model, recipe, seed, progress, trackers
        self.fixed_epochs = epochs
        self.folder, self.run_folder = run / CHECKPOINTS, run
        self.weights = model.trainable_parameters()
        self.optimiser = make_optimiser(model, recipe)
        self.scaler = GradScaler(model.device.type, enabled=model.precision == "fp16")
        self.plan = phases(training_data, recipe)  # the phase of each epoch
        self.state = State()

    def run(self, *, resume: bool) -> Outcome:
        """Train the remaining epochs; see `fine_tune`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if resume:
            self.state = load_checkpoint(self.folder, self.weights, self.optimiser) or self.state
            if self.state.scaler:
                self.scaler.load_state_dict(self.state.scaler)
        if self.recipe.gradient_checkpointing:
            self.model.network.gradient_checkpointing_enable({"use_reentrant": False})
            if hasattr(self.model.network, "enable_input_require_grads"):
                self.model.network.enable_input_require_grads()
        self._saved_at = time.monotonic()
        with Log(self.run_folder, self.state.step, self.trackers) as log:
            for note in self.model.notes if self.state.step == 0 else ():
                log.event("note", 0, text=note)
            while self.state.epoch < len(self.plan):
                self._epoch(log)
        if self.plan:
            self._load_best(self.plan[-1])
        self.model.train(False)
        return self._outcome()

    def _epoch(self, log: Log) -> None:
        """Train the remaining batches of an epoch, then validate."""
        state, phase = self.state, self.plan[self.state.epoch]
        groups = phase.plan(decided(self.recipe.batch_tokens), np.random.default_rng([self.seed, state.epoch]))
        warms_up = phase.resets_optimiser and (state.epoch == 0 or self.plan[state.epoch - 1] is not phase)
        if warms_up and not state.batch:  # with the moments of another loss, the first steps would be far too long
            self.optimiser = make_optimiser(self.model, self.recipe)
        self.model.train()
        for group in groups[state.batch :]:
            begin = time.monotonic()
            rate = learning_rate(self.recipe, (state.epoch + state.batch / len(groups)) / len(self.plan))
            if warms_up:
                rate *= min(1.0, (state.batch + 1) / WARMUP_STEPS)
            loss, tokens = self._step(phase, group, rate)
            state.batch += 1
            state.step += 1
            seconds = time.monotonic() - begin
            state.seconds += seconds
            done = state.epoch + state.batch / len(groups)
            self.progress("train", done, len(self.plan), f"loss {loss:.3f}, {tokens / seconds:,.0f} tokens/s")
            if state.step % LOG_STEPS == 0:
                log.event("step", state.step, loss=loss, learning_rate=rate, tokens=state.tokens)
            if state.batch < len(groups):
                self._save_if_due()
        self._end_epoch(log, phase)

    def _step(self, phase: Phase, group: NDArray[np.int64], rate: float) -> tuple[float, int]:
        """Update the weights once; returns the loss, averaged over the terms of the batch, and the batch's tokens."""
        for parameters in self.optimiser.param_groups:
            parameters["lr"] = rate
        loss_sum, terms, tokens = phase.loss(self.model, group)
        loss = loss_sum / max(terms, 1)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.weights.values(), GRADIENT_NORM)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(f"the loss became {value} at step {self.state.step}", hint="lower training.learning_rate")
        self.state.loss_sum += float(loss_sum.detach())
        self.state.terms += terms
        self.state.tokens += tokens
        return value, tokens

    def _end_epoch(self, log: Log, phase: Phase) -> None:
        """Validate, log the losses, keep the weights where they are the best, and go to the next epoch."""
        state = self.state
        self.model.train(False)
        validation = phase.validate(self.model, decided(self.recipe.batch_tokens))
        train_loss = state.loss_sum / max(state.terms, 1)
        losses = {"epoch": state.epoch + 1, "train": train_loss, "validation": validation.loss}
        if validation.ndcg is not None:
            losses["ndcg@10"] = validation.ndcg
        state.losses.append({**losses, "phase": phase.name})
        log.event("epoch", state.step, **losses, phase=phase.name, tokens=state.tokens)
        self._keep_if_best(phase, validation)
        next_epoch = state.epoch + 1
        if self._phase_ends(phase, train_loss):
            while next_epoch < len(self.plan) and self.plan[next_epoch] is phase:
                next_epoch += 1
        state.batch, state.loss_sum, state.terms = 0, 0.0, 0
        state.skipped += 0 if self.fixed_epochs is not None else next_epoch - state.epoch - 1
        if next_epoch < len(self.plan) and self.plan[next_epoch] is not phase:
            self._load_best(phase)
            state.best_loss = math.inf  # the next phase has another loss
        state.epoch = next_epoch
        self._save_if_due()

    def _compares_epochs(self, phase: Phase) -> bool:
        """Whether the best epoch of a phase is kept; otherwise it is the last."""
        return self.fixed_epochs is None and len(phase.validation_set) > 0

    def _keep_if_best(self, phase: Phase, validation: ValidationResult) -> None:
        """Keep the weights of the epoch that has just ended if it is the best of its phase, or epochs are not compared.

        The training loss does not decide, because it nearly always falls.
        """
        state = self.state
        if self._compares_epochs(phase):
            if math.isnan(validation.cost):
                raise Diverged(
                    f"the validation loss became {validation.loss} at step {state.step}",
                    hint="lower training.learning_rate",
                )
            if validation.cost >= state.best_loss:
                return
            state.best_loss = validation.cost
            with replacing(self.folder / BEST_WEIGHTS) as temporary:
                save_tensors(_detached(self.weights), temporary)
        state.best_epoch = state.epoch
        state.kept[phase.name] = state.epoch - self.plan.index(phase) + 1

    def _phase_ends(self, phase: Phase, train_loss: float) -> bool:
        """Whether the remaining epochs of a phase are skipped."""
        state = self.state
        if self.fixed_epochs is not None:
            done = state.epoch - self.plan.index(phase) + 1
            return done >= self.fixed_epochs.get(phase.name, len(self.plan))
        if self.recipe.overfit and train_loss < OVERFIT_LOSS:
            return True
        if not (self.recipe.patience and self._compares_epochs(phase)):
            return False
        rows = (row for row in state.losses if row["phase"] == phase.name)
        results = (ValidationResult(row["validation"], row.get("ndcg@10")) for row in rows)
        return epochs_without_progress(results) >= self.recipe.patience

    def _load_best(self, phase: Phase) -> None:
        """Load the weights of the best epoch of a phase; where epochs are not compared, the last weights stay."""
        path = self.folder / BEST_WEIGHTS
        if self._compares_epochs(phase) and path.exists():
            load_weights(load_file(path), self.weights, path)

    def _save_if_due(self) -> None:
        """Write a checkpoint if the last one is ``training.checkpoint_seconds`` old."""
        if time.monotonic() - self._saved_at >= self.recipe.checkpoint_seconds:
            self.state.scaler = self.scaler.state_dict()
            save_checkpoint(self.folder, self.state, _detached(self.weights), self.optimiser)
            self._saved_at = time.monotonic()

    def _outcome(self) -> Outcome:
        """The result of the training; an overfit check fails here."""
        state = self.state
        best_row: dict[str, Any] = next((row for row in state.losses if row["epoch"] == state.best_epoch + 1), {})
        validation_loss = best_row.get("validation", math.nan)
        # With NDCG, the validation cases of an overfit check are not its training examples.
        by_validation = "ndcg@10" not in best_row and not math.isnan(validation_loss)
        loss = validation_loss if by_validation else best_row.get("train", math.nan)
        if self.recipe.overfit and self.fixed_epochs is None and not loss < OVERFIT_LOSS:
            raise ModelError(
                f"the set-up does not learn {OVERFIT_EXAMPLES} examples: loss {loss:.3f} after "
                f"{len(state.losses)} epochs",
                hint="raise training.learning_rate, or the model's size",
            )
        return Outcome(
            losses=state.losses,
            best_epoch=state.best_epoch + 1,
            best_loss=validation_loss,
            tokens=state.tokens,
            seconds=state.seconds,
            stopped_early=state.skipped > 0,
            epochs=state.kept,
        )


def phases(training_data: TrainingData, recipe: Training) -> list[Phase]:
    """The phase of each epoch."""
    answers: Phase = Answers("answers", training_data.train, training_data.validation)
    word_validation = training_data.validation
    if training_data.negatives is not None:
        word_validation = training_data.validation.first(0)  # its answers are items, not words
        answers = NextItems(training_data.train, training_data.validation, training_data.negatives)
    plan: list[Phase] = []
    if training_data.crowd is not None:  # without validation cases: the last epoch counts
        nothing = training_data.crowd.first(0)
        stage: Phase = Answers("pretraining", training_data.crowd, nothing)
        if training_data.negatives is not None:
            stage = NextItems(training_data.crowd, nothing, training_data.negatives, "pretraining")
        plan += [stage] * training_data.crowd_epochs
    if training_data.catalogue is not None:
        plan += [Answers("catalogue", training_data.catalogue, word_validation)] * recipe.pretrain_epochs
    plan += [answers] * decided(recipe.epochs)
    if training_data.choices is not None and training_data.validation_choices is not None:
        plan += [
            MultipleChoicePhase("options", training_data.choices, training_data.validation_choices)
        ] * recipe.choice_epochs
    return plan


def _detached(weights: dict[str, Any]) -> dict[str, Tensor]:
    """The weights without gradients, contiguous as safetensors requires."""
    return {name: weight.detach().contiguous() for name, weight in weights.items()}
