"""Tiny random models of many architectures, what works with each, and the table of it in ``docs/guide/models.md``.

``python -m tests.architectures`` prints the table as it is measured now.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForCausalLM

from shoptalk.errors import ModelError
from shoptalk.models.create import create
from shoptalk.models.item_embeddings import with_items
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tree import tree_log_probabilities
from shoptalk.prompts.questions import open_question
from shoptalk.recipe import Lora, Model, Prompt
from shoptalk.recommend.constrained import TitleSearch
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.tree_decoder import TreeDecoder
from shoptalk.training.batching import Batch
from shoptalk.training.phases import answer_loss
from tests.words import CATALOGUE, history, prompt_builder, tokenizer

SIZE = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512,
}  # fmt: skip
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}
MIXED = ["sliding_attention", "full_attention"]
#: Settings by which each architecture is made small. Windows are shorter than the texts.
SETTINGS: dict[str, dict[str, Any]] = {
    "bloom": {"hidden_size": 32, "n_head": 4, "n_layer": 2},
    "codegen": {**GPT, "rotary_dim": 4},
    "cohere": SIZE,
    "cohere2": {**SIZE, "sliding_window": 8, "layer_types": MIXED},
    "falcon": SIZE,
    "falcon (ALiBi)": {**SIZE, "alibi": True},
    "gemma": {**SIZE, "head_dim": 8},
    "gemma2": {**SIZE, "head_dim": 8, "sliding_window": 8, "layer_types": MIXED, "final_logit_softcapping": 2.0},
    "gemma3_text": {**SIZE, "head_dim": 8, "sliding_window": 8, "layer_types": MIXED},
    "gpt2": GPT,
    "gpt_bigcode": GPT,
    "gpt_neo": {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]],
                "window_size": 8, "max_position_embeddings": 512},
    "gpt_neox": SIZE,
    "gptj": {**GPT, "rotary_dim": 4},
    "granite": {**SIZE, "logits_scaling": 4.0, "embedding_multiplier": 3.0, "residual_multiplier": 0.5},
    "llama": SIZE,
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    "mistral": {**SIZE, "sliding_window": 8},
    "mixtral": {**SIZE, "sliding_window": 8, "num_local_experts": 4},
    "mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 512},
    "olmo": SIZE,
    "olmo2": SIZE,
    "opt": {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
            "word_embed_proj_dim": 32, "max_position_embeddings": 512},
    "phi": SIZE,
    "phi3": {**SIZE, "sliding_window": 8},
    "qwen2": {**SIZE, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
    "qwen3": {**SIZE, "head_dim": 8},
    "smollm3": SIZE,
    "stablelm": SIZE,
    "starcoder2": {**SIZE, "sliding_window": 8},
}  # fmt: skip

#: Largest difference from the model's own scores, in nats; and of a loss or gradient, as a share of the largest.
TOLERANCE = 1e-4
IDS = list(CATALOGUE)
HISTORIES = [history("R0", "C1"), history(*IDS[:5])]
PROMPTS = [list(range(20, 50)), list(range(260, 80, -9))]
ANSWERS = [[[7, 8, 12], [7, 12, 30, 31, 32], [44]], [[5, 290], [6, 7, 8, 9]]]
COLUMNS = ("attention", "options", "titles", "training loss", "item tokens", "LoRA")


@dataclass(frozen=True, slots=True)
class Pair:
    """A model as this package loads it, and the same weights as the library loads them."""

    model: LanguageModel
    reference: Any

    @torch.no_grad()
    def own(self, prompt: list[int], answer: list[int]) -> torch.Tensor:
        """Log-probabilities of an answer's tokens by the model's own pass over this one text."""
        logits = self.reference(input_ids=torch.tensor([prompt + answer]), use_cache=False).logits[0].log_softmax(-1)
        return logits[torch.arange(len(prompt) - 1, len(prompt) + len(answer) - 1), torch.tensor(answer)]


def make(name: str, folder: Path) -> None:
    """Save a tiny model of an architecture, with a tokenizer; weights are so large that attention matters."""
    words = tokenizer()
    config = AutoConfig.for_model(
        name.partition(" ")[0], vocab_size=320, pad_token_id=0, bos_token_id=1, eos_token_id=1,
        **SETTINGS[name],
    )  # fmt: skip
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter_name, parameter in network.named_parameters():
            if parameter.ndim == 2 and not parameter_name.endswith("A_log"):
                parameter.normal_(std=0.25)
            elif parameter_name.endswith("bias"):
                parameter.add_(0.1 * torch.randn_like(parameter))
    network.save_pretrained(folder)
    words.save(folder)


@contextmanager
def pair(name: str, lora: Lora | None = None, **settings: Any) -> Iterator[Pair]:
    """A tiny model of an architecture, loaded from a folder as any base is."""
    with tempfile.TemporaryDirectory() as folder:
        make(name, Path(folder))
        model = create(Model(base=folder, precision="fp32", **settings), lora or Lora(), [], 1, 256)
        reference = AutoModelForCausalLM.from_pretrained(folder).eval()
        model.train(False)
        yield Pair(model, reference)


def option_error(both: Pair) -> float:
    """Largest difference of scores of answers, of two prompts at once."""
    with torch.no_grad():
        ours = tree_log_probabilities(both.model, list(zip(PROMPTS, ANSWERS, strict=True)))
    own = [both.own(prompt, answer) for prompt, answers in zip(PROMPTS, ANSWERS, strict=True) for answer in answers]
    return float((ours - torch.cat(own)).abs().max())


def title_error(both: Pair) -> float:
    """Largest difference of scores of all titles of the catalogue, found by an exhaustive search."""
    builder = prompt_builder(Prompt.model_validate({"task": "generate_title", "style": "plain"}), CATALOGUE)
    search = TitleSearch(both.model, builder, beams=len(CATALOGUE))
    worst = 0.0
    for asked, found in zip(HISTORIES, search.rank(HISTORIES, len(IDS), exclude_history=False), strict=True):
        assert set(found.items) == set(IDS)
        prompt = prompt_of(search, asked)
        for item, score in zip(found.items, found.scores, strict=True):
            row = next(tokens for tokens, same in search.items_by_tokens.items() if item in same)
            worst = max(worst, abs(float(both.own(prompt, list(row)).sum()) - score))
    return worst


def prompt_of(search: TitleSearch, asked: Any) -> list[int]:
    """The ids that a search reads of a history."""
    return open_question(search.builder, search.model.tokenizer, asked, search.trie.longest, search.model.longest)[0]


def loss_error(both: Pair) -> float:
    """Largest difference of the training loss, and of the gradient of the words' vectors, as a share of the largest."""
    rows = [prompt + answers[1] for prompt, answers in zip(PROMPTS, ANSWERS, strict=True)]
    width = max(map(len, rows))
    ids = np.array([row + [0] * (width - len(row)) for row in rows])
    labels = np.full_like(ids, -100)
    expected = torch.zeros(())
    for number, row in enumerate(rows):
        start = len(PROMPTS[number]) - 1
        labels[number, start : len(row) - 1] = row[start + 1 :]
        logits = both.reference(input_ids=torch.tensor([row]), use_cache=False).logits[0, start:-1]
        expected = expected + cross_entropy(logits, torch.tensor(row[start + 1 :]), reduction="sum")
    loss, count = answer_loss(both.model, Batch(ids, labels, sum(map(len, rows))))
    assert count == sum(len(answers[1]) for answers in ANSWERS)
    weights = [network.get_input_embeddings().weight for network in (both.model.network, both.reference)]
    ours, own = torch.autograd.grad(loss, weights[0])[0], torch.autograd.grad(expected, weights[1])[0]
    slope = float((ours - own).abs().max() / own.abs().max())
    return max(abs(float(loss.detach() - expected.detach())) / float(expected.detach()), slope)


