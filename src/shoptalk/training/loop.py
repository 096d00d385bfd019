"""The training loop: batches without padding, loss on answers only, early stopping, exact resuming."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from shoptalk.errors import ModelError, require
from shoptalk.files import replacing
from shoptalk.models.base import LanguageModel
from shoptalk.prompts.encode import IGNORE
from shoptalk.recipe import Training
from shoptalk.training.batching import Batch, batches, plan
from shoptalk.training.checkpoint import State, load_checkpoint, load_weights, save_checkpoint
from shoptalk.training.examples import TokenSet
from shoptalk.training.log import Log

#: A set-up that works learns a handful of examples to this loss per token (natural logarithm).
LEARNED = 0.05
OVERFIT_EXAMPLES, OVERFIT_EPOCHS = 16, 200
#: How often a step is logged, and how gradients are bounded.
LOG_STEPS, CLIP = 20, 1.0

Notify = Callable[[float, int, float, float], None]


@dataclass(frozen=True, slots=True)
class Material:
    """What is learned: the catalogue's texts first (where the recipe says so), then the examples."""

    train: TokenSet
    validation: TokenSet
    catalogue: TokenSet | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How training went; losses are per answer token, in nats."""

    losses: list[dict[str, float]]
    best_epoch: int
    best_loss: float
    tokens: int
    seconds: float
    stopped_early: bool


def fine_tune(
    model: LanguageModel, material: Material, recipe: Training, seed: int, run: Path, *, resume: bool, notify: Notify
) -> Outcome:
    """Train, keep the best weights by validation loss, and leave the model with them.

    Parameters
    ----------
    notify
        Called after each step: epochs done (and the share of this one), epochs in all, loss, tokens per second.

    Raises
    ------
    ModelError
        When the loss is not a number, or when an `overfit` check does not learn its examples.
    """
    if recipe.overfit:
        few = material.train.first(OVERFIT_EXAMPLES)
        material = Material(few, few)
        recipe = recipe.model_copy(update={"epochs": OVERFIT_EPOCHS, "pretrain_epochs": 0, "patience": 0})
    return _Trainer(model, material, recipe, seed, run, notify).run(resume=resume)


class _Trainer:
    """One training, from its first step or from a checkpoint."""

    def __init__(
        self, model: LanguageModel, material: Material, recipe: Training, seed: int, run: Path, notify: Notify
    ) -> None:
        self.model, self.material, self.recipe, self.seed, self.notify = model, material, recipe, seed, notify
        self.folder, self.run_folder = run / "checkpoints", run
        self.weights = {name: p for name, p in model.network.named_parameters() if p.requires_grad}
        self.optimiser = make_optimiser(model, recipe)
        self.scaler = torch.amp.GradScaler(model.device.type, enabled=model.precision == "fp16")
        early = recipe.pretrain_epochs if material.catalogue is not None else 0
        self.plan = [material.catalogue] * early + [material.train] * recipe.epochs
        self.early = early
        self.state = State()

    def run(self, *, resume: bool) -> Outcome:
        self.folder.mkdir(parents=True, exist_ok=True)
        if resume:
            self.state = load_checkpoint(self.folder, self.weights, self.optimiser) or self.state
        if self.recipe.gradient_checkpointing:
            self.model.network.gradient_checkpointing_enable({"use_reentrant": False})
            if hasattr(self.model.network, "enable_input_require_grads"):
                self.model.network.enable_input_require_grads()
        with Log(self.run_folder, self.state.step) as log:
            while self.state.epoch < len(self.plan) and not self.state.stopped:
                self._epoch(log)
        best = self.folder / "best.safetensors"
        if best.exists():
            load_weights(load_file(best), self.weights, best)
        self.model.network.eval()
        return self._outcome()

    def _epoch(self, log: Log) -> None:
        state, tokens = self.state, self.plan[self.state.epoch]
        assert tokens is not None
        groups = plan(tokens.lengths, self.recipe.batch_tokens, np.random.default_rng([self.seed, state.epoch]))
        last = time.monotonic()
        self.model.network.train()
        for batch in batches(tokens, groups, start=state.batch):
            begin = time.monotonic()
            loss = self._step(batch, (state.epoch + state.batch / len(groups)) / len(self.plan))
            state.batch += 1
            state.step += 1
            took = time.monotonic() - begin
            state.seconds += took
            self.notify(state.epoch + state.batch / len(groups), len(self.plan), loss, batch.used / took)
            if state.step % LOG_STEPS == 0:
                log.event("step", state.step, loss=loss, learning_rate=self._rate, tokens=state.tokens)
            if time.monotonic() - last >= self.recipe.checkpoint_seconds and state.batch < len(groups):
                self._save()
                last = time.monotonic()
        self._end_epoch(log)

    def _step(self, batch: Batch, progress: float) -> float:
        """One update; the loss is the mean over the batch's answer tokens."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, progress)
        self._rate = learning_rate(self.recipe, progress)
        loss_sum, learned = answer_loss(self.model, batch)
        loss = loss_sum / max(learned, 1)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.weights.values(), CLIP)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ModelError(f"the loss became {value} at step {self.state.step}", hint="lower training.learning_rate")
        self.state.loss_sum += float(loss_sum.detach())
        self.state.learned += learned
        self.state.tokens += batch.used
        return value

    def _end_epoch(self, log: Log) -> None:
        state, recipe = self.state, self.recipe
        train_loss = state.loss_sum / max(state.learned, 1)
        validation_loss = mean_loss(self.model, self.material.validation, recipe.batch_tokens)
        fine = state.epoch >= self.early
        losses = {"epoch": state.epoch + 1, "train": train_loss, "validation": validation_loss}
        state.losses.append(losses)
        log.event("epoch", state.step, **losses, phase="examples" if fine else "catalogue", tokens=state.tokens)
        watched = train_loss if math.isnan(validation_loss) else validation_loss
        if fine and watched < state.best_loss:
            state.best_loss, state.best_epoch = watched, state.epoch
            with replacing(self.folder / "best.safetensors") as temporary:
                save_file(_copies(self.weights), temporary)
        waited = state.epoch - state.best_epoch
        state.stopped = fine and bool(recipe.patience) and waited >= recipe.patience
        if recipe.overfit and train_loss < LEARNED:
            state.stopped = True
        state.epoch, state.batch, state.loss_sum, state.learned = state.epoch + 1, 0, 0.0, 0
        self._save()

    def _save(self) -> None:
        save_checkpoint(self.folder, self.state, _copies(self.weights), self.optimiser)

    def _outcome(self) -> Outcome:
        state = self.state
        if self.recipe.overfit and state.best_loss >= LEARNED:
            raise ModelError(
                f"the set-up does not learn {len(self.material.train)} examples: loss {state.best_loss:.3f} after "
                f"{state.epoch} epochs",
                hint="raise training.learning_rate, or the model's size",
            )
        return Outcome(
            state.losses, state.best_epoch + 1, state.best_loss, state.tokens, state.seconds,
            stopped_early=state.epoch < len(self.plan),
        )  # fmt: skip


