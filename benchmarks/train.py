"""Training: tokens per second and share of peak performance, compared with TRL, plain cross-entropy and RecTools.

    python benchmarks/train.py --data DATASET --rectools /tmp/rectools/bin/python --json

Five parts. In each, all methods train the same model on the same examples, in turns, for several rounds:

text    the nano model on histories as lines of titles: our loop, and TRL's SFTTrainer with its defaults, with our rows
        per step and without gradient checkpointing, and with packing.
items   item tokens: our fused loss over the whole catalogue, and `cross_entropy` over all its scores, in the same loop.
lora    a pretrained base (SmolLM2-135M) with adapters: our loop, and SFTTrainer with a PEFT configuration.
qlora   a small Llama in NF4 with adapters: our loop, and SFTTrainer with a PEFT configuration.
sasrec  item tokens without text, one block: our loop, and RecTools' SASRec (see peers/rectools_sasrec.py).

A method whose library is not installed is left out. Times are medians over the rounds, of the clock and of the
processor; on a busy machine only the processor time is reliable. Memory is the peak of a run minus that before it.

Peak performance is the rate of the fastest square matrix product in the same number format, measured between the
rounds. The share of it, per processor second, counts only the operations that the training needs, the same for all
methods. Forward: 2 per weight and token, 4 times the width for each pair of a token and an earlier one in each layer
(attention scores and sums), and the output layer only for tokens with a label. Backward: the same again for the
gradients of the inputs, and once more for those of the weights that are trained. Padding, recomputed layers and logits
of tokens without a label are not counted.
"""

import argparse
import copy
import importlib.util
import json
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from peers.compete import Part, Run, compete, show
from shoptalk.data.dataset import open_dataset
from shoptalk.models.bases import find_base
from shoptalk.models.create import create
from shoptalk.models.encoders import make_encoder
from shoptalk.models.item_embeddings import with_items
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.lora import quantisation
from shoptalk.models.precision import choose_precision
from shoptalk.models.storage import save
from shoptalk.progress import silent
from shoptalk.prompts.styles import segments
from shoptalk.recipe import Lora, Model, Prompt, Training
from shoptalk.schema import Catalogue, History, Item
from shoptalk.tasks import get_task
from shoptalk.training.examples import TokenSet, encode_sequences, gather
from shoptalk.training.loop import TrainingData, fine_tune

PEERS = Path(__file__).parent / "peers"
INSTALL_TRL = "trl is not installed here; run: pip install 'trl>=1.16,<2'"
INSTALL_RECTOOLS = "RecTools needs an environment of its own (see benchmarks/peers/rectools_sasrec.py), and --data"
#: Users per step in RecTools, and negatives for each position (in our loop: for each step).
RECTOOLS_USERS, NEGATIVES = 128, 256


def random_data(users: int, items: int) -> tuple[Catalogue, list[History]]:
    """Random titles of about twelve words and random histories of about nine items, as long as those of Beauty."""
    random = np.random.default_rng(0)
    vocabulary = [f"{prefix}{number}" for prefix in ("al", "be", "co", "da", "er", "fo") for number in range(300)]
    titles = [" ".join(random.choice(vocabulary, random.integers(6, 18))) for _ in range(items)]
    catalogue = {str(number): Item(str(number), title) for number, title in enumerate(titles)}
    lengths = np.minimum(4 + random.geometric(0.2, users), 50)
    histories = [
        History(str(user), tuple(random.choice(items, min(length, items), replace=False).astype(str).tolist()))
        for user, length in enumerate(lengths)
    ]
    return catalogue, histories


def read_data(arguments: argparse.Namespace) -> tuple[Catalogue, list[History]]:
    """Catalogue and training histories, of a dataset or random."""
    if arguments.data is None:
        return random_data(arguments.users, arguments.items)
    dataset = open_dataset(arguments.data)
    return dataset.catalogue, [history for history in dataset.split().train if len(history.items) > 1]