def item_error(both: Pair) -> float:
    """Largest difference of scores of all items from those of the model's own pass over vectors, history by history."""
    text = np.random.default_rng(0).normal(size=(len(IDS), 8)).astype(np.float32)
    model = with_items(both.model, IDS, text, np.ones(len(IDS), dtype=bool), 0.0)
    assert model.items is not None
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.items.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.train(False)
    prompt = Prompt.model_validate({"task": "next_item", "style": "alpaca", "fields": ("token", "title")})
    ours = ItemRecommender(model, prompt_builder(prompt, CATALOGUE, model.tokenizer.control))
    scores, table, worst = ours.score_all(HISTORIES), model.items.table(), 0.0
    decoder = getattr(both.reference, both.reference.base_model_prefix)
    with torch.no_grad():
        for row, asked in zip(scores, HISTORIES, strict=True):
            ids = torch.tensor(ours.ask(asked)[0])
            is_item = ids >= model.items.first
            vectors = both.reference.get_input_embeddings()(ids.masked_fill(is_item, 0))
            vectors[is_item] = table.vectors[ids[is_item] - model.items.first] * model.items.length
            state = decoder(inputs_embeds=vectors[None], use_cache=False).last_hidden_state[0, -1]
            worst = max(worst, float((table.vectors @ state + table.biases - torch.from_numpy(row)).abs().max()))
    return worst


def lora_cell(name: str) -> str:
    """Whether fresh adapters add nothing and the training loss reaches them, and with which settings."""
    attempts = {"yes": {}, "without dropout": {"dropout": 0}, "`in_proj`, `x_proj`": {"targets": ("in_proj", "x_proj")}}
    for word, settings in attempts.items():
        try:
            with pair(name, Lora(r=2, **settings), tuning="lora") as both:
                loss, _ = answer_loss(both.model, Batch(np.array([PROMPTS[0]]), np.array([[*PROMPTS[0][1:], 7]]), 30))
                loss.backward()
                slopes = [parameter.grad for parameter in both.model.trainable_parameters().values()]
                assert any(slope is not None and bool(slope.any()) for slope in slopes)
                return says(option_error(both), word)
        except ModelError:
            continue
    return "no"


def says(error: float, word: str = "yes") -> str:
    """The word where a measured difference is rounding, otherwise how large it is."""
    return word if error <= TOLERANCE else f"differs by {error:.2g}"


def measure(name: str) -> tuple[str, ...]:
    """The cells of an architecture's line, one for each of `COLUMNS`."""
    with pair(name) as both:
        long = max(len(prompt) + sum(map(len, answers)) for prompt, answers in zip(PROMPTS, ANSWERS, strict=True))
        options = "one pass" if both.model.reads_trees(long) else "one by one"
        titles = "recomputed" if TreeDecoder(both.model, PROMPTS).cache is None else "cached"
        has_attention = hasattr(both.model.network.config, "num_attention_heads")
        attention = both.model.network.config._attn_implementation.replace("shoptalk", "fused")
        cells = (
            attention if has_attention else "none",
            says(option_error(both), options),
            says(title_error(both), titles),
            says(loss_error(both)),
            says(item_error(both)),
        )
    return (*cells, lora_cell(name))


def line(name: str, cells: tuple[str, ...]) -> str:
    """A line of the table."""
    return f"| {' | '.join((f'`{name}`', *cells))} |"


def table() -> Iterator[str]:
    """The lines of the table, measured now."""
    yield f"| architecture | {' | '.join(COLUMNS)} |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for name in SETTINGS:
        yield line(name, measure(name))


if __name__ == "__main__":
    for text in table():
        print(text, flush=True)
