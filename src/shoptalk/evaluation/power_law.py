"""Learning curves as power laws: the value of a metric with more training data.

A metric that grows with the number n of training users is described by

    value(n) = limit - distance * n ** -rate,    distance >= 0, 0 < rate

so that each doubling brings 2 ** -rate times the gain of the doubling before. ``rate`` is chosen from a few values, and
``limit`` and ``distance`` by least squares. A curve that falls is taken as flat (``distance = 0``): more data of the
same kind does not make a tuned method worse, so that a fall is noise.

Source: J. Hestness et al., "Deep Learning Scaling is Predictable, Empirically", arXiv 1712.00409, 2017; T. Viering,
M. Loog, "The Shape of Learning Curves: A Review", TPAMI 2022, for the form with a limit.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: The rates that are tried; with the smallest, a curve is nearly linear in log n.
RATES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
#: Fewest points of a curve that is extrapolated.
LEAST_POINTS = 3


def extrapolate(sizes: Sequence[float], values: Floats, target: float, most: float = 1.0) -> Floats:
    """Values (R,) of R curves at another size.

    Parameters
    ----------
    sizes
        The S different sizes, all positive.
    values
        (R, S) values at these sizes.
    target
        The size to extrapolate to.
    most
        The greatest possible value.

    Raises
    ------
    ValueError
        With fewer than three sizes.

    Examples
    --------
    Gains of .2 and .1 with each doubling, that is a rate of 1:

    >>> extrapolate([1, 2, 4], np.array([[0.1, 0.3, 0.4]]), 8).round(3).tolist()
    [0.45]
    """
    if len(set(sizes)) < LEAST_POINTS:
        raise ValueError(f"{len(set(sizes))} sizes; a power law needs {LEAST_POINTS}")
    n = np.asarray(sizes, dtype=np.float64) / max(sizes)
    centre = values.mean(axis=1, keepdims=True)  # (R, 1)
    least = np.full(len(values), np.inf)
    predicted = np.zeros(len(values))
    for rate in RATES:
        shape = -(n**-rate)  # (S,), growing
        steps = shape - shape.mean()
        distance = np.maximum((values - centre) @ steps / (steps @ steps), 0)  # (R,)
        errors = ((values - centre - distance[:, None] * steps) ** 2).sum(axis=1)
        at_target = centre[:, 0] + distance * (-((target / max(sizes)) ** -rate) - shape.mean())
        better = errors < least - 1e-15
        least, predicted = np.where(better, errors, least), np.where(better, at_target, predicted)
    return np.asarray(np.clip(predicted, 0.0, most))


def curve_error(sizes: Sequence[float], values: Floats) -> float | None:
    """Root mean square over C curves of the error of predicting the last value from the others.

    Parameters
    ----------
    sizes
        The S sizes, the largest last.
    values
        (C, S) values of the curves.

    Returns
    -------
    float or None
        None where too few points are left for the prediction.
    """
    if len(sizes) <= LEAST_POINTS:
        return None
    predicted = extrapolate(sizes[:-1], values[:, :-1], sizes[-1])
    return float(np.sqrt(np.mean((predicted - values[:, -1]) ** 2)))
