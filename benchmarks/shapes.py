"""Large models run here: the shapes of TinyLlama-1.1B and Mistral-7B with random weights in NF4.

    python benchmarks/shapes.py tinyllama --work FOLDER --json
    python benchmarks/shapes.py mistral --work FOLDER --json

The published weights are not needed: time and memory depend on the shapes alone. A folder is written with the
configuration of the model and random bf16 weights, layer by layer (2.2 and 14.5 GB), and read as any base is: NF4 with
double quantisation, adapters of rank 16 on all linear layers. TinyLlama makes training steps and scores options;
Mistral scores options. Seconds are processor seconds of one thread, per token of the input; memory is the peak of the
process. The folder is left for another run.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, MistralConfig
from transformers.modeling_utils import PreTrainedModel

from base_model import capacity, examples, questions, train_step
from shoptalk.models.create import create
from shoptalk.models.tokenizer import train_tokenizer
from shoptalk.models.weights import INDEX
from shoptalk.recipe import Lora, Model, Training
from shoptalk.recommend.log_probabilities import log_probabilities
from shoptalk.system import peak_memory
from shoptalk.training.loop import make_optimiser

#: From the published configurations of TinyLlama-1.1B-Chat-v1.0 and Mistral-7B-v0.1.
SHAPES: dict[str, Any] = {
    "tinyllama": LlamaConfig(
        vocab_size=32000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=22, num_attention_heads=32,
        num_key_value_heads=4, max_position_embeddings=2048, architectures=["LlamaForCausalLM"], dtype="bfloat16",
    ),
    "mistral": MistralConfig(
        vocab_size=32000, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, max_position_embeddings=32768, sliding_window=4096,
        architectures=["MistralForCausalLM"], dtype="bfloat16",
    ),
}  # fmt: skip


def skeleton(config: Any) -> PreTrainedModel:
    """The model without memory for its weights."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return model


def write(config: Any, folder: Path) -> None:
    """Write random weights, one file for each layer, with the configuration and a tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    shards: dict[str, dict[str, Any]] = {}
    for name, weight in skeleton(config).state_dict().items():
        parts = name.split(".")
        shard = f"layer-{parts[2]}" if parts[1] == "layers" else parts[-2]
        shards.setdefault(shard, {})[name] = weight.shape
    random = torch.Generator().manual_seed(1)
    for shard, shapes in shards.items():
        file = f"model-{shard}.safetensors"
        weights = {
            name: torch.ones(shape, dtype=torch.bfloat16)
            if len(shape) == 1
            else torch.empty(shape, dtype=torch.bfloat16).normal_(0, 0.02, generator=random)
            for name, shape in shapes.items()
        }
        save_file(weights, folder / file, metadata={"format": "pt"})
        files |= dict.fromkeys(shapes, file)
    config.save_pretrained(folder)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": files}), encoding="utf-8")
    train_tokenizer(["a text about products"] * 9, 300).save(folder)


def seconds_per_token(tokens: int, begin: float) -> float:
    """Processor seconds since ``begin`` for each token."""
    return round((time.process_time() - begin) / tokens, 4)


def main() -> None:
    """Write the model where it is missing, load it, train it and score with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=list(SHAPES))
    parser.add_argument("--work", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--cases", type=int, default=2, help="questions of four options, and rows of a training step")
    parser.add_argument("--steps", type=int, default=2, help="training steps after the first (tinyllama)")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.work / given.shape
    if not (folder / INDEX).exists():
        write(SHAPES[given.shape], folder)
    begin = time.process_time()
    model = create(Model(base=str(folder), tuning="qlora", precision=given.precision), Lora(), [], 1, 512)
    figures: dict[str, float | str] = {
        "precision": model.precision,
        "parameters": sum(weight.numel() for weight in skeleton(SHAPES[given.shape]).parameters()),
        "load_seconds": round(time.process_time() - begin, 1),
        "load_peak_gb": round(peak_memory() / 1e9, 2),
    }
    cases = questions(given.cases, capacity(model))
    tokens = examples(cases)
    if given.shape == "tinyllama":
        model.train()
        optimiser = make_optimiser(model, Training())
        train_step(model, tokens, optimiser)  # the first step allocates
        begin = time.process_time()
        for _ in range(given.steps):
            train_step(model, tokens, optimiser)
        figures["train_seconds_per_token"] = seconds_per_token(given.steps * len(tokens.ids), begin)
        figures["train_peak_gb"] = round(peak_memory() / 1e9, 2)
    model.train(False)
    begin = time.process_time()
    scores = log_probabilities(model, cases)
    read = sum(len(prompt) + sum(map(len, answers)) for prompt, answers in cases)
    figures["score_seconds_per_token"] = seconds_per_token(read, begin)
    figures["peak_gb"] = round(peak_memory() / 1e9, 2)
    assert all(torch.isfinite(torch.as_tensor(row)).all() for row in scores)
    print(json.dumps(figures) if given.json else "\n".join(f"{k:28} {v}" for k, v in figures.items()), file=sys.stdout)


if __name__ == "__main__":
    main()
