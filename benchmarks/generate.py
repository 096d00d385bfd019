"""Time of generating ten titles: our search over a trie, free decoding, and Hugging Face's constrained decoding.

    python benchmarks/generate.py --histories 64 --json
    python benchmarks/generate.py --run RUN            # a run of generate_title (recipes/beauty-title.toml)

All methods continue the same prompts (lines of titles) with the same model: that of a run, or nano, trained for a few
minutes on the users' histories, so that its beams are those of a trained model. Free decoding generates as many tokens
as the mean title of the catalogue has. It is measured with Hugging Face's ``generate``, and in our own decoder, which
then differs from our search by the trie alone. ``prefix_allowed_tokens_fn`` is Hugging Face's constrained beam search,
over the same trie as nested dictionaries. The methods run in turns, and the fastest of several rounds counts, so that
other load on the machine affects all alike. Also reported: how many of the exact ten titles (all titles scored) each
constrained search finds.
"""

import argparse
import json
import math
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
    """The model whose decoding is timed, its histories, and its training loss if it was trained here."""

    model: LanguageModel
    builder: PromptBuilder
    histories: list[History]
    loss: float | None


def read_data(folder: Path) -> tuple[Catalogue, list[History]]:
    """The items, and the last twelve purchases of each user in time order."""
    items = pq.read_table(folder / "items.parquet", columns=["item_id", "title"]).to_pylist()
    catalogue = {row["item_id"]: Item(row["item_id"], row["title"] or row["item_id"]) for row in items}
    table = pq.read_table(folder / "interactions.parquet", columns=["user_id", "item_id", "timestamp"]).to_pandas()
    table = table.sort_values(["user_id", "timestamp"], kind="stable")
    users = table.groupby("user_id", sort=True)["item_id"]
    return catalogue, [History(user, tuple(purchases)[-12:]) for user, purchases in users]


def train_for(model: LanguageModel, builder: PromptBuilder, histories: Sequence[History], seconds: float) -> float:
    """Train on the histories for some seconds; the mean loss of the last twenty steps, in nats per token."""
    tokens = encode_sequences(histories, builder, model.tokenizer)
    groups = plan(tokens.lengths, 4096, np.random.default_rng(1))
    optimiser = torch.optim.AdamW(model.network.parameters(), lr=3e-3)
    begin, step = time.perf_counter(), 0
    losses: list[float] = []
    model.network.train()
    while time.perf_counter() - begin < seconds:
        loss, terms = answer_loss(model, make_batch(tokens, groups[step % len(groups)]))
        (loss / terms).backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item() / terms)
        step += 1
    model.network.eval()
    return float(np.mean(losses[-20:])) if losses else math.nan


def train_subject(folder: Path, count: int, seconds: float) -> Subject:
    """A model trained on all users except ``count`` random ones, whose histories it continues."""
    catalogue, users = read_data(folder)
    titles = [item.title for item in catalogue.values()]
    model = create(Model(width=128, layers=4, vocabulary=4096, precision="fp32"), Lora(), titles, 1, 1024)
    builder = get_task("generate_title").prompts(
        Prompt(task="generate_title", style="plain", max_tokens=1024), catalogue, model.tokenizer.control
    )
    chosen = np.random.default_rng(1).permutation(len(users))
    loss = train_for(model, builder, [users[number] for number in chosen[count:]], seconds)
    return Subject(model, builder, [users[number] for number in chosen[:count]], loss)


def open_subject(folder: Path, count: int) -> Subject:
    """The model of a run, and the histories of ``count`` random test users."""
    run = open_run(folder)
    dataset = open_run_dataset(run)
    recommender = open_trained_run(run, dataset).recommender
    model = replace(recommender.model, precision="fp32")  # the number format in which Hugging Face decodes
    test = dataset.split("last").test
    chosen = np.random.default_rng(1).permutation(len(test))[:count]
    return Subject(model, recommender.builder, [test[number].history for number in chosen.tolist()], None)


