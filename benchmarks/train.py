"""Training: tokens per second and share of the machine's peak, beside TRL, plain cross-entropy and RecTools.

    python benchmarks/train.py --data DATASET --rectools /tmp/rectools/bin/python --json

Four parts, each of which trains the same model on the same examples in every way, in turns, round after round:

text    the nano model on histories as lines of titles: our loop, and TRL's SFTTrainer as it comes, as it comes but with
        our rows per step and without gradient checkpointing, and packed.
items   item tokens: our fused loss over the whole catalogue, and `cross_entropy` over all its scores, in the same loop.
qlora   a small Llama in NF4 with adapters: our loop, and SFTTrainer with a PEFT configuration.
sasrec  item tokens without words, one block: ours, and RecTools' SASRec (see peers/rectools_sasrec.py).

A part whose peer is not installed is measured without it. Times are the median of the rounds, by the clock and of the
processor; on a busy machine only the latter can be trusted. Memory is what a run took at most above what stood before.

The *peak* is the fastest square matrix product in the same number format, measured between the rounds. The share of it,
for the processor time that was had, counts only the operations that the training needs, whoever does it and however
often: two for each weight that a token goes through, and for each token four times the width for each token up to it in
each layer (scores and sums); the output layer where a token is learned; then as much again for the gradient of what
came in, and for that of the weights, where they are trained (frozen ones have none). Filling, recomputed layers and
logits that nobody asked for count for nothing.
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
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from peers.compete import Part, Run, compete, show
from shoptalk.data.dataset import open_dataset
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
#: Users of a step in RecTools, and what is drawn for each of their positions (by us: for the step).
RECTOOLS_USERS, NEGATIVES = 128, 256


def drawn_shop(users: int, items: int) -> tuple[Catalogue, list[History]]:
    """Titles of about twelve words and histories of about nine items, as long as those of Beauty, all random."""
    random = np.random.default_rng(0)
    words = [f"{first}{last}" for first in ("al", "be", "co", "da", "er", "fo") for last in range(300)]
    names = [" ".join(random.choice(words, random.integers(6, 18))) for _ in range(items)]
    catalogue = {str(number): Item(str(number), name) for number, name in enumerate(names)}
    sizes = np.minimum(4 + random.geometric(0.2, users), 50)
    histories = [
        History(str(user), tuple(random.choice(items, min(size, items), replace=False).astype(str).tolist()))
        for user, size in enumerate(sizes)
    ]
    return catalogue, histories


def read_shop(given: argparse.Namespace) -> tuple[Catalogue, list[History]]:
    """Catalogue and training histories: of a dataset folder, or drawn."""
    if given.data is None:
        return drawn_shop(given.users, given.items)
    shop = open_dataset(given.data)
    return shop.catalogue, [history for history in shop.split().train if len(history.items) > 1]


def text_part(given: argparse.Namespace) -> Part:
    """Histories as lines of titles, in which every title but the first is learned."""
    catalogue, histories = read_shop(given)
    settings = Model(width=given.width, layers=given.layers, vocabulary=given.vocabulary, precision=given.precision)
    model = create(settings, Lora(), (item.title for item in catalogue.values()), 1, 512)
    tokens, rows = text_examples(model, catalogue, histories[: given.users])
    contenders = {"shoptalk": lambda: ours(model, tokens, given.batch_tokens)}
    missing = with_trl(contenders, lambda: copy.deepcopy(model.network), model, tokens, rows, given)
    return Part(contenders, operations(model, tokens), missing, stated(model, tokens))


def text_examples(
    model: LanguageModel, catalogue: Catalogue, histories: Sequence[History]
) -> tuple[TokenSet, list[dict[str, str]]]:
    """The examples in our form and as rows of prompt and completion; histories too long for one row are left out."""
    builder = get_task("generate_title").prompts(
        Prompt(task="generate_title", style="plain"), catalogue, model.tokenizer.control
    )
    whole = [history for history in histories if len(encode_sequences([history], builder, model.tokenizer)) == 1]
    rows = []
    for history in whole:
        shown = segments("plain", builder.sequence(history).messages, model.tokenizer)
        first = next(index for index, piece in enumerate(shown) if piece.role == "assistant")
        prompt, completion = ("".join(piece.text for piece in part) for part in (shown[:first], shown[first:]))
        rows.append({"prompt": prompt, "completion": completion})
    return encode_sequences(whole, builder, model.tokenizer), rows


def with_trl(
    contenders: dict[str, Run],
    network: Callable[[], Any],
    model: LanguageModel,
    tokens: TokenSet,
    rows: list[dict[str, str]],
    given: argparse.Namespace,
    adapters: Callable[[], Any] = lambda: None,
) -> str:
    """Add TRL's ways of training, each with a fresh network; says what is missing where trl is not installed."""
    if importlib.util.find_spec("trl") is None:
        return INSTALL_TRL
    from peers.trl_sft import train, ways

    tokenizer = model.tokenizer.hugging_face
    per_step = max(1, round(given.batch_tokens * len(tokens) / len(tokens.ids)))  # as many as our steps have
    for name, settings in ways(per_step, given.batch_tokens, packed=not adapters()).items():
        contenders[name] = lambda settings=settings: {
            "tokens": len(tokens.ids),  # encoded as one text they are a few less, but the examples are the same
            **train(network(), tokenizer, rows, model.precision, adapters(), **settings),
        }
    return ""


