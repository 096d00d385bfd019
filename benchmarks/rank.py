"""Ranking a whole catalogue: against the bare forward pass, a product of the same shape, and generating ids.

    python benchmarks/rank.py --items 12086 1000000 --json

The model is the `nano` backbone with random weights and items around random centres: times are those of trained
weights, and the recall of the index is that of such a catalogue, no more. Every contender answers the same histories in
turns, so that a noisy machine disturbs all alike; ratios are of medians.
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

K, CODES, CENTRE, LEARNED = 10, 64, 500, 0.02  # items per centre, on average; size of the learned part
WORDS, WORDS_OF, EDGES_OF = 20_000, 10, 20

Contender = Callable[[list[History]], object]


@dataclass(frozen=True)
class World:
    """A catalogue around centres, a model of it, and histories that mostly stay near one centre."""

    model: ItemRecommender
    scorer: TransitionTextScorer
    histories: list[History]


def make_world(items: int, width: int, layers: int, histories: int, length: int) -> World:
    """Items with vectors of 64 numbers of their words and a small learned part."""
    random = np.random.default_rng(items)
    group = np.sort(random.integers(0, max(2, items // CENTRE), items))
    centres = random.normal(size=(group.max() + 1, CODES)).astype(np.float32)
    text = centres[group] + 0.7 * random.standard_normal((items, CODES), dtype=np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    ids = [f"i{number}" for number in range(items)]
    recipe = Model(width=width, layers=layers, vocabulary=300, precision="fp32")
    base = create(recipe, Lora(), ["one", "two"], 1, 512)
    model = with_items(base, ids, text, np.ones(items, dtype=np.bool_), 0.0)
    assert model.items is not None
    with torch.no_grad():
        model.items.residual.normal_(std=LEARNED)
        model.items.bias.normal_(std=0.1)
        for layer in model.decoder.layers:  # which would begin by adding nothing
            layer.self_attn.o_proj.weight.normal_(std=0.02)
            layer.mlp.down_proj.weight.normal_(std=0.02)
    model.train(False)
    prompt = Prompt.model_validate({"task": "next_item", "style": "bare", "max_tokens": 512})
    builder = get_task(prompt.task).prompts(prompt, {name: Item(name, name) for name in ids}, model.tokenizer.control)
    drawn = (random.integers(0, items, (histories, 1)) + random.integers(0, CENTRE, (histories, length))) % items
    shown = [History(str(row), tuple(ids[position] for position in some)) for row, some in enumerate(drawn.tolist())]
    return World(ItemRecommender(model, builder), make_transition_text(items, random), shown)


def make_transition_text(items: int, random: np.random.Generator) -> TransitionTextScorer:
    """Edges to items nearby, and words as frequent as words are, weighing as TF-IDF weighs them."""
    rows = np.repeat(np.arange(items), EDGES_OF)
    columns = (rows + random.integers(1, CENTRE, len(rows))) % items
    weights = random.random(len(rows), dtype=np.float32)
    graph = sparse.csr_array((weights, (rows, columns)), shape=(items, items))
    words = np.minimum(random.zipf(1.3, items * WORDS_OF), WORDS) - 1
    weight = np.log(items / np.maximum(np.bincount(words, minlength=WORDS), 1)).astype(np.float32)
    shown = sparse.csr_array((weight[words], (np.repeat(np.arange(items), WORDS_OF), words)), shape=(items, WORDS))
    shown = sparse.csr_array(
        sparse.diags_array(1 / np.sqrt(shown.multiply(shown).sum(axis=1))) @ shown, dtype=np.float32
    )
    return TransitionTextScorer(graph, shown, np.ones(items, dtype=bool))


def contenders(world: World, allow: int) -> tuple[dict[str, Contender], dict[str, float]]:
    """What is timed, by name, and what is known of the index."""
    ours = world.model
    whole = ours.model, ours.builder
    table, count = ours.table, len(ours.items)
    with_transition_text = ItemRecommender(*whole, scorer=world.scorer)
    allowed = np.zeros(count, dtype=np.bool_)
    allowed[np.random.default_rng(2).permutation(count)[:allow]] = True
    prompts = {history: prompt_of(ours, history) for history in world.histories}
    states = {history: ours.states([history]) for history in world.histories}

    def forward(asked: list[History]) -> object:
        return ours.model.hidden(torch.tensor([prompts[one] for one in asked]), table=table)

    def product(asked: list[History]) -> object:
        return torch.cat([states[one] for one in asked]) @ table.vectors.T

    found: dict[str, Contender] = {
        "forward": forward,
        "product": product,
        "exact": lambda asked: ours.rank(asked, K),
        "exact, allow list": lambda asked: ours.rank(asked, K, allowed=allowed),
        "exact, scorer": lambda asked: with_transition_text.rank(asked, K),
        "generate": lambda asked: generate(ours, [prompts[one] for one in asked]),
    }
    if count < LARGE:
        return found, {}
    begin = time.perf_counter()
    index = Index.build(table)
    known = {"build_seconds": time.perf_counter() - begin}
    some = torch.cat(list(states.values())[:200]).numpy()
    known["recall@10"] = index.recall(some, table, K)
    near, near_remembering = ItemRecommender(*whole, index=index), ItemRecommender(*whole, world.scorer, index)
    some_histories = world.histories[:50]
    known["recall@10, allow list"] = agreement(ours, near, some_histories, allowed)
    known["recall@10, scorer"] = agreement(with_transition_text, near_remembering, some_histories, None)
    found |= {
        "index": lambda asked: near.rank(asked, K),
        "index, allow list": lambda asked: near.rank(asked, K, allowed=allowed),
        "index, scorer": lambda asked: near_remembering.rank(asked, K),
    }
    return found, known


def prompt_of(model: ItemRecommender, history: History) -> list[int]:
    return open_question(model.builder, model.model.tokenizer, history, 1, model.model.longest)[0]


def agreement(exact: ItemRecommender, near: ItemRecommender, histories: list[History], allowed: Any) -> float:
    """Share of the ten best that the lists made with the index hold."""
    hits = [
        len(set(exact.rank([one], K, allowed=allowed)[0].items) & set(near.rank([one], K, allowed=allowed)[0].items))
        for one in histories
    ]
    return float(np.mean(hits) / K)


def generate(model: ItemRecommender, prompts: list[list[int]]) -> list[list[int]]:
    """Ten item ids token by token, as `generate` does it: greedy, with a cache, nothing said twice."""
    items, table = model.model.items, model.table
    assert items is not None
    ids, cache = torch.tensor(prompts), DynamicCache()
    seen_items = ids - items.first
    stated: list[torch.Tensor] = []
    for _ in range(K):
        embedded = model.model._input_embeddings(ids, items, table)
        out = model.model.decoder(inputs_embeds=embedded, past_key_values=cache, use_cache=True, return_dict=True)
        scores = torch.addmm(table.biases, out.last_hidden_state[:, -1], table.vectors.T)
        best = scores.scatter_(1, seen_items, -torch.inf).argmax(dim=1, keepdim=True)
        seen_items, ids = torch.cat([seen_items, best], dim=1), best + items.first
        stated.append(best)
    return torch.cat(stated, dim=1).tolist()


@torch.inference_mode()
def measure(
    found: dict[str, Contender], batches: list[list[History]], clock: Callable[[], float]
) -> dict[str, dict[str, float]]:
    """p50 and p99 of each contender's seconds over the batches, the contenders taking turns."""
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for run in found.values():
        run(batches[0])
    for batch in batches:
        for name, run in found.items():
            begin = clock()
            run(batch)
            seconds[name].append(clock() - begin)
    half = {name: float(np.median(times)) for name, times in seconds.items()}
    return {
        name: {
            "p50_ms": 1e3 * half[name],
            "p99_ms": 1e3 * float(np.percentile(times, 99)),
            "to_forward": half[name] / half["forward"],
            "to_product": half[name] / half["product"],
            "to_both": half[name] / (half["forward"] + half["product"]),
            "generate_to_this": half["generate"] / half[name],
        }
        for name, times in seconds.items()
    }


