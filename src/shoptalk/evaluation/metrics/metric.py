"""The definition of a ranking metric: a function over all users, its label and its direction."""

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name

import numpy as np

from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.id_map import Bools, Ints

#: From hits (N, k), numbers of relevant items (N,) and k to one value per user (N,), NaN for users without truth.
MetricFunction = Callable[[Bools, Ints, int], Floats]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of ranked lists at k.

    Attributes
    ----------
    label
        Its name in tables and figures, such as ``NDCG``, without the k.
    function
        A `MetricFunction`, or its import path ``package.module:function``. Its arguments are

        - ``hits`` (N, k): whether a relevant item has this rank, at its first occurrence in the list;
        - ``relevant`` (N,): number of different items relevant to the user;
        - ``k``: the evaluated length; shorter lists have no hits behind their end.
    larger_is_better
        False for an error or a rank.
    tested
        Whether the model is compared with every baseline by it, also in segments; p values are corrected for the number
        of baselines.
    compared
        Whether ``shoptalk compare`` compares runs by it, and the report has a column for it.
    """

    label: str
    function: MetricFunction | str
    larger_is_better: bool = True
    tested: bool = False
    compared: bool = False

    def __call__(self, hits: Bools, relevant: Ints, k: int) -> Floats:
        """One value per user, (N,).

        Raises
        ------
        ValueError
            If the function does not return one value per user.
        """
        function: MetricFunction = resolve_name(self.function) if isinstance(self.function, str) else self.function
        values = np.asarray(function(hits, relevant, k), dtype=np.float64)
        if values.shape != (len(relevant),):
            raise ValueError(f"{self.label} gives an array of shape {values.shape} for {len(relevant)} users")
        return values


def without_targets_nan(values: Floats, relevant: Ints) -> Floats:
    """(N,) the values with NaN for users without relevant items: their metric is undefined, not 0."""
    return np.where(relevant > 0, values, np.nan)
