"""The score of the transition-text scorer: transitions from a history to an item, and similarity of their texts."""

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
        t, (..., I): the sum of the edges from the items of a history to each item, with weights that decay with
        recency. None is allowed where ``transition_weight`` is 0.
    text_scores
        w, (..., I): the sum of the cosines between the same texts, with such weights. None is allowed where
        ``text_weight`` is 0.
    transition_weight, text_weight, cold_start_weight
        The weights of the three terms.
    sharpness
        The factor inside the logarithm; the larger, the less further edges count. None: t is used without logarithm.
    cold_start
        (I,) which items have no purchases.

    Returns
    -------
    array
        (..., I) scores, float32; a new array.
    """
    result = np.zeros(shape, dtype=np.float32)
    if transition_scores is not None and transition_weight:
        scaled = transition_scores if sharpness is None else np.log1p(np.float32(sharpness) * transition_scores)
        result += np.float32(transition_weight) * scaled
    if text_scores is not None and text_weight:
        result += np.float32(text_weight) * text_scores
    if cold_start is not None and cold_start_weight:
        result[..., cold_start] += np.float32(cold_start_weight)
    return result
