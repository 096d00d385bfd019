"""Naming ten titles of the catalogue: our search over the trie, against free decoding and against the usual way.

    python benchmarks/generate.py --histories 64 --json
    python benchmarks/generate.py --run RUN            # a run's model that names titles (recipes/beauty-title.toml)

Every contender continues the same prompts (plain lines of titles) with the same model: a run's, or nano, trained for a
few minutes on the users' histories, so that its beams go where a trained model's go. Free decoding is stopped after as
many tokens as the catalogue's mean title has (it is told when to stop, and may say anything): by Hugging Face's
``generate``, and, so that nothing but the trie differs, in our own branches too. ``prefix_allowed_tokens_fn`` is
Hugging Face's own constrained beam search, over the same trie as nested dictionaries. In turns, the best of a few
rounds each, so that a noisy machine disturbs all alike. Also: how much of the exact ten (all titles scored) is found.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch

from shoptalk.models.create import create
from shoptalk.models.language_model import LanguageModel
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.questions import ending, open_question
from shoptalk.recipe import Lora, Model, Prompt
from shoptalk.recommend.constrained import TitleSearch
from shoptalk.recommend.options import LanguageModelRecommender
from shoptalk.recommend.tree_decoder import TreeDecoder, batches
from shoptalk.runs import open_run
from shoptalk.schema import Catalogue, History, Item
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.stages.trained_run import open_trained_run
from shoptalk.tasks import get_task
from shoptalk.training.batching import make_batch, plan
from shoptalk.training.examples import encode_sequences
from shoptalk.training.phases import answer_loss

K = 10


class Subject(NamedTuple):
    """Whose decoding is timed, on what, and the loss of its last steps where it was trained here."""

    model: LanguageModel
    builder: PromptBuilder
    asked: list[History]
    loss: float | None


def read_shop(folder: Path) -> tuple[Catalogue, list[History]]:
    """Items, and every user's purchases in time order."""
    items = pq.read_table(folder / "items.parquet", columns=["item_id", "title"]).to_pylist()
    catalogue = {row["item_id"]: Item(row["item_id"], row["title"] or row["item_id"]) for row in items}
    table = pq.read_table(folder / "interactions.parquet", columns=["user_id", "item_id", "timestamp"]).to_pandas()
    table = table.sort_values(["user_id", "timestamp"], kind="stable")
    users = table.groupby("user_id", sort=True)["item_id"]
    return catalogue, [History(user, tuple(bought)[-12:]) for user, bought in users]


def learn(model: LanguageModel, builder: PromptBuilder, histories: Sequence[History], seconds: float) -> float:
    """Train on the histories for some time; the last losses' mean, in nats per token."""
    tokens = encode_sequences(histories, builder, model.tokenizer)
    groups = plan(tokens.lengths, 4096, np.random.default_rng(1))
    optimiser = torch.optim.AdamW(model.network.parameters(), lr=3e-3)
    begin, losses, step = time.perf_counter(), [float("nan")], 0
    model.network.train()
    while time.perf_counter() - begin < seconds:
        loss, terms = answer_loss(model, make_batch(tokens, groups[step % len(groups)]))
        (loss / terms).backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item() / terms)
        step += 1
    model.network.eval()
    return float(np.mean(losses[-20:]))


def made(shop: Path, count: int, seconds: float) -> Subject:
    """A model trained for some time on all users but those who are asked about."""
    catalogue, users = read_shop(shop)
    titles = [item.title for item in catalogue.values()]
    model = create(Model(width=128, layers=4, vocabulary=4096, precision="fp32"), Lora(), titles, 1, 1024)
    builder = get_task("generate_title").prompts(
        Prompt(task="generate_title", style="plain", max_tokens=1024), catalogue, model.tokenizer.control
    )
    chosen = np.random.default_rng(1).permutation(len(users))
    loss = learn(model, builder, [users[number] for number in chosen[count:]], seconds)
    return Subject(model, builder, [users[number] for number in chosen[:count]], loss)


