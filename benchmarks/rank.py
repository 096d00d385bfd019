"""Time of ranking a whole catalogue, compared with the forward pass, a matrix product and generating ids.

    python benchmarks/rank.py --items 12086 1000000 --json

The model is the `nano` backbone with random weights, and the item vectors lie around random centres. Times do not
depend on the weights; the recall of the index holds only for such a catalogue. All methods rank the same histories in
turns, so that other load on the machine affects all alike. Ratios are ratios of medians.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from transformers import DynamicCache

from shoptalk.models.create import create
from shoptalk.models.item_embeddings import with_items
from shoptalk.prompts.questions import open_question
from shoptalk.recipe import Lora, Model, Prompt
from shoptalk.recommend.index import LARGE, Index
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.transition_text import TransitionTextScorer
from shoptalk.schema import History, Item
from shoptalk.tasks import get_task

#: Length of the lists, and width of the text vectors.
K, TEXT_WIDTH = 10, 64
#: Mean number of items per centre, and standard deviation of the residuals.
CENTRE_ITEMS, RESIDUAL_STD = 500, 0.02
#: Size of the vocabulary; words and edges of each item.
VOCABULARY, WORDS_PER_ITEM, EDGES_PER_ITEM = 20_000, 10, 20

Method = Callable[[list[History]], object]


@dataclass(frozen=True)
class World:
    """A model of a random catalogue, a scorer, and histories whose items mostly lie near one centre."""

    model: ItemRecommender
    scorer: TransitionTextScorer
    histories: list[History]


def make_world(items: int, width: int, layers: int, histories: int, length: int) -> World:
    """Items with random text vectors and small residuals."""
    random = np.random.default_rng(items)
    group = np.sort(random.integers(0, max(2, items // CENTRE_ITEMS), items))
    centres = random.normal(size=(group.max() + 1, TEXT_WIDTH)).astype(np.float32)
    text = centres[group] + 0.7 * random.standard_normal((items, TEXT_WIDTH), dtype=np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    ids = [f"i{number}" for number in range(items)]
    recipe = Model(width=width, layers=layers, vocabulary=300, precision="fp32")
    base = create(recipe, Lora(), ["one", "two"], 1, 512)
    model = with_items(base, ids, text, np.ones(items, dtype=np.bool_), 0.0)
    assert model.items is not None
    with torch.no_grad():
        model.items.residual.normal_(std=RESIDUAL_STD)
        model.items.bias.normal_(std=0.1)
        for layer in model.decoder.layers:  # their initial weights are 0
            layer.self_attn.o_proj.weight.normal_(std=0.02)
            layer.mlp.down_proj.weight.normal_(std=0.02)
    model.train(False)
    prompt = Prompt.model_validate({"task": "next_item", "style": "bare", "max_tokens": 512})
    builder = get_task(prompt.task).prompts(prompt, {name: Item(name, name) for name in ids}, model.tokenizer.control)
    indices = (
        random.integers(0, items, (histories, 1)) + random.integers(0, CENTRE_ITEMS, (histories, length))
    ) % items
    drawn = [History(str(row), tuple(ids[index] for index in chosen)) for row, chosen in enumerate(indices.tolist())]
    return World(ItemRecommender(model, builder), make_transition_text(items, random), drawn)


def make_transition_text(items: int, random: np.random.Generator) -> TransitionTextScorer:
    """A scorer with edges to nearby items and TF-IDF features of words with a Zipf distribution."""
    rows = np.repeat(np.arange(items), EDGES_PER_ITEM)
    columns = (rows + random.integers(1, CENTRE_ITEMS, len(rows))) % items
    weights = random.random(len(rows), dtype=np.float32)
    graph = sparse.csr_array((weights, (rows, columns)), shape=(items, items))
    words = np.minimum(random.zipf(1.3, items * WORDS_PER_ITEM), VOCABULARY) - 1
    idf = np.log(items / np.maximum(np.bincount(words, minlength=VOCABULARY), 1)).astype(np.float32)
    item_of_word = np.repeat(np.arange(items), WORDS_PER_ITEM)
    counts = sparse.csr_array((idf[words], (item_of_word, words)), shape=(items, VOCABULARY))
    features = sparse.csr_array(
        sparse.diags_array(1 / np.sqrt(counts.multiply(counts).sum(axis=1))) @ counts, dtype=np.float32
    )
    return TransitionTextScorer(graph, features, np.ones(items, dtype=bool))


def make_methods(world: World, allow: int) -> tuple[dict[str, Method], dict[str, float]]:
    """The methods to time, by name, and the time to build and the recall of the index; empty for small catalogues."""
    model = world.model
    table, count = model.table, len(model.items)
    with_scorer = ItemRecommender(model.model, model.builder, scorer=world.scorer)
    allowed = np.zeros(count, dtype=np.bool_)
    allowed[np.random.default_rng(2).permutation(count)[:allow]] = True
    prompts = {history: prompt_of(model, history) for history in world.histories}
    states = {history: model.states([history]) for history in world.histories}

    def forward(histories: list[History]) -> object:
        """The forward pass without scores."""
        return model.model.hidden(torch.tensor([prompts[history] for history in histories]), table=table)

    def product(histories: list[History]) -> object:
        """The product of the hidden states and the item vectors."""
        return torch.cat([states[history] for history in histories]) @ table.vectors.T

    methods: dict[str, Method] = {
        "forward": forward,
        "product": product,
        "exact": lambda histories: model.rank(histories, K),
        "exact, allow list": lambda histories: model.rank(histories, K, allowed=allowed),
        "exact, scorer": lambda histories: with_scorer.rank(histories, K),
        "generate": lambda histories: generate(model, [prompts[history] for history in histories]),
    }
    if count < LARGE:
        return methods, {}
    begin = time.perf_counter()
    index = Index.build(table)
    index_figures = {"build_seconds": time.perf_counter() - begin}
    index_figures["recall@10"] = index.recall(torch.cat(list(states.values())[:200]).numpy(), table, K)
    near = ItemRecommender(model.model, model.builder, index=index)
    near_with_scorer = ItemRecommender(model.model, model.builder, world.scorer, index)
    sample = world.histories[:50]
    index_figures["recall@10, allow list"] = agreement(model, near, sample, allowed)
    index_figures["recall@10, scorer"] = agreement(with_scorer, near_with_scorer, sample, None)
    methods |= {
        "index": lambda histories: near.rank(histories, K),
        "index, allow list": lambda histories: near.rank(histories, K, allowed=allowed),
        "index, scorer": lambda histories: near_with_scorer.rank(histories, K),
    }
    return methods, index_figures


def prompt_of(model: ItemRecommender, history: History) -> list[int]:
    """Token ids of the prompt of a history."""
    return open_question(model.builder, model.model.tokenizer, history, 1, model.model.longest)[0]


def agreement(exact: ItemRecommender, near: ItemRecommender, histories: list[History], allowed: Any) -> float:
    """Mean share of the exact top ten that the lists by the index contain."""
    hits = [
        len(
            set(exact.rank([history], K, allowed=allowed)[0].items)
            & set(near.rank([history], K, allowed=allowed)[0].items)
        )
        for history in histories
    ]
    return float(np.mean(hits) / K)


def generate(model: ItemRecommender, prompts: list[list[int]]) -> list[list[int]]:
    """Generate ten item ids with greedy decoding and a cache, without items of the history and without repeats."""
    items, table = model.model.items, model.table
    assert items is not None
    ids, cache = torch.tensor(prompts), DynamicCache()
    seen_items = ids - items.first
    generated: list[torch.Tensor] = []
    for _ in range(K):
        embedded = model.model._input_embeddings(ids, items, table)
        out = model.model.decoder(inputs_embeds=embedded, past_key_values=cache, use_cache=True, return_dict=True)
        scores = torch.addmm(table.biases, out.last_hidden_state[:, -1], table.vectors.T)
        best = scores.scatter_(1, seen_items, -torch.inf).argmax(dim=1, keepdim=True)
        seen_items, ids = torch.cat([seen_items, best], dim=1), best + items.first
        generated.append(best)
    return torch.cat(generated, dim=1).tolist()


@torch.inference_mode()
def measure(
    methods: dict[str, Method], batches: list[list[History]], clock: Callable[[], float]
) -> dict[str, dict[str, float]]:
    """Median and 99th percentile of the time of each method over the batches; the methods run in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for run in methods.values():
        run(batches[0])
    for batch in batches:
        for name, run in methods.items():
            begin = clock()
            run(batch)
            seconds[name].append(clock() - begin)
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    return {
        name: {
            "p50_ms": 1e3 * medians[name],
            "p99_ms": 1e3 * float(np.percentile(times, 99)),
            "to_forward": medians[name] / medians["forward"],
            "to_product": medians[name] / medians["product"],
            "to_both": medians[name] / (medians["forward"] + medians["product"]),
            "generate_to_this": medians["generate"] / medians[name],
        }
        for name, times in seconds.items()
    }