def text_part(arguments: argparse.Namespace) -> Part:
    """Histories as lines of titles; all titles except the first have labels."""
    catalogue, histories = read_data(arguments)
    settings = Model(
        width=arguments.width, layers=arguments.layers, vocabulary=arguments.vocabulary, precision=arguments.precision
    )
    model = create(settings, Lora(), (item.title for item in catalogue.values()), 1, 512)
    tokens, rows = text_examples(model, catalogue, histories[: arguments.users])
    methods = {"shoptalk": lambda: train_ours(model, tokens, arguments.batch_tokens)}
    missing = add_trl(methods, lambda: copy.deepcopy(model.network), model, tokens, rows, arguments)
    return Part(methods, operations(model, tokens), missing, describe(model, tokens))


def text_examples(
    model: LanguageModel, catalogue: Catalogue, histories: Sequence[History]
) -> tuple[TokenSet, list[dict[str, str]]]:
    """The examples as our tokens, and as rows of prompt and completion; histories that need two rows are left out."""
    builder = get_task("generate_title").prompts(
        Prompt(task="generate_title", style="plain"), catalogue, model.tokenizer.control
    )
    short = [history for history in histories if len(encode_sequences([history], builder, model.tokenizer)) == 1]
    rows = []
    for history in short:
        parts = segments("plain", builder.sequence(history).messages, model.tokenizer)
        first = next(index for index, part in enumerate(parts) if part.role == "assistant")
        prompt, completion = ("".join(part.text for part in side) for side in (parts[:first], parts[first:]))
        rows.append({"prompt": prompt, "completion": completion})
    return encode_sequences(short, builder, model.tokenizer), rows


def add_trl(
    methods: dict[str, Run],
    network: Callable[[], Any],
    model: LanguageModel,
    tokens: TokenSet,
    rows: list[dict[str, str]],
    arguments: argparse.Namespace,
    adapters: Callable[[], Any] = lambda: None,
) -> str:
    """Add the methods of TRL, each with a fresh network; returns how to install trl where it is missing."""
    if importlib.util.find_spec("trl") is None:
        return INSTALL_TRL
    from peers.trl_sft import train, ways

    tokenizer = model.tokenizer.hugging_face
    per_step = max(1, round(arguments.batch_tokens * len(tokens) / len(tokens.ids)))  # as many as our loop has
    for name, settings in ways(per_step, arguments.batch_tokens, packed=not adapters()).items():
        methods[name] = lambda settings=settings: {
            "tokens": len(tokens.ids),  # TRL has a few less for the same examples
            **train(network(), tokenizer, rows, model.precision, adapters(), **settings),
        }
    return ""


def items_part(arguments: argparse.Namespace) -> Part:
    """Histories as item tokens with text, trained with two implementations of the same loss."""
    catalogue, histories = read_data(arguments)
    settings = Model(
        width=arguments.item_width,
        layers=arguments.item_layers,
        vocabulary=300,
        dropout=0.3,
        precision=arguments.precision,
    )
    model = item_model(settings, catalogue, histories, text=True)
    tokens = item_examples(model, catalogue, histories).first(arguments.item_users)

    def train_plain() -> dict[str, Any]:
        """Our loop with the plain loss."""
        with patch("shoptalk.training.phases.full_loss", plain_loss):
            return train_ours(model, tokens, arguments.item_batch_tokens)

    methods = {
        "shoptalk": lambda: train_ours(model, tokens, arguments.item_batch_tokens),
        "plain_cross_entropy": train_plain,
    }
    return Part(methods, operations(model, tokens, arguments.item_batch_tokens), size=describe(model, tokens))