def pad_left(prompts: Sequence[list[int]], pad: int) -> dict[str, torch.Tensor]:
    """Input ids and attention mask (B, T) of prompts that are padded on the left."""
    width = max(map(len, prompts))
    return {
        "input_ids": torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts]),
        "attention_mask": torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]),
    }


def free(model: LanguageModel, prompts: Sequence[list[int]], tokens: int, beams: int) -> None:
    """Generate a fixed number of unconstrained tokens with Hugging Face."""
    for chosen in batches(prompts):
        inputs = pad_left([prompts[number] for number in chosen], model.tokenizer.pad_id)
        model.network.generate(
            **inputs,
            do_sample=False,
            num_beams=beams,
            num_return_sequences=beams,
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            pad_token_id=model.tokenizer.pad_id,
        )


def free_branches(model: LanguageModel, prompts: Sequence[list[int]], tokens: int, beams: int) -> None:
    """Generate a fixed number of unconstrained tokens with our own decoder."""
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
                    lengths = torch.ones_like(token)
                    hidden, _, seen = branches.grow(token[..., None], lengths, lengths * depth, seen)
                    states = hidden.view(size, beams, -1)


def nested_trie(sequences: Sequence[tuple[int, ...]]) -> dict[int, Any]:
    """A trie of token sequences as nested dictionaries."""
    root: dict[int, Any] = {}
    for sequence in sequences:
        node = root
        for token in sequence:
            node = node.setdefault(token, {})
    return root


def prefix_fn_search(
    model: LanguageModel, prompts: Sequence[list[int]], trie: dict[int, Any], longest: int, end: int
) -> list[list[tuple[int, ...]]]:
    """Ten titles of each prompt, as tokens, by Hugging Face's beam search with ``prefix_allowed_tokens_fn``."""
    titles: list[list[tuple[int, ...]]] = [[] for _ in prompts]
    pad = model.tokenizer.pad_id
    for chosen in batches(prompts):
        inputs = pad_left([prompts[number] for number in chosen], pad)
        width = inputs["input_ids"].shape[1]

        def allowed(_: int, ids: torch.Tensor, width: int = width) -> list[int]:
            """The tokens that continue the generated ones in the trie."""
            node = trie
            for token in ids[width:].tolist():
                node = node.get(token, {})
            return list(node) or [pad]

        generated = model.network.generate(
            **inputs,
            do_sample=False,
            num_beams=K,
            num_return_sequences=K,
            max_new_tokens=longest,
            length_penalty=0.0,
            prefix_allowed_tokens_fn=allowed,
            eos_token_id=end,
            pad_token_id=pad,
        )
        for index, number in enumerate(chosen):
            rows = generated[index * K : (index + 1) * K, width:].tolist()
            titles[number] = [tuple(row[: row.index(end) + 1]) if end in row else tuple(row) for row in rows]
    return titles


def fastest(methods: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of the fastest round of each method; the methods run in turns."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, run in methods.items():
            begin = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - begin)
    return {name: min(values) for name, values in times.items()}


def exactness(lists: Sequence[Sequence[str]], exact: Sequence[Sequence[str]]) -> dict[str, float]:
    """Shares of the exact best title and of the exact ten that the lists contain; empty without exact lists."""
    if not exact:
        return {}
    pairs = list(zip(lists, exact, strict=True))
    return {
        "best_found": statistics.mean(exact_items[0] in items for items, exact_items in pairs),
        "ten_found": statistics.mean(len(set(exact_items) & set(items)) / K for items, exact_items in pairs),
    }


