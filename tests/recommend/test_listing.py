"""Lists of items, generated token by token."""

import math

import numpy as np
import pytest
import torch

from shoptalk.models.create import create
from shoptalk.prompts.encode import encode
from shoptalk.prompts.questions import ending
from shoptalk.recipe import Lora, Model, Prompt
from shoptalk.recommend.listing import ListRecommender
from shoptalk.schema import EvalExample, History, item_token
from shoptalk.tasks import get_task
from shoptalk.training.batching import make_batch
from shoptalk.training.examples import encode_cases
from shoptalk.training.phases import answer_loss
from tests.words import CATALOGUE, TITLES, history, only, prompt_builder

ITEMS = list(CATALOGUE)


def recommender(*, constrained: bool = True, **settings: object) -> ListRecommender:
    prompt = Prompt.model_validate({"task": "generate_ids", "history": 1, **settings})
    recipe = Model(width=32, layers=2, vocabulary=320, precision="fp32")
    model = create(recipe, Lora(), TITLES, 1, 512, get_task("generate_ids").vocabulary(prompt, CATALOGUE))
    model.network.eval()
    return ListRecommender(model, prompt_builder(prompt, CATALOGUE, model.tokenizer.control), constrained=constrained)


#: Most steps; a few hundred are enough on most processors.
STEPS = 1500