def benchmark(items: int, given: argparse.Namespace) -> dict[str, Any]:
    world = make_world(items, given.width, given.layers, max(given.histories, given.batch), given.length)
    with torch.inference_mode():
        found, known = contenders(world, min(given.allow, items))
    result: dict[str, Any] = {"items": items, "index": known}
    clock = time.process_time if given.cpu_time else time.perf_counter
    result["one"] = measure(found, [[one] for one in world.histories[: given.histories]], clock)
    heavy = {name: run for name, run in found.items() if items < LARGE or name not in {"exact, scorer", "generate"}}
    heavy["generate"] = found["generate"]
    result["batch"] = measure(heavy, [world.histories[: given.batch]] * given.rounds, clock)
    return result


def show(result: dict[str, Any], batch: int) -> None:
    print(f"\n{result['items']:,} items" + "".join(f"; {name} {value:.3g}" for name, value in result["index"].items()))
    for kind, says in (("one", "one history"), ("batch", f"{batch} histories")):
        print(f"  {says:24}{'p50 ms':>10}{'p99 ms':>10}{'/forward':>10}{'/product':>10}{'/both':>8}  generating costs")
        for name, row in result[kind].items():
            print(
                f"  {name:24}{row['p50_ms']:10.2f}{row['p99_ms']:10.2f}{row['to_forward']:10.2f}"
                f"{row['to_product']:10.2f}{row['to_both']:8.2f}  {row['generate_to_this']:.1f} times as much"
            )


def main() -> None:
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
    given = parser.parse_args()
    results = []
    for items in given.items:
        results.append(benchmark(items, given))
        if not given.json:
            show(results[-1], given.batch)
    if given.json:
        print(json.dumps({"threads": torch.get_num_threads(), "sizes": results}))


if __name__ == "__main__":
    main()