def items_part(given: argparse.Namespace) -> Part:
    """Histories as rows of item tokens told by words, and two ways to the same loss."""
    catalogue, histories = read_shop(given)
    settings = Model(
        width=given.item_width, layers=given.item_layers, vocabulary=300, dropout=0.3, precision=given.precision
    )
    model = item_model(settings, catalogue, histories, words=True)
    tokens = item_examples(model, catalogue, histories).first(given.item_users)

    def plain() -> dict[str, Any]:
        with patch("shoptalk.training.phases.full_loss", plain_loss):
            return ours(model, tokens, given.item_batch_tokens)

    contenders = {"shoptalk": lambda: ours(model, tokens, given.item_batch_tokens), "plain_cross_entropy": plain}
    return Part(contenders, operations(model, tokens, given.item_batch_tokens), size=stated(model, tokens))


def item_model(settings: Model, catalogue: Catalogue, histories: Sequence[History], *, words: bool) -> LanguageModel:
    """A fresh model with a token for each item, told by its title or not."""
    ids = list(catalogue)
    bought = {item for history in histories for item in history.items}
    titles = [catalogue[item].title for item in ids]
    model = create(settings, Lora(), titles, 1, 512)
    known = np.array([item in bought for item in ids], dtype=np.bool_)
    if not words:
        return with_items(model, ids, None, known, 0)
    encoder = make_encoder("lsa", titles, min(settings.width, len(ids) - 1), 1)
    return with_items(model, ids, encoder.encode(titles), known, 0.3)


def item_examples(model: LanguageModel, catalogue: Catalogue, histories: Sequence[History]) -> TokenSet:
    """Histories as nothing but item tokens."""
    builder = get_task("next_item").prompts(Prompt(task="next_item", style="bare"), catalogue, model.tokenizer.control)
    return encode_sequences(histories, builder, model.tokenizer)


def plain_loss(hidden: Tensor, table: Any, targets: Tensor, dtype: torch.dtype, among: Tensor) -> Tensor:
    """What `full_loss` computes, as it is usually written: all scores (n, A), then `cross_entropy`."""
    del dtype  # autocast sees to it
    index = torch.zeros(len(table.vectors), dtype=torch.long, device=targets.device)
    index[among] = torch.arange(len(among), device=targets.device)
    scores = hidden @ table.vectors[among].T + table.biases[among]
    return cross_entropy(scores.float(), index[targets], reduction="sum")


