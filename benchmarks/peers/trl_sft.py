"""TRL's SFTTrainer on the examples of `benchmarks/train.py`; imported only where trl is installed."""

import contextlib
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM
from trl import SFTConfig, SFTTrainer

for name in ("trl", "transformers", "datasets", "accelerate"):
    logging.getLogger(name).setLevel(logging.ERROR)


#: As our loop trains; none of it has to do with speed, but losses can then be told from each other.
LIKE_OURS = {"learning_rate": 1e-3, "adam_beta2": 0.98}


def ways(per_step: int, batch_tokens: int, *, packed: bool) -> dict[str, dict[str, Any]]:
    """Settings by name: as it comes (8 rows a step, layers recomputed), as many rows a step as ours, and packed."""
    quick = {**LIKE_OURS, "gradient_checkpointing": False}
    result = {"trl_default": {**LIKE_OURS}, "trl_like_ours": {**quick, "per_device_train_batch_size": per_step}}
    if packed:
        rows = {"max_length": 512, "per_device_train_batch_size": max(1, batch_tokens // 512)}
        result["trl_packed"] = {**quick, "packing": True, **rows}
    return result


def four_bits(folder: str, quantisation: Any) -> Any:
    """A stored model, loaded in 4 bits as TRL's documentation has it."""
    return AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=quantisation, dtype=quantisation.bnb_4bit_compute_dtype
    )


def whole(folder: str) -> Any:
    """A stored model in the number format of its files, the default of transformers."""
    return AutoModelForCausalLM.from_pretrained(folder)


def train(
    network: Any, tokenizer: Any, rows: Sequence[dict[str, str]], precision: str, adapters: Any = None, **settings: Any
) -> dict[str, Any]:
    """One epoch; what is said of it leaves out the making of the trainer, which encodes the rows.

    Parameters
    ----------
    network
        A causal model, which is changed.
    tokenizer
        The Hugging Face one.
    rows
        Texts ``prompt`` and ``completion``; the completion is learned.
    precision
        ``bf16``: products in it, by autocast, as in our own loop.
    adapters
        PEFT's settings, for a model in 4 bits.
    settings
        Of `SFTConfig`, over its defaults.

    Returns
    -------
    ``seconds``, ``cpu_seconds`` and ``loss`` (mean over the steps)
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        config = SFTConfig(
            output_dir=folder, num_train_epochs=1, use_cpu=not torch.cuda.is_available(), bf16=precision == "bf16",
            save_strategy="no", report_to="none", disable_tqdm=True, seed=1, **settings,
        )  # fmt: skip
        trainer = SFTTrainer(
            model=network, args=config, train_dataset=Dataset.from_list(list(rows)), processing_class=tokenizer,
            peft_config=adapters,
        )  # fmt: skip
        begin, processor = time.perf_counter(), time.process_time()
        outcome = trainer.train()
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - processor
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "loss": outcome.training_loss}