def learn(lists: ListRecommender, cases: list[EvalExample]) -> None:
    """Fit the model to the lists of some cases; the learning rate falls, so that rounding does not decide the end."""
    batch = make_batch(encode_cases(cases, lists.builder, lists.model.tokenizer), np.arange(len(cases)))
    optimiser = torch.optim.AdamW(lists.model.network.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, total_iters=STEPS)
    for _ in range(STEPS):
        loss, terms = answer_loss(lists.model, batch)
        (loss / terms).backward()
        torch.nn.utils.clip_grad_norm_(lists.model.network.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        if loss.item() / terms < 0.005:  # one wrong of thirty tokens would be more
            return
    raise AssertionError(f"a loss of {loss.item() / terms:.4f} after {STEPS} steps")


CASES = [
    EvalExample(history("R0"), tuple(ITEMS[6:16])),
    EvalExample(history("C1"), ("R5", "R3", "R4", "R2", "M5", "C0")),
]


@pytest.mark.parametrize(("style", "padding"), [("plain", "repeat"), ("phi3", "token"), ("plain", "none")])
def test_learned_lists_are_generated_with_and_without_constraints(style: str, padding: str) -> None:
    constrained = recommender(style=style, padding=padding)
    learn(constrained, CASES)
    free = ListRecommender(constrained.model, constrained.builder, constrained=False)
    histories = [case.history for case in CASES]
    first, second = free.rank(histories)
    assert first.items == CASES[0].targets
    assert second.items == CASES[1].targets
    assert free.invalid_share.tolist() == [0.0, 0.0]
    assert free.repeat_share.tolist() == [0.0, 4 / 10 if padding == "repeat" else 0.0]
    for ranked, case in zip(constrained.rank(histories), CASES, strict=True):
        assert ranked.items[: len(case.targets)] == case.targets
        assert len(set(ranked.items)) == 10


def test_scores_are_log_probabilities_of_the_text_so_far() -> None:
    lists = recommender(style="alpaca")
    (ranked,) = lists.rank([history("R0")], 3)
    tokens = lists.model.tokenizer
    prompt = encode("alpaca", lists.builder.ask(history("R0")), tokens).ids
    generated_ids = tokens.encode(" ".join(map(item_token, ranked.items)))
    with torch.inference_mode():
        logits = lists.model.network(torch.tensor([prompt + generated_ids])).logits[0].log_softmax(-1)
    gains = [float(logits[len(prompt) - 1 + index, token]) for index, token in enumerate(generated_ids)]
    ends = [index for index, token in enumerate(generated_ids) if token in lists._index_of]
    assert ranked.scores == pytest.approx([sum(gains[: end + 1]) for end in ends], abs=1e-4)


def test_constrained_lists_have_distinct_allowed_items_outside_the_history() -> None:
    lists = recommender()
    histories = [history("R0", "R1"), history(*ITEMS[:15]), history(*ITEMS)]
    long_list, short_list, empty_list = lists.rank(histories, 30)
    assert len(set(long_list.items)) == len(long_list.items) == len(ITEMS) - 2  # all allowed items
    assert not {"R0", "R1"} & set(long_list.items)
    assert set(short_list.items) == set(ITEMS[15:])
    assert empty_list.items == ()
    assert math.isnan(lists.invalid_share[2])
    assert set(lists.rank(histories[:1], allowed=only(["R0", "M1", "M2"]))[0].items) == {"M1", "M2"}
    assert set(lists.rank(histories[:1], allowed=only(["R0", "M1"]), exclude_history=False)[0].items) == {"R0", "M1"}
    assert lists.rank(histories[:1], 0)[0].items == ()


def test_items_after_the_tenth_are_in_order_of_their_probability_as_the_tenth() -> None:
    lists = recommender()
    histories = [history("R0"), history("M1", "C2")]
    for ten, more in zip(lists.rank(histories, 10), lists.rank(histories, 14), strict=True):
        assert len(more.items) == 14
        assert more.items[:10] == ten.items
        assert more.scores[:10] == pytest.approx(ten.scores, abs=1e-5)
        assert list(more.scores[9:]) == sorted(more.scores[9:], reverse=True)
    tokens, ranked = lists.model.tokenizer, lists.rank(histories[:1], 12)[0]
    prompt = encode("alpaca", lists.builder.ask(histories[0]), tokens).ids
    generated_ids = tokens.encode(
        " ".join(map(item_token, [*ranked.items[:9], ranked.items[11]]))
    )  # the twelfth as the tenth
    with torch.inference_mode():
        logits = lists.model.network(torch.tensor([prompt + generated_ids])).logits[0].log_softmax(-1)
    score = sum(float(logits[len(prompt) - 1 + index, token]) for index, token in enumerate(generated_ids))
    assert ranked.scores[11] == pytest.approx(score, abs=1e-4)


def test_lists_do_not_depend_on_the_batch() -> None:
    lists = recommender(history=5)
    histories = [history("R0"), history("C1", "M2", "R3"), history("M5", "M4")]
    for free in (False, True):
        lists.constrained = not free
        together = lists.rank(histories)
        for alone, ranked in zip(histories, together, strict=True):
            assert lists.rank([alone])[0].items == ranked.items


def test_wrong_entries_of_free_lists_are_counted() -> None:
    lists = recommender(constrained=False, padding="token")
    tokens = lists.model.tokenizer
    end = ending(lists.builder, tokens)
    text = f"{item_token('R0')} {item_token('R0')} strange words {item_token('none')} {item_token('M1')}"
    ids = [*tokens.encode(text), *end, *tokens.encode(item_token("M2"))]
    generated_ids = lists._parse(ids, [-float(index) for index in range(len(ids))])
    assert generated_ids.items == ("R0", "M1")
    assert generated_ids.scores == (0.0, -float(ids.index(lists._tokens[ITEMS.index("M1")].item())))
    words = generated_ids.entries - 3  # the entries of "strange words": between separators, as the tokenizer cuts them
    assert words >= 1
    assert (generated_ids.invalid, generated_ids.repeats) == (words, 1)


def test_rates_of_an_untrained_model_are_in_range() -> None:
    lists = recommender(constrained=False)
    (ranked,) = lists.rank([history("R0")])
    assert len(set(ranked.items)) == len(ranked.items) <= 10
    rates = np.array([lists.invalid_share[0], lists.repeat_share[0]])
    assert ((rates >= 0) & (rates <= 1)).all() or np.isnan(rates).all()


def test_a_long_history_is_cut_and_counted() -> None:
    lists = recommender(history=50, max_tokens=400)
    lists.rank([History("u", tuple(ITEMS) * 3), history("R0")], 2)
    assert lists.cut == 1
