"""Scoring options: one pass over a shared prompt, against a full pass per option and against generating the answer.

    python benchmarks/score_options.py --cases 32 --json

All methods score the same cases with the same model: nano with random weights, which are as fast as trained ones. The
methods run in turns, and the fastest of several rounds counts, so that other load on the machine affects all alike.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch

from shoptalk.models.create import create
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tree import Question
from shoptalk.recipe import Lora, Model
from shoptalk.recommend.log_probabilities import log_probabilities

VOCABULARY = [f"word{number}" for number in range(400)]


def make_cases(count: int, options: int, prompt: int, answer: int, size: int) -> list[Question]:
    """Random prompts with random answers, lengths in tokens."""
    random = np.random.default_rng(options)
    return [
        (
            random.integers(10, size, prompt).tolist(),
            [random.integers(10, size, answer).tolist() for _ in range(options)],
        )
        for _ in range(count)
    ]


@torch.inference_mode()
def one_pass_each(model: LanguageModel, cases: list[Question]) -> list[float]:
    """A full pass per option, batched per case, as most published code does it."""
    scores = []
    for prompt, answers in cases:
        ids = torch.tensor([prompt + answer for answer in answers])
        logits = model.network(ids, use_cache=False).logits[:, len(prompt) - 1 : -1].float().log_softmax(-1)
        scores += logits.gather(2, ids[:, len(prompt) :, None]).sum((1, 2)).tolist()
    return scores


@torch.inference_mode()
def generate(model: LanguageModel, cases: list[Question]) -> None:
    """Generate an answer as long as an option (which then would have to be matched to one)."""
    for prompt, answers in cases:
        length = len(answers[0])
        ids = torch.tensor([prompt])
        model.network.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=length, min_new_tokens=length, do_sample=False
        )


def fastest(run: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest of several rounds."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    """Time all methods for 4 and 20 options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=32)
    parser.add_argument("--prompt", type=int, default=300, help="tokens")
    parser.add_argument("--answer", type=int, default=15, help="tokens")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = create(Model(width=256, layers=4, vocabulary=1000, precision="fp32"), Lora(), VOCABULARY, 1, 2048)
    model.network.eval()
    rows = []
    for options in (4, 20):
        cases = make_cases(
            arguments.cases, options, arguments.prompt, arguments.answer, model.network.config.vocab_size
        )
        shared = [float(tokens.sum()) for answers in log_probabilities(model, cases) for tokens in answers]
        separate = one_pass_each(model, cases)
        seconds = {
            "shared": fastest(lambda cases=cases: log_probabilities(model, cases), arguments.rounds),
            "pass_per_option": fastest(lambda cases=cases: one_pass_each(model, cases), arguments.rounds),
            "generate": fastest(lambda cases=cases: generate(model, cases), arguments.rounds),
        }
        rows.append(
            {
                "options": options,
                "seconds": seconds,
                "times_faster_than_pass_per_option": seconds["pass_per_option"] / seconds["shared"],
                "times_faster_than_generate": seconds["generate"] / seconds["shared"],
                "largest_difference": float(np.abs(np.subtract(shared, separate)).max()),
            }
        )
    if arguments.json:
        print(json.dumps({"cases": arguments.cases, "threads": torch.get_num_threads(), "rows": rows}))
        return
    print(f"{arguments.cases} cases, prompts of {arguments.prompt} tokens, options of {arguments.answer}; ms per case")
    for row in rows:
        milliseconds = {name: 1000 * value / arguments.cases for name, value in row["seconds"].items()}
        print(
            f"{row['options']:>3} options: shared prompt {milliseconds['shared']:.1f}, a pass per option "
            f"{milliseconds['pass_per_option']:.1f} ({row['times_faster_than_pass_per_option']:.1f} times), generate "
            f"{milliseconds['generate']:.1f} ({row['times_faster_than_generate']:.1f} times); "
            f"scores differ by at most {row['largest_difference']:.1e}"
        )


if __name__ == "__main__":
    main()
