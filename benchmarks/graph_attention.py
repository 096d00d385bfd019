"""Graph attention: the cost of a training step with each form, against the same step with plain attention.

    python benchmarks/graph_attention.py [--data DATASET] [--width 512] [--layers 2] [--rounds 5] [--json]
    python benchmarks/graph_attention.py --text --layers 4       # titles beside the item tokens, in longer rows

All forms share one network and get the same batches in turns, in one process and one thread. A step is the loss, its
gradients and AdamW. The first round of each form also computes the relations of the pairs of items; later rounds find
them in memory, as later epochs do. Printed are processor seconds of a round as a multiple of plain attention, with the
median over the rounds, and the share of the time that is spent on relations.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shoptalk.data.dataset import open_dataset
from shoptalk.graph.user_items import UserItemGraph, users_of
from shoptalk.models.create import create
from shoptalk.models.graph_setup import with_graph
from shoptalk.models.item_embeddings import with_items
from shoptalk.models.language_model import LanguageModel
from shoptalk.recipe import Lora, Model, Prompt, Training
from shoptalk.schema import Catalogue, History, Item
from shoptalk.tasks import get_task
from shoptalk.training.batching import make_batch, plan
from shoptalk.training.examples import TokenSet, encode_sequences
from shoptalk.training.loop import make_optimiser
from shoptalk.training.phases import item_loss

FORMS = ("off", "ones", "published", "learned")


def random_data(users: int, items: int) -> tuple[Catalogue, list[History]]:
    """Histories of about nine items, some items bought far more often than others."""
    random = np.random.default_rng(0)
    vocabulary = [f"{prefix}{number}" for prefix in ("al", "be", "co", "da", "er", "fo") for number in range(300)]
    titles = [" ".join(random.choice(vocabulary, random.integers(6, 18))) for _ in range(items)]
    catalogue = {
        str(number): Item(str(number), title, brand=f"b{number % 200}", categories=(f"c{number % 50}",))
        for number, title in enumerate(titles)
    }
    lengths = np.minimum(4 + random.geometric(0.2, users), 50)
    drawn = np.minimum((random.pareto(1.0, lengths.sum()) * items / 50).astype(np.int64), items - 1).astype(str)
    parts = np.split(drawn, np.cumsum(lengths)[:-1])
    return catalogue, [History(str(user), tuple(dict.fromkeys(part.tolist()))) for user, part in enumerate(parts)]


def read_data(arguments: argparse.Namespace) -> tuple[Catalogue, list[History]]:
    """Catalogue and training histories, of a dataset or random."""
    if arguments.data is None:
        return random_data(arguments.users, arguments.items)
    dataset = open_dataset(arguments.data)
    return dataset.catalogue, [history for history in dataset.split().train if len(history.items) > 1]


def make_models(
    arguments: argparse.Namespace, catalogue: Catalogue, histories: Sequence[History]
) -> dict[str, LanguageModel]:
    """One model with each form of graph attention; all have the same network."""
    settings = Model.model_validate(
        {"width": arguments.width, "layers": arguments.layers, "vocabulary": 1000, "precision": arguments.precision}
    )
    model = create(settings, Lora(), (item.title for item in catalogue.values()), 1, 512)
    vectors = np.random.default_rng(0).normal(size=(len(catalogue), arguments.width)).astype(np.float32)
    model = with_items(model, list(catalogue), vectors, np.ones(len(catalogue), dtype=bool), 0.3)
    graph, users = UserItemGraph.of(histories, catalogue), users_of(histories)
    return {form: model if form == "off" else with_graph(model, form, graph, users, list(catalogue)) for form in FORMS}


class Trainer:
    """Training steps of one model over the same batches."""

    def __init__(self, model: LanguageModel, tokens: TokenSet, groups: Sequence[NDArray[np.int64]]) -> None:
        self.model, self.tokens, self.groups = model, tokens, groups
        self.optimiser = make_optimiser(model, Training(learning_rate=1e-9))
        self.relation_seconds = 0.0
        if model.graph is not None:
            model.graph.bias = self._timed(model.graph.bias)  # type: ignore[method-assign]

    def round(self) -> tuple[float, float]:
        """Processor seconds of a step on each batch, and how many of them the relations took."""
        self.model.train()
        begin, self.relation_seconds = time.process_time(), 0.0
        for group in self.groups:
            loss, terms = item_loss(self.model, make_batch(self.tokens, group))
            (loss / terms).backward()
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
        return time.process_time() - begin, self.relation_seconds

    def _timed(self, function: Any) -> Any:
        def timed(*arguments: Any) -> Any:
            begin = time.process_time()
            result = function(*arguments)
            self.relation_seconds += time.process_time() - begin
            return result

        return timed


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """For each form the cost of the first round and the median of the others, as multiples of plain attention."""
    catalogue, histories = read_data(arguments)
    models = make_models(arguments, catalogue, histories)
    prompt: dict[str, Any] = {"task": "next_item", "style": "plain" if arguments.text else "bare", "field_tokens": 16}
    prompt["fields"] = ("token", "title") if arguments.text else ("title",)
    builder = get_task("next_item").prompts(Prompt.model_validate(prompt), catalogue, ())
    tokens = encode_sequences(histories, builder, models["off"].tokenizer)
    groups = plan(tokens.lengths, arguments.batch_tokens, np.random.default_rng(0))[: arguments.steps]
    trainers = {form: Trainer(model, tokens, groups) for form, model in models.items()}
    trainers["off"].round()  # the first steps of a process are slower
    rounds: dict[str, list[tuple[float, float]]] = {form: [] for form in FORMS}
    for _ in range(arguments.rounds + 1):
        for form, trainer in trainers.items():
            rounds[form].append(trainer.round())
    seconds = {form: statistics.median(total for total, _ in times[1:]) for form, times in rounds.items()}
    return {
        "tokens": int(sum(tokens.lengths[group].sum() for group in groups)),
        "longest": int(tokens.lengths.max()),
        "seconds": seconds["off"],
        "forms": {
            form: {
                "first": times[0][0] / seconds["off"],
                "later": statistics.median(
                    total / plain for (total, _), (plain, _) in zip(times[1:], rounds["off"][1:], strict=True)
                ),
                "relations_first": times[0][1] / seconds["off"],
                "relations_later": statistics.median(part for _, part in times[1:]) / seconds["off"],
            }
            for form, times in rounds.items()
        },
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--items", type=int, default=12_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--text", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = measure(arguments)
    if arguments.json:
        print(json.dumps(result))
        return
    print(
        f"{result['tokens']:,} tokens, {result['seconds']:.2f} s with plain attention, longest row {result['longest']}"
    )
    print(f"{'form':10} {'first round':>12} {'later rounds':>13} {'relations, first':>17} {'relations, later':>17}")
    for form, cost in result["forms"].items():
        print(
            f"{form:10} {cost['first']:12.3f} {cost['later']:13.3f} "
            f"{cost['relations_first']:17.3f} {cost['relations_later']:17.3f}"
        )


if __name__ == "__main__":
    main()
