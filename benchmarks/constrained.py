"""10,000 lists and 10,000 titles by constrained decoding: each is real and none repeats; the time beside free decoding.

    python benchmarks/constrained.py [--outputs 10000] [--data FOLDER] [--json]

Two nano models are made here and trained for some minutes on users whose histories are not decoded, of a generated shop
or of ``--data``. One generates lists of ten items as item tokens (task ``generate_ids``): one list for each history.
The other generates titles (task ``generate_title``): ten for each history with ten beams, and one with one beam.

Free decoding computes the same number of tokens with the same decoder, the same batches and the same number of beams,
but without a trie, masks or knowledge of the catalogue. The two run in turns on parts of the histories, so that other
load on the machine affects both alike; times are processor seconds of one thread for the parts that both decode.
``--free`` also decodes a tenth of the lists by the model's own free generation, and counts its entries that are no item
or repeats.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from generate import free_branches, read_data, train_for
from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.models.create import create
from shoptalk.models.language_model import LanguageModel
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.questions import open_question
from shoptalk.recipe import Lora, Model, Prompt, read_recipe
from shoptalk.recommend.constrained import TitleSearch
from shoptalk.recommend.listing import ListRecommender
from shoptalk.recommend.tree_decoder import TreeDecoder, batches
from shoptalk.schema import LIST_LENGTH, Catalogue, History, RankedList
from shoptalk.tasks import get_task
from shoptalk.tasks.generate_ids import list_cases
from shoptalk.training.batching import make_batch, plan
from shoptalk.training.examples import encode_cases
from shoptalk.training.phases import answer_loss

#: Histories that one method decodes before it is the other's turn.
TURN = 256
#: Parts that are decoded freely too, at least, where there are so many.
COMPARED = 8
#: Products of the generated shop, and users from whom the models learn.
PRODUCTS, LEARNED = 3000, 4000


@dataclass(slots=True)
class Figures:
    """What was generated, and the processor seconds.

    ``tokens`` is the mean number of tokens of an output, or of a beam.
    """

    outputs: int = 0
    not_in_catalogue: int = 0
    lists_with_a_repeat: int = 0
    in_the_history: int = 0
    tokens: float = 0.0
    constrained: float = 0.0
    free: float = 0.0

    @property
    def ratio(self) -> float:
        """Time of constrained decoding over that of free decoding."""
        return self.constrained / self.free if self.free else float("nan")

    def add(
        self, lists: Sequence[RankedList], histories: Sequence[History], catalogue: Catalogue, *, each: bool
    ) -> None:
        """Count outputs, the items of each list with ``each``, else the lists; and what is wrong with them."""
        for ranked, history in zip(lists, histories, strict=True):
            self.outputs += len(ranked.items) if each else 1
            self.not_in_catalogue += sum(item not in catalogue for item in ranked.items)
            self.lists_with_a_repeat += len(set(ranked.items)) < len(ranked.items)
            self.in_the_history += len(set(ranked.items) & set(history.items))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of some work and its processor seconds."""
    begin = time.process_time()
    return work(), time.process_time() - begin