def item_model(settings: Model, catalogue: Catalogue, histories: Sequence[History], *, text: bool) -> LanguageModel:
    """A fresh model with a token for each item, with or without its text."""
    ids = list(catalogue)
    bought_items = {item for history in histories for item in history.items}
    titles = [catalogue[item].title for item in ids]
    model = create(settings, Lora(), titles, 1, 512)
    has_interactions = np.array([item in bought_items for item in ids], dtype=np.bool_)
    if not text:
        return with_items(model, ids, None, has_interactions, 0)
    encoder = make_encoder("lsa", titles, min(settings.width, len(ids) - 1), 1)
    return with_items(model, ids, encoder.encode(titles), has_interactions, 0.3)


def item_examples(model: LanguageModel, catalogue: Catalogue, histories: Sequence[History]) -> TokenSet:
    """Histories as rows of item tokens without other text."""
    builder = get_task("next_item").prompts(Prompt(task="next_item", style="bare"), catalogue, model.tokenizer.control)
    return encode_sequences(histories, builder, model.tokenizer)


def plain_loss(hidden: Tensor, table: Any, targets: Tensor, dtype: torch.dtype, among: Tensor) -> Tensor:
    """The value of `full_loss` in the usual way: all scores (n, A), then `cross_entropy`."""
    del dtype  # set by autocast
    index = torch.zeros(len(table.vectors), dtype=torch.long, device=targets.device)
    index[among] = torch.arange(len(among), device=targets.device)
    scores = hidden @ table.vectors[among].T + table.biases[among]
    return cross_entropy(scores.float(), index[targets], reduction="sum")


def qlora_part(arguments: argparse.Namespace) -> Part:
    """A Llama with random weights, which all methods load in NF4 with double quantisation."""
    if importlib.util.find_spec("bitsandbytes") is None:
        return Part({}, 0, "bitsandbytes is not installed here; run: pip install 'shoptalk[qlora]'")
    catalogue, _ = read_data(arguments)
    settings = Model(
        width=arguments.qlora_width,
        layers=arguments.qlora_layers,
        vocabulary=arguments.vocabulary,
        precision=arguments.precision,
    )
    folder = str(arguments.work / "llama")
    save(create(settings, Lora(), (item.title for item in catalogue.values()), 1, 512), Path(folder))
    return adapters_part(arguments, folder, "qlora", arguments.qlora_users)


def lora_part(arguments: argparse.Namespace) -> Part:
    """A pretrained base with adapters."""
    base = find_base(arguments.lora_base).path
    if base is None:
        return Part({}, 0, f"{arguments.lora_base} is not prepared here; run: make pretrained")
    return adapters_part(arguments, base, "lora", arguments.lora_users)


def adapters_part(arguments: argparse.Namespace, folder: str, tuning: Literal["lora", "qlora"], users: int) -> Part:
    """Adapters of all linear layers on a stored model: our loop, and SFTTrainer with a PEFT configuration."""
    from peft import LoraConfig

    catalogue, histories = read_data(arguments)
    loaded, lora = Model(base=folder, tuning=tuning, precision=arguments.precision), Lora()
    model = create(loaded, lora, [], 1, 512)
    tokens, rows = text_examples(model, catalogue, histories[:users])

    def load() -> Any:
        """The model as TRL loads it."""
        from peers.trl_sft import four_bits, whole

        return four_bits(folder, quantisation(model.precision)) if tuning == "qlora" else whole(folder)

    def adapters() -> Any:
        """The settings of PEFT."""
        sizes = {"r": lora.r, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}
        return LoraConfig(**sizes, target_modules="all-linear", task_type="CAUSAL_LM")

    methods = {
        "shoptalk": lambda: train_ours(create(loaded, lora, [], 1, 512), tokens, arguments.batch_tokens, fresh=True)
    }
    missing = add_trl(methods, load, model, tokens, rows, arguments, adapters)
    return Part(methods, operations(model, tokens), missing, describe(model, tokens))