def qlora_part(given: argparse.Namespace) -> Part:
    """A Llama with random weights, stored, and loaded in NF4 with doubly quantised scales by both sides."""
    if importlib.util.find_spec("bitsandbytes") is None:
        return Part({}, 0, "bitsandbytes is not installed here; run: pip install 'shoptalk[qlora]'")
    from peft import LoraConfig

    catalogue, histories = read_shop(given)
    lora = Lora()
    settings = Model(
        width=given.qlora_width, layers=given.qlora_layers, vocabulary=given.vocabulary, precision=given.precision
    )
    base = create(settings, lora, (item.title for item in catalogue.values()), 1, 512)
    folder = str(given.work / "llama")
    save(base, Path(folder))
    loaded = Model(base=folder, tuning="qlora", precision=given.precision)
    model = create(loaded, lora, [], 1, 512)
    tokens, rows = text_examples(model, catalogue, histories[: given.qlora_users])

    def four_bits() -> Any:
        from peers.trl_sft import four_bits as load

        return load(folder, quantisation(model.precision))

    def adapters() -> Any:
        sizes = {"r": lora.r, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}
        return LoraConfig(**sizes, target_modules="all-linear", task_type="CAUSAL_LM")

    contenders = {"shoptalk": lambda: ours(create(loaded, lora, [], 1, 512), tokens, given.batch_tokens, fresh=True)}
    missing = with_trl(contenders, four_bits, model, tokens, rows, given, adapters)
    return Part(contenders, operations(model, tokens), missing, stated(model, tokens))


def sasrec_part(given: argparse.Namespace, width: int) -> Part:
    """One block, dropout .2, ids alone: ours over the whole catalogue and with as many negatives as RecTools draws."""
    catalogue, histories = read_shop(given)
    settings = Model(width=width, layers=1, vocabulary=300, dropout=0.2, precision=given.precision)
    model = item_model(settings, catalogue, histories, words=False)
    tokens = item_examples(model, catalogue, histories).first(RECTOOLS_USERS * given.sasrec_batches)
    size = RECTOOLS_USERS * len(tokens.ids) // len(tokens)  # as many users in a step as RecTools has
    few = {"operations": operations(model, tokens, size, NEGATIVES + 1)}
    contenders = {
        "shoptalk_whole_catalogue": lambda: ours(model, tokens, size),
        "shoptalk_256_negatives": lambda: ours(model, tokens, size, negatives=NEGATIVES) | few,
    }
    missing = INSTALL_RECTOOLS
    if given.rectools and given.data:
        contenders["rectools_256_negatives"] = lambda: rectools(given, width) | few
        contenders["rectools_tuned_malloc"] = lambda: rectools(given, width, keep_memory=True) | few
        missing = ""
    return Part(contenders, operations(model, tokens, size), missing, stated(model, tokens))


def rectools(given: argparse.Namespace, width: int, *, keep_memory: bool = False) -> dict[str, Any]:
    """RecTools in its own environment: the second of two short epochs, so that nothing is made for the first time."""
    command = [
        given.rectools, str(PEERS / "rectools_sasrec.py"), str(given.data), "--factors", str(width), "--epochs", "2",
        "--batches", str(given.sasrec_batches), "--validate", "1", "--json",
    ]  # fmt: skip
    kept = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "16000000000"} if keep_memory else {}
    surroundings = {**os.environ, **kept, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=surroundings)
    report = json.loads(done.stdout)
    share = given.sasrec_batches * RECTOOLS_USERS / report["users"]
    return {
        "seconds": report["losses"][-1]["seconds"] * share,
        "cpu_seconds": report["losses"][-1]["cpu_seconds"] * share,
        "tokens": share * (report["targets"] + report["users"]),
        "loss": report["losses"][-1]["loss"],
        "memory": report["memory"],
    }