def opened(folder: Path, count: int) -> Subject:
    """A run's model, asked about some of its test users."""
    run = open_run(folder)
    shop = open_run_dataset(run)
    known = open_trained_run(run, shop).recommender
    model = replace(known.model, precision="fp32")  # Hugging Face's decoding computes in what the weights are kept in
    test = shop.split("last").test
    chosen = np.random.default_rng(1).permutation(len(test))[:count]
    return Subject(model, known.builder, [test[number].history for number in chosen.tolist()], None)


def padded(prompts: Sequence[list[int]], pad: int) -> dict[str, torch.Tensor]:
    width = max(map(len, prompts))
    return {
        "input_ids": torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts]),
        "attention_mask": torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]),
    }


def free(model: LanguageModel, prompts: Sequence[list[int]], tokens: int, beams: int) -> None:
    """Hugging Face's decoding, free to say anything, for a fixed number of tokens."""
    for chosen in batches(prompts):
        given = padded([prompts[number] for number in chosen], model.tokenizer.pad_id)
        model.network.generate(
            **given, do_sample=False, num_beams=beams, num_return_sequences=beams, max_new_tokens=tokens,
            min_new_tokens=tokens, pad_token_id=model.tokenizer.pad_id,
        )  # fmt: skip


def free_branches(model: LanguageModel, prompts: Sequence[list[int]], tokens: int, beams: int) -> None:
    """Beam search in our own branches, free to say anything, for a fixed number of tokens."""
    for chosen in batches(prompts):
        with model.autocast():
            branches = TreeDecoder(model, [prompts[number] for number in chosen])
            states, seen, size = branches.last[:, None], branches.seen, len(chosen)
            score = torch.zeros(size, 1)
            for depth in range(tokens):
                logits = branches.logits(states.flatten(0, 1)).view(size, -1, model.network.config.vocab_size)
                value = score[..., None] + logits - logits.logsumexp(2, keepdim=True)
                score, best = value.flatten(1).topk(beams)
                source, token = best // value.shape[2], best % value.shape[2]
                seen = seen.gather(1, source[..., None].expand(-1, -1, seen.shape[2]))
                if depth < tokens - 1:
                    one = torch.ones_like(token)
                    hidden, _, seen = branches.grow(token[..., None], one, one * depth, seen)
                    states = hidden.view(size, beams, -1)


def nested(sequences: Sequence[tuple[int, ...]]) -> dict[int, Any]:
    root: dict[int, Any] = {}
    for sequence in sequences:
        node = root
        for token in sequence:
            node = node.setdefault(token, {})
    return root


def usual(
    model: LanguageModel, prompts: Sequence[list[int]], trie: dict[int, Any], longest: int, end: int
) -> list[list[tuple[int, ...]]]:
    """Hugging Face's beam search with ``prefix_allowed_tokens_fn``; each prompt's ten, as tokens."""
    found: list[list[tuple[int, ...]]] = [[] for _ in prompts]
    pad = model.tokenizer.pad_id
    for chosen in batches(prompts):
        given = padded([prompts[number] for number in chosen], pad)
        width = given["input_ids"].shape[1]

        def allowed(_: int, ids: torch.Tensor, width: int = width) -> list[int]:
            node = trie
            for token in ids[width:].tolist():
                node = node.get(token, {})
            return list(node) or [pad]

        stated = model.network.generate(
            **given, do_sample=False, num_beams=K, num_return_sequences=K, max_new_tokens=longest, length_penalty=0.0,
            prefix_allowed_tokens_fn=allowed, eos_token_id=end, pad_token_id=pad,
        )  # fmt: skip
        for index, number in enumerate(chosen):
            rows = stated[index * K : (index + 1) * K, width:].tolist()
            found[number] = [tuple(row[: row.index(end) + 1]) if end in row else tuple(row) for row in rows]
    return found


