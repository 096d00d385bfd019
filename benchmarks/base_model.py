"""A pretrained base in shoptalk: loading, scoring options and LoRA training, beside plain transformers and PEFT.

    make pretrained
    python benchmarks/base_model.py --base smollm2-135m-instruct --json

Tokens a second are of processor time with one thread, so that other load on the machine matters little. Scoring:
prompts with four options; plain transformers computes the prompt once per option. Training: steps of rows of equal
length whose last tokens are the answer; plain PEFT computes logits and cross-entropy of every position. Peak memory is
that of the process after each stage.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from shoptalk.models.create import create
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tree import Question
from shoptalk.prompts.encode import IGNORE, Encoded
from shoptalk.recipe import Lora, Model, Training
from shoptalk.recommend.log_probabilities import log_probabilities
from shoptalk.system import peak_memory
from shoptalk.training.examples import TokenSet, gather
from shoptalk.training.loop import make_optimiser
from shoptalk.training.phases import Answers

PROMPT, OPTIONS, ANSWER = 110, 4, 20


def questions(count: int, size: int) -> list[Question]:
    """Prompts of `PROMPT` random tokens with four answers of `ANSWER` tokens."""
    random = np.random.default_rng(1)
    return [
        (random.integers(20, size, PROMPT).tolist(), random.integers(20, size, (OPTIONS, ANSWER)).tolist())
        for _ in range(count)
    ]


@torch.inference_mode()
def plain_scores(model: LanguageModel, cases: list[Question]) -> None:
    """A full pass of all options of a question, with the logits of every position."""
    for prompt, answers in cases:
        ids = torch.tensor([prompt + answer for answer in answers])
        model.network(input_ids=ids, use_cache=False).logits.log_softmax(-1)


def examples(cases: list[Question]) -> TokenSet:
    """Each prompt with its first answer; the answer is learned."""
    return gather([Encoded(prompt + answers[0], [IGNORE] * PROMPT + answers[0]) for prompt, answers in cases], 0)


def train_step(model: LanguageModel, tokens: TokenSet, optimiser: Any) -> None:
    """One step of shoptalk's loss on all examples."""
    phase = Answers("answers", tokens, tokens)
    loss, terms, _ = phase.loss(model, np.arange(len(tokens)))
    (loss / terms).backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def plain_step(model: LanguageModel, tokens: TokenSet, optimiser: Any) -> None:
    """The same step by the model's own loss."""
    shape = (len(tokens), PROMPT + ANSWER)
    ids, labels = (torch.from_numpy(values.reshape(shape)).long() for values in (tokens.ids, tokens.labels))
    model.network(input_ids=ids, labels=labels, use_cache=False).loss.backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def rate(tokens: int, run: Callable[[], object]) -> float:
    """Tokens a second of processor time."""
    begin = time.process_time()
    run()
    return round(tokens / (time.process_time() - begin), 1)


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default="smollm2-135m-instruct")
    parser.add_argument("--cases", type=int, default=4, help="questions, and examples of a step")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    wall, begin = time.perf_counter(), time.process_time()
    model = create(Model(base=options.base, tuning="lora", precision="fp32"), Lora(dropout=0), [], 1, 512)
    figures: dict[str, float] = {
        "load_seconds": round(time.perf_counter() - wall, 2),
        "load_processor_seconds": round(time.process_time() - begin, 2),
        "load_peak_gb": round(peak_memory() / 1e9, 2),
    }
    cases = questions(options.cases, capacity(model))
    tree_tokens = options.cases * (PROMPT + OPTIONS * (ANSWER - 1))
    plain_tokens = options.cases * OPTIONS * (PROMPT + ANSWER)
    model.train(False)
    begin = time.process_time()
    figures["score_tokens_per_second"] = rate(tree_tokens, lambda: log_probabilities(model, cases))
    ours, begin = time.process_time() - begin, time.process_time()
    figures["plain_score_tokens_per_second"] = rate(plain_tokens, lambda: plain_scores(model, cases))
    figures["score_speedup"] = round((time.process_time() - begin) / ours, 2)
    figures["score_seconds_per_question"] = round(ours / options.cases, 3)
    figures["score_peak_gb"] = round(peak_memory() / 1e9, 2)
    model.train()
    tokens, optimiser = examples(cases), make_optimiser(model, Training())
    count = options.steps * len(tokens.ids)
    for name, step in (("train", train_step), ("plain_train", plain_step)):
        step(model, tokens, optimiser)  # the first step allocates
        figures[f"{name}_tokens_per_second"] = rate(
            count, lambda step=step: [step(model, tokens, optimiser) for _ in range(options.steps)]
        )
        figures[f"{name}_peak_gb"] = round(peak_memory() / 1e9, 2)
    figures["train_speedup"] = round(figures["train_tokens_per_second"] / figures["plain_train_tokens_per_second"], 2)
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:32} {value}" for name, value in figures.items()), file=sys.stdout)


def capacity(model: LanguageModel) -> int:
    """The number of token ids that the model has."""
    return int(model.network.get_input_embeddings().weight.shape[0])


if __name__ == "__main__":
    main()