def ours(
    model: LanguageModel, tokens: TokenSet, batch_tokens: int, *, negatives: int | None = None, fresh: bool = False
) -> dict[str, Any]:
    """One epoch of our loop, as `shoptalk train` runs it, log and best weights written; a copy of the model learns."""
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
    """Floating-point operations that one epoch needs (see the head of this file), all items competing or fewer."""
    trained = model.tuning == "full"
    width, layers = model.network.config.hidden_size, model.network.config.num_hidden_layers
    base = adapters = 0
    for name, module in model.decoder.named_modules():
        if isinstance(module, nn.Linear):  # those of 4 bits are as well, and know their shape
            count = module.in_features * module.out_features
            adapters, base = (adapters + count, base) if "lora_" in name else (adapters, base + count)
    read, learned = len(tokens.ids), int((tokens.labels >= 0).sum())
    rows = (
        model.network.config.vocab_size if model.items is None else competing or int(model.items.has_interactions.sum())
    )
    passes = 3 if trained else 2  # forwards, the gradient of what came in, and that of the weights
    total = read * 2.0 * (passes * base + 3 * adapters) + learned * 2.0 * passes * width * rows
    total += 3 * 2.0 * width * layers * float((tokens.lengths.astype(np.float64) ** 2).sum())
    if model.items is not None and model.items.text_vectors.shape[1] > 1:  # the table is made anew in each step
        steps = math.ceil(read / batch_tokens)
        total += steps * 2 * 2.0 * math.prod(model.items.text_vectors.shape) * width
    return total


def stated(model: LanguageModel, tokens: TokenSet) -> str:
    """Shape of the model and of the examples, in words."""
    config, counts = model.network.config, model.parameters()
    of = f"{config.vocab_size:,} words" if model.items is None else f"{int(model.items.has_interactions.sum()):,} items"
    return (
        f"{counts['parameters']:,} parameters ({counts['trainable']:,} trained), width {config.hidden_size}, "
        f"{config.num_hidden_layers} layers, {of}, {model.precision}; {len(tokens):,} examples, {len(tokens.ids):,} "
        f"tokens, {int((tokens.labels >= 0).sum()):,} learned"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a dataset folder; without one, a shop is drawn")
    parser.add_argument("--only", nargs="+", choices=["text", "items", "qlora", "sasrec"], help="default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--users", type=int, default=256, help="text: how many histories; also of a drawn shop")
    parser.add_argument("--items", type=int, default=12_000, help="of a drawn shop")
    parser.add_argument("--width", type=int, default=128, help="text: of the nano model")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--batch-tokens", type=int, default=4096, help="text and qlora: tokens per step")
    parser.add_argument("--item-users", type=int, default=4096, help="items: how many histories")
    parser.add_argument("--item-width", type=int, default=256)
    parser.add_argument("--item-layers", type=int, default=2)
    parser.add_argument("--item-batch-tokens", type=int, default=2048)
    parser.add_argument("--qlora-users", type=int, default=128, help="qlora: how many histories")
    parser.add_argument("--qlora-width", type=int, default=512)
    parser.add_argument("--qlora-layers", type=int, default=6)
    parser.add_argument("--sasrec-widths", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--sasrec-batches", type=int, default=8, help="sasrec: steps of 128 users")
    parser.add_argument("--rectools", help="the Python of an environment with RecTools")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    chosen = given.only or ["text", "items", "qlora", "sasrec"]
    makers: dict[str, Callable[[], Part]] = {
        "text": lambda: text_part(given),
        "items": lambda: items_part(given),
        "qlora": lambda: qlora_part(given),
    }
    makers |= {f"sasrec {width}": lambda width=width: sasrec_part(given, width) for width in given.sasrec_widths}
    found = {}
    with tempfile.TemporaryDirectory() as work:
        given.work = Path(work)
        for name, make in makers.items():
            if name.split()[0] in chosen:
                found[name] = compete(make(), given.rounds, choose_precision(given.precision))
                if not given.json:
                    show(name, found[name])
    if given.json:
        print(json.dumps({"threads": torch.get_num_threads(), "rounds": given.rounds, "parts": found}))


if __name__ == "__main__":
    main()