def best(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each contender's fastest round, all in turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - begin)
    return {name: min(values) for name, values in times.items()}


def exactness(found: Sequence[Sequence[str]], exact: Sequence[Sequence[str]]) -> dict[str, float]:
    """Shares of the exact best one and best ten that were found; nothing where nothing was scored exactly."""
    if not exact:
        return {}
    return {
        "best_found": statistics.mean(row[0] in other for row, other in zip(exact, found, strict=True)),
        "ten_found": statistics.mean(len(set(row) & set(other)) / K for row, other in zip(exact, found, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(os.environ.get("SHOPTALK_DATA", "data")) / "amazon-beauty"
    parser.add_argument("--run", type=Path, help="a run that names titles; without it, a model is trained on --shop")
    parser.add_argument("--shop", type=Path, default=default, help="folder with items and interactions (Parquet)")
    parser.add_argument("--histories", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=120, help="of training")
    parser.add_argument("--exact", type=int, default=16, help="histories for which every title is scored as well")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beams", type=int, default=K, help="of our search")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.run:
        model, builder, asked, loss = opened(given.run, given.histories)
    else:
        model, builder, asked, loss = made(given.shop, given.histories, given.seconds)
    begin = time.perf_counter()
    search = TitleSearch(model, builder, beams=given.beams)
    built = time.perf_counter() - begin
    single = TitleSearch(model, builder, beams=1)
    tokens = model.tokenizer
    prompts = [open_question(builder, tokens, history, search.trie.longest, model.longest)[0] for history in asked]
    mean = round(float(search.trie.length.double().mean()))
    dictionary, end = nested(list(search.items_by_tokens)), ending(builder, tokens)[-1]
    seen_items = f"trie_beam_{given.beams}"
    with torch.inference_mode():
        seconds = best(
            {
                seen_items: lambda: search.rank(asked, K, exclude_history=False),
                "trie_beam_1": lambda: single.rank(asked, 1, exclude_history=False),
                "free_greedy": lambda: free(model, prompts, mean, 1),
                "free_beam_10": lambda: free(model, prompts, mean, K),
                "free_branches_1": lambda: free_branches(model, prompts, mean, 1),
                "free_branches_10": lambda: free_branches(model, prompts, mean, K),
                "prefix_fn_beam_10": lambda: usual(model, prompts, dictionary, search.trie.longest, end),
            },
            given.rounds,
        )
        every = LanguageModelRecommender(model, builder, "sum")
        few, names = asked[: given.exact], {same[0] for same in search.items}
        allowed = np.array([item in names for item in every.items], dtype=np.bool_)
        begin = time.perf_counter()
        exact = [every.rank([history], K, allowed=allowed, exclude_history=False)[0].items for history in few]
        if few:
            seconds["score_every_title"] = (time.perf_counter() - begin) / len(few) * len(asked)
        other = [] if not few else usual(model, prompts[: given.exact], dictionary, search.trie.longest, end)
    named = [
        [search.items_by_tokens[title][0] for title in titles if title in search.items_by_tokens] for titles in other
    ]
    report = {
        "histories": len(asked), "titles": len(search.trie), "threads": torch.get_num_threads(), "loss": loss,
        "trie_seconds": built, "seconds": seconds,
        "times_our_time": {name: value / seconds[seen_items] for name, value in seconds.items()},
        "ours": exactness([ranked.items for ranked in search.rank(few, K, exclude_history=False)], exact),
        "prefix_fn": exactness(named, exact),
    }  # fmt: skip
    if given.json:
        print(json.dumps(report))
        return
    print(f"{len(asked)} histories, {len(search.trie):,} titles of {mean} tokens; the trie took {built:.1f} s")
    for name, value in seconds.items():
        print(
            f"{name:>18}: {1000 * value / len(asked):8.1f} ms a history, {report['times_our_time'][name]:6.2f} x ours"
        )
    for name in ("ours", "prefix_fn") if few else ():
        print(f"{name}: {report[name]['ten_found']:.3f} of the exact ten, best one {report[name]['best_found']:.3f}")


if __name__ == "__main__":
    main()