def sasrec_part(arguments: argparse.Namespace, width: int) -> Part:
    """One block, dropout .2, no text: our loop over the whole catalogue, and with as many negatives as RecTools."""
    catalogue, histories = read_data(arguments)
    settings = Model(width=width, layers=1, vocabulary=300, dropout=0.2, precision=arguments.precision)
    model = item_model(settings, catalogue, histories, text=False)
    tokens = item_examples(model, catalogue, histories).first(RECTOOLS_USERS * arguments.sasrec_batches)
    batch_tokens = RECTOOLS_USERS * len(tokens.ids) // len(tokens)  # as many users per step as RecTools
    with_negatives = {"operations": operations(model, tokens, batch_tokens, NEGATIVES + 1)}
    methods = {
        "shoptalk_whole_catalogue": lambda: train_ours(model, tokens, batch_tokens),
        "shoptalk_256_negatives": lambda: train_ours(model, tokens, batch_tokens, negatives=NEGATIVES) | with_negatives,
    }
    missing = INSTALL_RECTOOLS
    if arguments.rectools and arguments.data:
        methods["rectools_256_negatives"] = lambda: train_rectools(arguments, width) | with_negatives
        methods["rectools_tuned_malloc"] = lambda: train_rectools(arguments, width, keep_memory=True) | with_negatives
        missing = ""
    return Part(methods, operations(model, tokens, batch_tokens), missing, describe(model, tokens))


def train_rectools(arguments: argparse.Namespace, width: int, *, keep_memory: bool = False) -> dict[str, Any]:
    """RecTools in its own environment: figures of the second of two short epochs, without the setup of the first."""
    script, batches = PEERS / "rectools_sasrec.py", arguments.sasrec_batches
    options = f"--factors {width} --epochs 2 --batches {batches} --validate 1 --json"
    command = [arguments.rectools, str(script), str(arguments.data), *options.split()]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    if keep_memory:
        environment |= {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "16000000000"}
    completed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    report = json.loads(completed.stdout)
    share = batches * RECTOOLS_USERS / report["users"]
    return {
        "seconds": report["losses"][-1]["seconds"] * share,
        "cpu_seconds": report["losses"][-1]["cpu_seconds"] * share,
        "tokens": share * (report["targets"] + report["users"]),
        "loss": report["losses"][-1]["loss"],
        "memory": report["memory"],
    }


def train_ours(
    model: LanguageModel, tokens: TokenSet, batch_tokens: int, *, negatives: int | None = None, fresh: bool = False
) -> dict[str, Any]:
    """Train a copy of the model (or the ``fresh`` model itself) for one epoch, as `shoptalk train` does."""
    if not fresh:
        model = replace(model, network=copy.deepcopy(model.network), items=copy.deepcopy(model.items))
    if model.items is not None and negatives is None:
        negatives = 0
    torch.manual_seed(1)
    recipe = Training(epochs=1, batch_tokens=batch_tokens, patience=0, checkpoint_seconds=1e9)
    training_data = TrainingData(tokens, gather([], 0), negatives=negatives)
    with tempfile.TemporaryDirectory() as folder:
        begin, processor = time.perf_counter(), time.process_time()
        outcome = fine_tune(model, training_data, recipe, 1, Path(folder), resume=False, progress=silent)
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - processor
    loss = outcome.losses[-1]["train"]
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "tokens": outcome.tokens, "loss": loss}