def turns(histories: Sequence[History]) -> Iterator[tuple[Sequence[History], bool]]:
    """The histories in parts, and whether a part is also decoded freely: all parts of few, some of many."""
    starts = range(0, len(histories), TURN)
    for number, start in enumerate(starts):
        yield histories[start : start + TURN], number % max(1, len(starts) // COMPARED) == 0


@torch.inference_mode()
def free_greedy(model: LanguageModel, prompts: Sequence[list[int]], tokens: int) -> None:
    """A fixed number of the most probable tokens after each prompt, one by one."""
    for chosen in batches(prompts):
        with model.autocast():
            decoder = TreeDecoder(model, [prompts[number] for number in chosen])
            state, seen = decoder.last, decoder.seen
            for step in range(tokens):
                _, best = decoder.logits(state).log_softmax(1).max(1)
                if step + 1 < tokens:
                    depth = torch.full((len(chosen), 1), step)
                    state, _, seen = decoder.grow(best[:, None, None], torch.ones_like(depth), depth, seen)


def prompts_of(search: TitleSearch, histories: Sequence[History]) -> list[list[int]]:
    """The prompts that the search for titles continues."""
    model, builder = search.model, search.builder
    return [
        open_question(builder, model.tokenizer, history, search.trie.longest, model.longest)[0] for history in histories
    ]


def decode_lists(lists: ListRecommender, histories: Sequence[History]) -> Figures:
    """A list of ten items for each history."""
    figures = Figures(tokens=LIST_LENGTH * (1 + len(lists.separator)) - len(lists.separator))
    for part, compared in turns(histories):
        ranked, seconds = timed(lambda: lists.rank(part))  # noqa: B023
        figures.add(ranked, part, lists.builder.catalogue, each=False)
        figures.constrained += seconds * compared
        if compared:
            figures.free += timed(
                lambda: free_greedy(lists.model, [lists.ask(history)[0] for history in part], int(figures.tokens))  # noqa: B023
            )[1]
    return figures


def decode_titles(search: TitleSearch, histories: Sequence[History], beams: int) -> Figures:
    """As many titles as beams for each history; free decoding has the mean number of tokens of these titles."""
    figures = Figures()
    lengths = zip(search.items, search.trie.length.tolist(), strict=True)
    length = {item: count for items, count in lengths for item in items}
    tokens = []
    for part, compared in turns(histories):
        ranked, seconds = timed(lambda: search.rank(part, beams))  # noqa: B023
        figures.add(ranked, part, search.builder.catalogue, each=True)
        figures.constrained += seconds * compared
        found = [length[item] for one in ranked for item in one.items]
        tokens += found
        if compared:
            count = max(1, round(float(np.mean(found))))
            with torch.inference_mode():
                figures.free += timed(
                    lambda: free_branches(search.model, prompts_of(search, part), count, beams)  # noqa: B023
                )[1]
    figures.tokens = float(np.mean(tokens))
    return figures


def train_lists(model: LanguageModel, builder: PromptBuilder, histories: Sequence[History], seconds: float) -> float:
    """Train on lists for some seconds; the mean loss of the last twenty steps, in nats per token."""
    tokens = encode_cases(list(list_cases(histories, every=False)), builder, model.tokenizer)
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


def make_model(task: str, catalogue: Catalogue) -> tuple[LanguageModel, PromptBuilder]:
    """A nano model with random weights, and its prompts."""
    prompt = Prompt.model_validate({"task": task, "style": "plain", "max_tokens": 1024, "history": 12})
    titles = [item.title for item in catalogue.values()]
    shape = Model(width=128, layers=4, vocabulary=4096, precision="fp32")
    model = create(shape, Lora(), titles, 1, 1024, get_task(task).vocabulary(prompt, catalogue))
    return model, get_task(task).prompts(prompt, catalogue, model.tokenizer.control)


def generated_data(outputs: int) -> tuple[Catalogue, list[History]]:
    """The products of a generated shop, and the last twelve purchases of each user."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sample(folder, users=outputs + LEARNED, items=PRODUCTS, seed=1)
        prepare(read_recipe(folder / "recipe.toml"), folder / "dataset")
        dataset = open_dataset(folder / "dataset")
        histories = [History(history.user_id, history.items[-12:]) for history in dataset.histories()]
    return dataset.catalogue, histories


def benchmark(folder: Path | None, outputs: int, seconds: float, free: bool) -> dict[str, Any]:
    """All figures."""
    catalogue, users = generated_data(outputs) if folder is None else read_data(folder)
    order = np.random.default_rng(1).permutation(len(users))
    histories = [users[number] for number in order[:outputs]]
    learned = [users[number] for number in order[outputs:]] or histories
    report: dict[str, Any] = {"items": len(catalogue), "threads": torch.get_num_threads(), "methods": {}}

    model, builder = make_model("generate_ids", catalogue)
    report["loss_lists"] = train_lists(model, builder, learned, seconds)
    report["methods"]["lists of ten"] = decode_lists(ListRecommender(model, builder), histories)
    if free:
        unbound = ListRecommender(model, builder, constrained=False)
        unbound.rank(histories[: outputs // 10])
        report["free_lists"] = {
            "invalid_share": float(np.nanmean(unbound.invalid_share)),
            "repeat_share": float(np.nanmean(unbound.repeat_share)),
        }

    model, builder = make_model("generate_title", catalogue)
    report["loss_titles"] = train_for(model, builder, learned, seconds)
    for beams in (1, 10):
        search = TitleSearch(model, builder, beams=beams)
        figures = decode_titles(search, histories[: outputs // beams], beams)
        report["methods"][f"titles, {beams} beam{'s' * (beams > 1)}"] = figures
    return report


def show(report: dict[str, Any]) -> None:
    """Print the figures."""
    print(f"{report['items']:,} items, {report['threads']} thread(s)")
    print(f"loss of lists {report['loss_lists']:.2f}, of titles {report['loss_titles']:.2f} nats per token")
    for name, figures in report["methods"].items():
        print(
            f"{name}: {figures.outputs:,} outputs of {figures.tokens:.1f} tokens; {figures.not_in_catalogue} not in "
            f"the catalogue, {figures.lists_with_a_repeat} lists with a repeat, {figures.in_the_history} items of the "
            "history"
        )
        print(f"  constrained {figures.constrained:.1f} s, free {figures.free:.1f} s: {figures.ratio:.2f} times")
    if "free_lists" in report:
        invalid, repeat = report["free_lists"].values()
        print(f"free lists: {invalid:.3f} of the entries are no item, {repeat:.3f} repeats")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with items and interactions (Parquet), as of Amazon Beauty")
    parser.add_argument("--outputs", type=int, default=10_000, help="lists, and titles of each kind")
    parser.add_argument("--seconds", type=float, default=60, help="of training for each model")
    parser.add_argument("--free", action="store_true", help="also count what free lists contain")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    report = benchmark(given.data, given.outputs, given.seconds, given.free)
    if given.json:
        methods = {name: {**asdict(figures), "ratio": figures.ratio} for name, figures in report["methods"].items()}
        print(json.dumps({**report, "methods": methods}))
    else:
        show(report)


if __name__ == "__main__":
    main()