def benchmark(items: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures for a catalogue of one size."""
    histories = max(arguments.histories, arguments.batch)
    world = make_world(items, arguments.width, arguments.layers, histories, arguments.length)
    with torch.inference_mode():
        methods, index_figures = make_methods(world, min(arguments.allow, items))
    result: dict[str, Any] = {"items": items, "index": index_figures}
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    result["one"] = measure(methods, [[history] for history in world.histories[: arguments.histories]], clock)
    slow = {"exact, scorer"} if items >= LARGE else set()
    batch_methods = {name: run for name, run in methods.items() if name not in slow}
    result["batch"] = measure(batch_methods, [world.histories[: arguments.batch]] * arguments.rounds, clock)
    return result


def show(result: dict[str, Any], batch: int) -> None:
    """Print the figures of one size."""
    print(f"\n{result['items']:,} items" + "".join(f"; {name} {value:.3g}" for name, value in result["index"].items()))
    for kind, title in (("one", "one history"), ("batch", f"{batch} histories")):
        print(f"  {title:24}{'p50 ms':>10}{'p99 ms':>10}{'/forward':>10}{'/product':>10}{'/both':>8}  generate takes")
        for name, row in result[kind].items():
            print(
                f"  {name:24}{row['p50_ms']:10.2f}{row['p99_ms']:10.2f}{row['to_forward']:10.2f}"
                f"{row['to_product']:10.2f}{row['to_both']:8.2f}  {row['generate_to_this']:.1f} times as much"
            )


def main() -> None:
    """Measure catalogues of all sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[12_086, 1_000_000])
    parser.add_argument("--histories", type=int, default=200, help="asked one by one")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5, help="of batches")
    parser.add_argument("--length", type=int, default=8, help="items of a history")
    parser.add_argument("--allow", type=int, default=100_000, help="ids of the allow list")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--cpu-time", action="store_true", help="of one thread, where others use the machine as well")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = []
    for items in arguments.items:
        results.append(benchmark(items, arguments))
        if not arguments.json:
            show(results[-1], arguments.batch)
    if arguments.json:
        print(json.dumps({"threads": torch.get_num_threads(), "sizes": results}))


if __name__ == "__main__":
    main()
