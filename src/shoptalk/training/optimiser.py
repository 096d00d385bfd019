"""The optimiser and its learning rate."""

import math
from typing import Any

import torch

from shoptalk.errors import require
from shoptalk.models.language_model import LanguageModel
from shoptalk.recipe import Training


def learning_rate(recipe: Training, progress: float) -> float:
    """Linear warm-up, then a cosine down to a tenth; ``progress`` is the share of training done, in [0, 1]."""
    if progress < recipe.warmup:
        return recipe.learning_rate * max(progress / recipe.warmup, 0.01)
    decay_progress = (progress - recipe.warmup) / max(1 - recipe.warmup, 1e-9)
    return recipe.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * decay_progress)))


def make_optimiser(model: LanguageModel, recipe: Training) -> Any:
    """AdamW; paged 8-bit AdamW for QLoRA on a GPU.

    Weight decay applies to the matrices of the network only, not to item tokens and graph attention.
    """
    parameters = model.trainable_parameters()
    decayed = {name for name, p in parameters.items() if p.dim() >= 2 and not name.startswith(("items.", "graph."))}
    groups = [
        {"params": [p for name, p in parameters.items() if name in decayed], "weight_decay": recipe.weight_decay},
        {"params": [p for name, p in parameters.items() if name not in decayed], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if model.tuning == "qlora" and model.device.type == "cuda":
        require("bitsandbytes", "qlora")
        from bitsandbytes.optim import PagedAdamW8bit

        return PagedAdamW8bit(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)