def benchmark(subject: Subject, beams: int, exact: int, rounds: int) -> dict[str, Any]:
    """All figures: the seconds of each method for all histories, and the exactness of both constrained searches."""
    model, builder, histories, loss = subject
    begin = time.perf_counter()
    search = TitleSearch(model, builder, beams=beams)
    trie_seconds = time.perf_counter() - begin
    single = TitleSearch(model, builder, beams=1)
    longest, tokenizer = search.trie.longest, model.tokenizer
    prompts = [open_question(builder, tokenizer, history, longest, model.longest)[0] for history in histories]
    mean = round(float(search.trie.length.double().mean()))
    trie, end = nested_trie(list(search.items_by_tokens)), ending(builder, tokenizer)[-1]
    our_method = f"trie_beam_{beams}"
    sample = histories[:exact]
    with torch.inference_mode():
        seconds = fastest(
            {
                our_method: lambda: search.rank(histories, K, exclude_history=False),
                "trie_beam_1": lambda: single.rank(histories, 1, exclude_history=False),
                "free_greedy": lambda: free(model, prompts, mean, 1),
                "free_beam_10": lambda: free(model, prompts, mean, K),
                "free_branches_1": lambda: free_branches(model, prompts, mean, 1),
                "free_branches_10": lambda: free_branches(model, prompts, mean, K),
                "prefix_fn_beam_10": lambda: prefix_fn_search(model, prompts, trie, longest, end),
            },
            rounds,
        )
        begin = time.perf_counter()
        exact_lists = rank_all_titles(model, builder, search, sample)
        if sample:
            seconds["score_every_title"] = (time.perf_counter() - begin) / len(sample) * len(histories)
        prefix_fn_titles = prefix_fn_search(model, prompts[:exact], trie, longest, end) if sample else []
        our_lists = [ranked.items for ranked in search.rank(sample, K, exclude_history=False)]
    prefix_fn_lists = [
        [search.items_by_tokens[title][0] for title in titles if title in search.items_by_tokens]
        for titles in prefix_fn_titles
    ]
    return {
        "histories": len(histories),
        "titles": len(search.trie),
        "mean_title_tokens": mean,
        "threads": torch.get_num_threads(),
        "loss": loss,
        "trie_seconds": trie_seconds,
        "seconds": seconds,
        "times_our_time": {name: value / seconds[our_method] for name, value in seconds.items()},
        "ours": exactness(our_lists, exact_lists),
        "prefix_fn": exactness(prefix_fn_lists, exact_lists),
    }


def rank_all_titles(
    model: LanguageModel, builder: PromptBuilder, search: TitleSearch, histories: Sequence[History]
) -> list[Sequence[str]]:
    """The exact ten items of each history: all different titles are scored."""
    recommender = LanguageModelRecommender(model, builder, "sum")
    first_items = {same_title[0] for same_title in search.items}
    allowed = np.array([item in first_items for item in recommender.items], dtype=np.bool_)
    return [recommender.rank([history], K, allowed=allowed, exclude_history=False)[0].items for history in histories]


def show(report: dict[str, Any]) -> None:
    """Print the figures."""
    titles = f"{report['titles']:,} titles of {report['mean_title_tokens']} tokens"
    print(f"{report['histories']} histories, {titles}; the trie took {report['trie_seconds']:.1f} s")
    for name, value in report["seconds"].items():
        milliseconds = 1000 * value / report["histories"]
        print(f"{name:>18}: {milliseconds:8.1f} ms a history, {report['times_our_time'][name]:6.2f} x ours")
    for name in ("ours", "prefix_fn"):
        if report[name]:
            print(
                f"{name}: {report[name]['ten_found']:.3f} of the exact ten, best one {report[name]['best_found']:.3f}"
            )


def main() -> None:
    """Measure all methods on a run's model, or on one that is trained here."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(os.environ.get("SHOPTALK_DATA", "data")) / "amazon-beauty"
    parser.add_argument("--run", type=Path, help="a run of generate_title; without it, a model is trained on --data")
    parser.add_argument("--data", type=Path, default=default, help="folder with items and interactions (Parquet)")
    parser.add_argument("--histories", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=120, help="of training")
    parser.add_argument("--exact", type=int, default=16, help="number of histories for which all titles are scored")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beams", type=int, default=K, help="of our search")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.run:
        subject = open_subject(arguments.run, arguments.histories)
    else:
        subject = train_subject(arguments.data, arguments.histories, arguments.seconds)
    report = benchmark(subject, arguments.beams, arguments.exact, arguments.rounds)
    if arguments.json:
        print(json.dumps(report))
    else:
        show(report)


if __name__ == "__main__":
    main()