def operations(model: LanguageModel, tokens: TokenSet, batch_tokens: int = 0, competing: int = 0) -> float:
    """Floating-point operations that one epoch needs, as described at the top of this file.

    ``competing`` is the number of items over which the loss is normalised; 0 stands for all items with interactions.
    """
    trained = model.tuning == "full"
    width, layers = model.network.config.hidden_size, model.network.config.num_hidden_layers
    base = adapters = 0
    for name, module in model.decoder.named_modules():
        if isinstance(module, nn.Linear):  # 4-bit layers too, which know their shape
            count = module.in_features * module.out_features
            adapters, base = (adapters + count, base) if "lora_" in name else (adapters, base + count)
    inputs, labels = len(tokens.ids), int((tokens.labels >= 0).sum())
    rows = (
        model.network.config.vocab_size if model.items is None else competing or int(model.items.has_interactions.sum())
    )
    passes = 3 if trained else 2  # forward, gradients of the inputs, and gradients of the weights
    total = inputs * 2.0 * (passes * base + 3 * adapters) + labels * 2.0 * passes * width * rows
    total += 3 * 2.0 * width * layers * float((tokens.lengths.astype(np.float64) ** 2).sum())
    if model.items is not None and model.items.text_vectors.shape[1] > 1:  # the table is computed in each step
        steps = math.ceil(inputs / batch_tokens)
        total += steps * 2 * 2.0 * math.prod(model.items.text_vectors.shape) * width
    return total


def describe(model: LanguageModel, tokens: TokenSet) -> str:
    """The sizes of the model and of the examples in one line."""
    config, counts = model.network.config, model.parameters()
    outputs = (
        f"{config.vocab_size:,} words" if model.items is None else f"{int(model.items.has_interactions.sum()):,} items"
    )
    return (
        f"{counts['parameters']:,} parameters ({counts['trainable']:,} trained), width {config.hidden_size}, "
        f"{config.num_hidden_layers} layers, {outputs}, {model.precision}; {len(tokens):,} examples, "
        f"{len(tokens.ids):,} tokens, {int((tokens.labels >= 0).sum()):,} with labels"
    )


def main() -> None:
    """Measure the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a dataset folder; without one, random data")
    parser.add_argument("--only", nargs="+", choices=["text", "items", "lora", "qlora", "sasrec"], help="default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--users", type=int, default=256, help="text: number of histories; also of random data")
    parser.add_argument("--items", type=int, default=12_000, help="of random data")
    parser.add_argument("--width", type=int, default=128, help="text: of the nano model")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--batch-tokens", type=int, default=4096, help="text, lora and qlora: tokens per step")
    parser.add_argument("--item-users", type=int, default=4096, help="items: number of histories")
    parser.add_argument("--item-width", type=int, default=256)
    parser.add_argument("--item-layers", type=int, default=2)
    parser.add_argument("--item-batch-tokens", type=int, default=2048)
    parser.add_argument("--lora-base", default="smollm2-135m-instruct", help="lora: a prepared model or a folder")
    parser.add_argument("--lora-users", type=int, default=32, help="lora: number of histories")
    parser.add_argument("--qlora-users", type=int, default=128, help="qlora: number of histories")
    parser.add_argument("--qlora-width", type=int, default=512)
    parser.add_argument("--qlora-layers", type=int, default=6)
    parser.add_argument("--sasrec-widths", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--sasrec-batches", type=int, default=8, help="sasrec: steps of 128 users")
    parser.add_argument("--rectools", help="the Python of an environment with RecTools")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    chosen = arguments.only or ["text", "items", "lora", "qlora", "sasrec"]
    part_makers: dict[str, Callable[[], Part]] = {
        "text": lambda: text_part(arguments),
        "items": lambda: items_part(arguments),
        "lora": lambda: lora_part(arguments),
        "qlora": lambda: qlora_part(arguments),
    }
    part_makers |= {
        f"sasrec {width}": lambda width=width: sasrec_part(arguments, width) for width in arguments.sasrec_widths
    }
    results = {}
    with tempfile.TemporaryDirectory() as work:
        arguments.work = Path(work)
        for name, make in part_makers.items():
            if name.split()[0] in chosen:
                results[name] = compete(make(), arguments.rounds, choose_precision(arguments.precision))
                if not arguments.json:
                    show(name, results[name])
    if arguments.json:
        print(json.dumps({"threads": torch.get_num_threads(), "rounds": arguments.rounds, "parts": results}))


if __name__ == "__main__":
    main()
