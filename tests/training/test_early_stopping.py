"""Patience counts epochs in which neither the ranking nor the loss of the validation cases gets better."""

import pytest

from shoptalk.training.early_stopping import epochs_without_progress
from shoptalk.training.phases import ValidationResult


@pytest.mark.parametrize(
    ("losses", "ndcg", "expected"),
    [
        ([], None, 0),
        ([5.0, 4.9, 4.95, 4.92], None, 2),  # the loss of the second is the lowest
        ([5.0, 4.999, 4.998], None, 0),  # however little it falls
        ([8.0, 8.0, 8.0], [0.05, 0.06, 0.06], 1),  # an equal NDCG is not better
        ([10.3, 7.9, 7.7, 7.5], [0.055, 0.048, 0.046, 0.053], 0),  # NDCG was best at first, the loss falls
        ([10.3, 7.9, 7.85, 7.84], [0.055, 0.048, 0.046, 0.053], 2),  # by less than a hundredth of 7.9
        ([10.0, 9.95, 9.89, 9.85], [0.2, 0.1, 0.1, 0.1], 1),  # by a hundredth of 10 in two epochs
    ],
)
def test_epochs_without_progress(losses: list[float], ndcg: list[float] | None, expected: int) -> None:
    values = ndcg or [None] * len(losses)
    epochs = [ValidationResult(loss, value) for loss, value in zip(losses, values, strict=True)]
    assert epochs_without_progress(epochs) == expected