def answer_loss(model: LanguageModel, batch: Batch) -> tuple[Tensor, int]:
    """Summed cross-entropy of the answers' tokens, and how many; logits exist only where a token is learned."""
    device = model.device
    labels = torch.from_numpy(batch.labels).to(device)
    with model.autocast():
        hidden = model.hidden(torch.from_numpy(batch.ids).to(device))
        learned = labels != IGNORE
        logits = model.head(hidden[learned])
    return cross_entropy(logits.float(), labels[learned], reduction="sum"), int(learned.sum())


def mean_loss(model: LanguageModel, tokens: TokenSet, batch_tokens: int) -> float:
    """Mean cross-entropy per answer token, in nats; NaN where there is nothing to learn."""
    was_training = model.network.training
    model.network.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for batch in batches(tokens, plan(tokens.lengths, batch_tokens, None)):
            loss, learned = answer_loss(model, batch)
            total += float(loss.detach())
            count += learned
    model.network.train(was_training)
    return total / count if count else math.nan


def learning_rate(recipe: Training, progress: float) -> float:
    """Linear warm-up, then a cosine down to a tenth; ``progress`` is the share of training done, in [0, 1]."""
    if progress < recipe.warmup:
        return recipe.learning_rate * max(progress / recipe.warmup, 0.01)
    after = (progress - recipe.warmup) / max(1 - recipe.warmup, 1e-9)
    return recipe.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * after)))


def make_optimiser(model: LanguageModel, recipe: Training) -> Any:
    """AdamW, decay on matrices only; for QLoRA on a GPU the paged 8-bit one, whose state moves aside when needed."""
    learned = [p for p in model.network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learned if p.dim() >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in learned if p.dim() < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if model.tuning == "qlora" and model.device.type == "cuda":
        require("bitsandbytes", "qlora")
        from bitsandbytes.optim import PagedAdamW8bit

        return PagedAdamW8bit(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def _copies(weights: dict[str, Any]) -> dict[str, Tensor]:
    return {name: weight.detach().contiguous() for name, weight in weights.items()}
