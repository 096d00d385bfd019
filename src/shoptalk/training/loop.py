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

from shoptalk.errors import Diverged, ModelError, require
from shoptalk.files import replacing
from shoptalk.models.language_model import LanguageModel
from shoptalk.progress import Progress
from shoptalk.recipe import Training
from shoptalk.training.checkpoint import State, load_checkpoint, load_weights, save_checkpoint, save_tensors
from shoptalk.training.examples import TokenSet
from shoptalk.training.log import Log
from shoptalk.training.phases import Answers, Choices, MultipleChoicePhase, NextItems, ValidationResult
from shoptalk.training.trackers import Tracker

#: A set-up that works learns a handful of examples to this loss per token (natural logarithm).
LEARNED = 0.05
OVERFIT_EXAMPLES, OVERFIT_EPOCHS = 16, 200
#: In a run's folder: the folder of the checkpoints, which goes when training has ended.
CHECKPOINTS = "checkpoints"
#: In the folder of the checkpoints: the weights of the best epoch so far of the phase at hand.
BEST = "best.safetensors"
#: How often a step is logged, and how gradients are bounded.
LOG_STEPS, CLIP = 20, 1.0
#: Steps of warm-up where a phase has another kind of loss than the one before.
WARMUP_STEPS = 50


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What is learned: the catalogue's texts, then the examples, then choosing, as far as the recipe says so.

    ``negatives`` is None where answers are words, else how many items are drawn for a step (0: all compete).
    """

    train: TokenSet
    validation: TokenSet
    catalogue: TokenSet | None = None
    choices: Choices | None = None
    validation_choices: Choices | None = None
    negatives: int | None = None


class Phase(Protocol):
    """A part of training: what it learns from, and what it watches; ``fresh`` where its loss is of another kind."""

    name: str
    fresh: bool

    @property
    def watched(self) -> Sized:
        """The validation cases, by which its epochs are compared; with none of them, its last epoch counts."""
        ...

    def plan(self, batch_tokens: int, generator: np.random.Generator) -> list[NDArray[np.int64]]:
        """The batches of an epoch."""
        ...

    def loss(self, model: LanguageModel, group: NDArray[np.int64]) -> tuple[Tensor, int, int]:
        """Summed loss of a batch, over how many terms, and tokens computed for it."""
        ...

    def validation(self, model: LanguageModel, batch_tokens: int) -> ValidationResult:
        """What the validation cases say."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How training went; losses are per answer token, in nats.

    ``epochs`` says for each phase after how many of its epochs its weights were kept.
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
    """Train, keep the best weights by validation loss (NDCG, for item tokens), and leave the model with them.

    Where there is nothing to compare epochs by (no validation cases, or their number is fixed), every epoch is trained
    and the last weights are kept.

    Parameters
    ----------
    epochs
        How many epochs of each phase are trained (its name: their number), as `Outcome.epochs` of another training
        says; the learning rate is that of the same epochs there. Without it, ``recipe`` says how many, and
        ``recipe.patience`` how long one waits for a better one.
    progress
        Called after each step: epochs done (and the share of this one), epochs in all, loss and tokens per second.

    Raises
    ------
    Diverged
        When the loss of training or of validation is not a number.
    ModelError
        When an `overfit` check does not learn its examples.
    """
    if recipe.overfit:
        few = training_data.train.first(OVERFIT_EXAMPLES)
        watched = few if training_data.negatives is None else training_data.validation.first(OVERFIT_EXAMPLES)
        training_data = TrainingData(few, watched, negatives=training_data.negatives)
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
        self.fixed = epochs
        self.folder, self.run_folder = run / CHECKPOINTS, run
        self.weights = model.trainable_parameters()
        self.optimiser = make_optimiser(model, recipe)
        self.scaler = GradScaler(model.device.type, enabled=model.precision == "fp16")
        self.plan = phases(training_data, recipe)
        self.state = State()

    def run(self, *, resume: bool) -> Outcome:
        """All epochs that are left; see `fine_tune`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if resume:
            self.state = load_checkpoint(self.folder, self.weights, self.optimiser) or self.state
            if self.state.scaler:
                self.scaler.load_state_dict(self.state.scaler)
        if self.recipe.gradient_checkpointing:
            self.model.network.gradient_checkpointing_enable({"use_reentrant": False})
            if hasattr(self.model.network, "enable_input_require_grads"):
                self.model.network.enable_input_require_grads()
        self._saved = time.monotonic()
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
        state, phase = self.state, self.plan[self.state.epoch]
        groups = phase.plan(self.recipe.batch_tokens, np.random.default_rng([self.seed, state.epoch]))
        begins = phase.fresh and (state.epoch == 0 or self.plan[state.epoch - 1] is not phase)
        if begins and not state.batch:  # moments of another loss would make the first steps far too long
            self.optimiser = make_optimiser(self.model, self.recipe)
        self.model.train()
        for group in groups[state.batch :]:
            begin = time.monotonic()
            rate = learning_rate(self.recipe, (state.epoch + state.batch / len(groups)) / len(self.plan))
            if begins:
                rate *= min(1.0, (state.batch + 1) / WARMUP_STEPS)
            loss, tokens = self._step(phase, group, rate)
            state.batch += 1
            state.step += 1
            took = time.monotonic() - begin
            state.seconds += took
            done = state.epoch + state.batch / len(groups)
            self.progress("train", done, len(self.plan), f"loss {loss:.3f}, {tokens / took:,.0f} tokens/s")
            if state.step % LOG_STEPS == 0:
                log.event("step", state.step, loss=loss, learning_rate=rate, tokens=state.tokens)
            if state.batch < len(groups):
                self._save_now_and_then()
        self._end_epoch(log, phase)

    def _step(self, phase: Phase, group: NDArray[np.int64], rate: float) -> tuple[float, int]:
        """One update; the loss is the mean over the batch's terms."""
        for settings in self.optimiser.param_groups:
            settings["lr"] = rate
        loss_sum, terms, tokens = phase.loss(self.model, group)
        loss = loss_sum / max(terms, 1)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.weights.values(), CLIP)
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
        state = self.state
        self.model.train(False)
        seen = phase.validation(self.model, self.recipe.batch_tokens)
        train_loss = state.loss_sum / max(state.terms, 1)
        losses = {"epoch": state.epoch + 1, "train": train_loss, "validation": seen.loss}
        if seen.ndcg is not None:
            losses["ndcg@10"] = seen.ndcg
        state.losses.append({**losses, "phase": phase.name})
        log.event("epoch", state.step, **losses, phase=phase.name, tokens=state.tokens)
        self._compare(phase, seen)
        following = state.epoch + 1
        if self._enough(phase, train_loss):
            while following < len(self.plan) and self.plan[following] is phase:
                following += 1
        state.batch, state.loss_sum, state.terms = 0, 0.0, 0
        state.skipped += 0 if self.fixed is not None else following - state.epoch - 1
        if following < len(self.plan) and self.plan[following] is not phase:
            self._load_best(phase)
            state.best_loss = math.inf  # the next phase has another loss
        state.epoch = following
        self._save_now_and_then()

    def _selects(self, phase: Phase) -> bool:
        """Whether epochs of a phase are compared, so that another than the last may be kept."""
        return self.fixed is None and len(phase.watched) > 0

    def _compare(self, phase: Phase, seen: ValidationResult) -> None:
        """Keep the weights of the epoch that has just ended where it is the best of its phase, or the last that counts.

        The training loss says nothing about which is better: it nearly always falls.
        """
        state = self.state
        if self._selects(phase):
            if math.isnan(seen.cost):
                raise Diverged(
                    f"the validation loss became {seen.loss} at step {state.step}", hint="lower training.learning_rate"
                )
            if seen.cost >= state.best_loss:
                return
            state.best_loss = seen.cost
            with replacing(self.folder / BEST) as temporary:
                save_tensors(_copies(self.weights), temporary)
        state.best_epoch = state.epoch
        state.kept[phase.name] = state.epoch - self.plan.index(phase) + 1

    def _enough(self, phase: Phase, train_loss: float) -> bool:
        """Whether the rest of a phase's epochs is left out."""
        state = self.state
        if self.fixed is not None:
            done = state.epoch - self.plan.index(phase) + 1
            return done >= self.fixed.get(phase.name, len(self.plan))
        if self.recipe.overfit and train_loss < LEARNED:
            return True
        waited = state.epoch - state.best_epoch  # 0 where epochs are not compared: the last one is the best so far
        return bool(self.recipe.patience) and waited >= self.recipe.patience

    def _load_best(self, phase: Phase) -> None:
        """Go back to the weights that a phase keeps; where its epochs are not compared, they are the last ones."""
        best = self.folder / BEST
        if self._selects(phase) and best.exists():
            load_weights(load_file(best), self.weights, best)

    def _save_now_and_then(self) -> None:
        if time.monotonic() - self._saved >= self.recipe.checkpoint_seconds:
            self.state.scaler = self.scaler.state_dict()
            save_checkpoint(self.folder, self.state, _copies(self.weights), self.optimiser)
            self._saved = time.monotonic()

    def _outcome(self) -> Outcome:
        state = self.state
        best: dict[str, Any] = next((row for row in state.losses if row["epoch"] == state.best_epoch + 1), {})
        watched = "ndcg@10" not in best and not math.isnan(best.get("validation", math.nan))
        loss = best.get("validation" if watched else "train", math.nan)
        if self.recipe.overfit and self.fixed is None and not loss < LEARNED:
            raise ModelError(
                f"the set-up does not learn {OVERFIT_EXAMPLES} examples: loss {loss:.3f} after "
                f"{len(state.losses)} epochs",
                hint="raise training.learning_rate, or the model's size",
            )
        return Outcome(
            state.losses, state.best_epoch + 1, best.get("validation", math.nan), state.tokens, state.seconds,
            stopped_early=state.skipped > 0, epochs=state.kept,
        )  # fmt: skip


