"""The loss over a whole catalogue: the fused and the sampled form against plain cross-entropy."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from shoptalk.models.items import ItemTable
from shoptalk.training import cross_entropy as fused
from shoptalk.training.catalogue_loss import full_loss, sampled_loss


def random_inputs(n: int = 37, items: int = 23, width: int = 8) -> tuple[torch.Tensor, ItemTable, torch.Tensor]:
    """Hidden states (n, width), a table of items and targets (n,)."""
    torch.manual_seed(0)
    hidden = torch.randn(n, width, requires_grad=True)
    table = ItemTable(torch.randn(items, width, requires_grad=True), torch.randn(items, requires_grad=True))
    return hidden, table, torch.randint(0, items, (n,))


def gradients(loss: torch.Tensor, hidden: torch.Tensor, table: ItemTable) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, [hidden, table.vectors, table.biases]))


@pytest.mark.parametrize(
    "block", [1, 23 * 5, 10**6]
)  # blocks of one row, of five rows with a smaller last block, of all rows
def test_loss_and_gradients_are_those_of_cross_entropy(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "BLOCK", block)
    hidden, table, targets = random_inputs()
    fused_loss = full_loss(hidden, table, targets, torch.float32)
    plain_loss = cross_entropy(hidden @ table.vectors.T + table.biases, targets, reduction="sum")
    assert torch.allclose(fused_loss, plain_loss, rtol=1e-5)
    expected_gradients = gradients(3 * plain_loss, hidden, table)
    for gradient, expected in zip(gradients(3 * fused_loss, hidden, table), expected_gradients, strict=True):
        assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_very_unlikely_targets_have_a_finite_loss() -> None:
    hidden, table, targets = random_inputs()
    hidden = hidden * 1_000
    plain = cross_entropy(hidden @ table.vectors.T + table.biases, targets, reduction="none")
    assert plain.max() > 1_000  # a softmax in fp32 is 0 from 104 nats on
    assert torch.allclose(full_loss(hidden, table, targets, torch.float32), plain.sum(), rtol=1e-5)


def test_without_targets_loss_and_gradients_are_zero() -> None:
    hidden, table, targets = random_inputs()
    loss = full_loss(hidden[:0], table, targets[:0], torch.float32)
    assert loss == 0
    assert not any(gradient.any() for gradient in gradients(loss, hidden, table))


def test_without_gradients_only_the_loss_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, table, targets = random_inputs()
    expected, products = full_loss(hidden, table, targets, torch.float32), 0
    multiply = torch.mm

    def counted(*arguments: torch.Tensor, **keywords: torch.Tensor) -> torch.Tensor:
        nonlocal products
        products += 1
        return multiply(*arguments, **keywords)

    monkeypatch.setattr(torch, "mm", counted)
    with torch.no_grad():
        assert full_loss(hidden, table, targets, torch.float32) == expected
    assert products == 1  # the scores; their gradients would take two more


def test_a_frozen_table_gets_no_gradient_and_does_not_change_that_of_the_states() -> None:
    hidden, table, targets = random_inputs()
    expected = gradients(full_loss(hidden, table, targets, torch.float32), hidden, table)[0]
    frozen = ItemTable(table.vectors.detach(), table.biases.detach())
    gradient = torch.autograd.grad(full_loss(hidden, frozen, targets, torch.float32), [hidden])[0]
    assert torch.equal(gradient, expected)


def test_a_few_excluded_items_are_masked() -> None:
    hidden, table, targets = random_inputs()
    competing = torch.arange(22)
    targets = targets.clamp(max=21)
    loss = full_loss(hidden, table, targets, torch.float32, competing)
    logits = (hidden @ table.vectors.T + table.biases)[:, :22]
    assert torch.allclose(loss, cross_entropy(logits, targets, reduction="sum"), rtol=1e-5)
    _, by_table, by_biases = gradients(loss, hidden, table)
    assert not by_table[22].any()
    assert by_biases[22] == 0


def test_in_bf16_it_is_nearly_the_same() -> None:
    hidden, table, targets = random_inputs()
    fp32, bf16 = (float(full_loss(hidden, table, targets, dtype).detach()) for dtype in (torch.float32, torch.bfloat16))
    assert bf16 == pytest.approx(fp32, rel=0.02)


def test_excluded_items_get_no_gradient() -> None:
    hidden, table, _ = random_inputs()
    competing, targets = torch.tensor([1, 4, 9, 16]), torch.tensor([4, 16, 1] * 12 + [9])
    loss = full_loss(hidden, table, targets, torch.float32, competing)
    logits = (hidden @ table.vectors.T + table.biases)[:, competing]
    assert torch.allclose(loss, cross_entropy(logits, torch.tensor([1, 3, 0] * 12 + [2]), reduction="sum"), rtol=1e-5)
    by_biases = gradients(loss, hidden, table)[2]
    assert by_biases[0] == 0
    assert by_biases[4] != 0


def test_the_sampled_loss_of_all_items_is_the_full_loss() -> None:
    hidden, table, targets = random_inputs()
    loss = sampled_loss(hidden, table, targets, torch.arange(23), 1.0)
    assert torch.allclose(loss, full_loss(hidden, table, targets, torch.float32), rtol=1e-5)


def test_the_correction_makes_the_expectation_of_the_denominator_right() -> None:
    hidden, table, targets = random_inputs(n=1, items=200)
    hidden, table = hidden.detach() / 3, ItemTable(table.vectors.detach(), table.biases.detach())
    logits = (hidden @ table.vectors.T + table.biases)[0]
    target_logit = logits[targets[0]]
    denominators = []
    for _ in range(4000):
        drawn = torch.randperm(200)[:40]
        loss = sampled_loss(hidden, table, targets, drawn, 40 / 200)
        denominators.append((loss + target_logit).exp())
    assert float(torch.stack(denominators).mean()) == pytest.approx(float(logits.exp().sum()), rel=0.05)


def test_in_fp16_small_gradients_do_not_underflow_before_they_are_scaled() -> None:
    hidden = torch.tensor([[3.0, 1.0]], dtype=torch.float16, requires_grad=True)
    vectors, scale = torch.tensor([[0.0, 0.0], [0.0, 0.0], [-6.0, 0.0]], requires_grad=True), 2.0**16
    table = ItemTable(vectors, torch.zeros(3, requires_grad=True))
    computed = gradients(scale * full_loss(hidden, table, torch.tensor([0]), torch.float16), hidden, table)
    # scores 0, 0, -18: the softmax is 1/2, 1/2 and p = e^-18 / 2 = 7.6e-9, below all numbers of fp16 (6e-8)
    p = math.exp(-18) / 2
    expected = [[[-6 * p, 0]], [[-3 / 2, -1 / 2], [3 / 2, 1 / 2], [3 * p, p]], [-1 / 2, 1 / 2, p]]
    assert [gradient.dtype for gradient in computed] == [torch.float16, torch.float32, torch.float32]
    for gradient, values in zip(computed, expected, strict=True):
        expected_gradient = scale * torch.tensor(values, dtype=torch.float64)
        assert torch.allclose(gradient.double(), expected_gradient, rtol=0.002, atol=0)
