"""When a phase of training ends early."""

import math
from collections.abc import Iterable

from shoptalk.training.phases import ValidationResult

#: The loss is lower than before where it has fallen by this share of it.
SHARE = 0.01


def epochs_without_progress(epochs: Iterable[ValidationResult]) -> int:
    """Number of epochs of a phase since the last one with progress.

    An epoch has progress where its cost (-NDCG, or the loss where there is no NDCG) is the lowest so far, or where its
    loss is a hundredth below that of the last epoch of which this was true. The second rule is for few validation
    cases: their NDCG stands still, or falls at first, while the model learns what its loss shows.

    Examples
    --------
    >>> epochs_without_progress([ValidationResult(9.0, 0.05), ValidationResult(8.0, 0.04)])
    0
    >>> epochs_without_progress([ValidationResult(8.0, 0.05), ValidationResult(7.99, 0.04)])
    1
    """
    lowest_cost, lower_loss, since = math.inf, math.inf, 0
    for epoch in epochs:
        falls = epoch.loss < lower_loss * (1 - SHARE)
        since = 0 if falls or epoch.cost < lowest_cost else since + 1
        lowest_cost = min(lowest_cost, epoch.cost)
        lower_loss = epoch.loss if falls else lower_loss
    return since