def phases(training_data: TrainingData, recipe: Training) -> list[Phase]:
    """The phase of each epoch."""
    answers: Phase = Answers("answers", training_data.train, training_data.validation)
    if training_data.negatives is not None:
        answers = NextItems(training_data.train, training_data.validation, training_data.negatives)
    plan: list[Phase] = []
    if training_data.catalogue is not None:
        plan += [Answers("catalogue", training_data.catalogue, training_data.validation)] * recipe.pretrain_epochs
    plan += [answers] * recipe.epochs
    if training_data.choices is not None and training_data.validation_choices is not None:
        plan += [
            MultipleChoicePhase("options", training_data.choices, training_data.validation_choices)
        ] * recipe.choice_epochs
    return plan


def learning_rate(recipe: Training, progress: float) -> float:
    """Linear warm-up, then a cosine down to a tenth; ``progress`` is the share of training done, in [0, 1]."""
    if progress < recipe.warmup:
        return recipe.learning_rate * max(progress / recipe.warmup, 0.01)
    after = (progress - recipe.warmup) / max(1 - recipe.warmup, 1e-9)
    return recipe.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * after)))


def make_optimiser(model: LanguageModel, recipe: Training) -> Any:
    """AdamW, decay on matrices only; for QLoRA on a GPU the paged 8-bit one, whose state moves aside when needed."""
    learned = model.trainable_parameters()
    decayed = {name for name, p in learned.items() if p.dim() >= 2 and not name.startswith("items.")}
    groups = [
        {"params": [p for name, p in learned.items() if name in decayed], "weight_decay": recipe.weight_decay},
        {"params": [p for name, p in learned.items() if name not in decayed], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if model.tuning == "qlora" and model.device.type == "cuda":
        require("bitsandbytes", "qlora")
        from bitsandbytes.optim import PagedAdamW8bit

        return PagedAdamW8bit(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def _copies(weights: dict[str, Any]) -> dict[str, Tensor]:
    return {name: weight.detach().contiguous() for name, weight in weights.items()}
