"""The loss over a whole catalogue: what the fused and the sampled form must equal."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from shoptalk.models.items import ItemTable
from shoptalk.training import cross_entropy as fused
from shoptalk.training.catalogue_loss import full_loss, sampled_loss


def made(n: int = 37, items: int = 23, width: int = 8) -> tuple[torch.Tensor, ItemTable, torch.Tensor]:
    torch.manual_seed(0)
    hidden = torch.randn(n, width, requires_grad=True)
    table = ItemTable(torch.randn(items, width, requires_grad=True), torch.randn(items, requires_grad=True))
    return hidden, table, torch.randint(0, items, (n,))


def gradients(loss: torch.Tensor, hidden: torch.Tensor, table: ItemTable) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, [hidden, table.vectors, table.biases]))


@pytest.mark.parametrize("block", [1, 23 * 5, 10**6])  # rows one by one, in fives with a rest, all at once
def test_loss_and_gradients_are_those_of_cross_entropy(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "BLOCK", block)
    hidden, table, targets = made()
    ours = full_loss(hidden, table, targets, torch.float32)
    plain = cross_entropy(hidden @ table.vectors.T + table.biases, targets, reduction="sum")
    assert torch.allclose(ours, plain, rtol=1e-5)
    for one, other in zip(gradients(3 * ours, hidden, table), gradients(3 * plain, hidden, table), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)


def test_an_answer_that_nearly_cannot_be_costs_what_it_costs() -> None:
    hidden, table, targets = made()
    hidden = hidden * 1_000
    plain = cross_entropy(hidden @ table.vectors.T + table.biases, targets, reduction="none")
    assert plain.max() > 1_000  # a softmax in fp32 is 0 from 104 nats on
    assert torch.allclose(full_loss(hidden, table, targets, torch.float32), plain.sum(), rtol=1e-5)


def test_where_nothing_is_asked_nothing_is_lost() -> None:
    hidden, table, targets = made()
    loss = full_loss(hidden[:0], table, targets[:0], torch.float32)
    assert loss == 0
    assert not any(one.any() for one in gradients(loss, hidden, table))


def test_without_gradients_no_more_is_computed_than_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, table, targets = made()
    expected, products = full_loss(hidden, table, targets, torch.float32), 0
    multiply = torch.mm

    def counted(*given: torch.Tensor, **named: torch.Tensor) -> torch.Tensor:
        nonlocal products
        products += 1
        return multiply(*given, **named)

    monkeypatch.setattr(torch, "mm", counted)
    with torch.no_grad():
        assert full_loss(hidden, table, targets, torch.float32) == expected
    assert products == 1  # the scores; their slopes would take two more


def test_a_frozen_table_gets_no_gradient_and_changes_no_other() -> None:
    hidden, table, targets = made()
    whole = gradients(full_loss(hidden, table, targets, torch.float32), hidden, table)[0]
    frozen = ItemTable(table.vectors.detach(), table.biases.detach())
    alone = torch.autograd.grad(full_loss(hidden, frozen, targets, torch.float32), [hidden])[0]
    assert torch.equal(whole, alone)


def test_items_that_do_not_compete_are_as_silent_when_they_are_few() -> None:
    hidden, table, targets = made()
    among = torch.arange(22)
    targets = targets.clamp(max=21)
    loss = full_loss(hidden, table, targets, torch.float32, among)
    logits = (hidden @ table.vectors.T + table.biases)[:, :22]
    assert torch.allclose(loss, cross_entropy(logits, targets, reduction="sum"), rtol=1e-5)
    _, by_table, by_biases = gradients(loss, hidden, table)
    assert not by_table[22].any()
    assert by_biases[22] == 0


def test_in_bf16_it_is_nearly_the_same() -> None:
    hidden, table, targets = made()
    exact, rounded = (float(full_loss(hidden, table, targets, d).detach()) for d in (torch.float32, torch.bfloat16))
    assert rounded == pytest.approx(exact, rel=0.02)


def test_items_that_do_not_compete_get_no_gradient() -> None:
    hidden, table, _ = made()
    among, targets = torch.tensor([1, 4, 9, 16]), torch.tensor([4, 16, 1] * 12 + [9])
    loss = full_loss(hidden, table, targets, torch.float32, among)
    logits = (hidden @ table.vectors.T + table.biases)[:, among]
    assert torch.allclose(loss, cross_entropy(logits, torch.tensor([1, 3, 0] * 12 + [2]), reduction="sum"), rtol=1e-5)
    by_biases = gradients(loss, hidden, table)[2]
    assert by_biases[0] == 0
    assert by_biases[4] != 0


def test_drawing_all_items_is_the_full_loss() -> None:
    hidden, table, targets = made()
    everything = torch.arange(23)
    ours = sampled_loss(hidden, table, targets, everything, 1.0)
    assert torch.allclose(ours, full_loss(hidden, table, targets, torch.float32), rtol=1e-5)


def test_the_correction_makes_the_sum_below_the_fraction_right_on_average() -> None:
    hidden, table, targets = made(n=1, items=200)
    hidden, table = hidden.detach() / 3, ItemTable(table.vectors.detach(), table.biases.detach())
    logits = (hidden @ table.vectors.T + table.biases)[0]
    own = logits[targets[0]]
    sums = []
    for _ in range(4000):
        drawn = torch.randperm(200)[:40]
        loss = sampled_loss(hidden, table, targets, drawn, 40 / 200)
        sums.append((loss + own).exp())  # the sum below the fraction
    assert float(torch.stack(sums).mean()) == pytest.approx(float(logits.exp().sum()), rel=0.05)


def test_in_fp16_slopes_that_a_scaler_lifts_do_not_vanish_before() -> None:
    hidden = torch.tensor([[3.0, 1.0]], dtype=torch.float16, requires_grad=True)
    vectors, scale = torch.tensor([[0.0, 0.0], [0.0, 0.0], [-6.0, 0.0]], requires_grad=True), 2.0**16
    table = ItemTable(vectors, torch.zeros(3, requires_grad=True))
    ours = gradients(scale * full_loss(hidden, table, torch.tensor([0]), torch.float16), hidden, table)
    # scores 0, 0, -18: the softmax is 1/2, 1/2 and p = e^-18 / 2 = 7.6e-9, below all numbers of fp16 (6e-8)
    p = math.exp(-18) / 2
    expected = [[[-6 * p, 0]], [[-3 / 2, -1 / 2], [3 / 2, 1 / 2], [3 * p, p]], [-1 / 2, 1 / 2, p]]
    assert [gradient.dtype for gradient in ours] == [torch.float16, torch.float32, torch.float32]
    for one, other in zip(ours, expected, strict=True):
        assert torch.allclose(one.double(), scale * torch.tensor(other, dtype=torch.float64), rtol=0.002, atol=0)
