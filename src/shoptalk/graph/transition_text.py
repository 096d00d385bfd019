"""The score of transitions and texts: how far a history leads to an item, and how close their texts are."""

import numpy as np
from numpy.typing import NDArray

from shoptalk.graph.interactions import Floats


def transition_text_scores(
    shape: tuple[int, ...],
    transition_scores: Floats | None,
    text_scores: Floats | None,
    *,
    transition_weight: float,
    text_weight: float,
    sharpness: float | None = None,
    cold_start_weight: float = 0.0,
    cold_start: NDArray[np.bool_] | None = None,
) -> Floats:
    """``transition_weight * log(1 + sharpness * t) + text_weight * w``, and ``cold_start_weight`` for cold-start items.

    Parameters
    ----------
    shape
        (..., I), of the result.
    transition_scores
        t, (..., I): the edges from the items of each history to each of I items, summed with weights that decay with
        the purchases' recency. None where ``transition_weight`` is 0.
    text_scores
        w, (..., I): the cosines between the texts of the same items, summed alike. None where ``text_weight`` is 0.
    sharpness
        How soon further edges count less; without it the sum of the edges counts as it is.
    cold_start
        (I,) which items have no purchase. They get ``cold_start_weight`` on top, as no learned score speaks for them.

    Returns
    -------
    array
        (..., I), float32, new.
    """
    result = np.zeros(shape, dtype=np.float32)
    if transition_scores is not None and transition_weight:
        saturated = transition_scores if sharpness is None else np.log1p(np.float32(sharpness) * transition_scores)
        result += np.float32(transition_weight) * saturated
    if text_scores is not None and text_weight:
        result += np.float32(text_weight) * text_scores
    if cold_start is not None and cold_start_weight:
        result[..., cold_start] += np.float32(cold_start_weight)
    return result
