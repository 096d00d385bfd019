"""What a ranking metric is: a function over all users, its label, and which direction is better."""

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name

import numpy as np

from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.id_map import Bools, Ints

#: Hits (N, k), numbers of relevant items (N,) and k to one value per user (N,), NaN for users without truth.
MetricFunction = Callable[[Bools, Ints, int], Floats]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of ranked lists at k.

    Attributes
    ----------
    label
        Its name in tables and figures, as in ``NDCG``; the k follows.
    function
        A `MetricFunction`, or where it stands: ``package.module:function``. Its arguments are

        - ``hits`` (N, k): whether a relevant item stands at this rank, for the first time in its list;
        - ``relevant`` (N,): how many different items are relevant to the user;
        - ``k``: the length at which lists are judged; shorter lists have no hits behind their end.
    larger_is_better
        False for an error or a rank.
    tested
        Whether the model is compared with every baseline by it, and segments are; the p values are corrected for the
        number of baselines.
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
            When the function gives anything but one value per user.
        """
        function: MetricFunction = resolve_name(self.function) if isinstance(self.function, str) else self.function
        values = np.asarray(function(hits, relevant, k), dtype=np.float64)
        if values.shape != (len(relevant),):
            raise ValueError(f"{self.label} gives an array of shape {values.shape} for {len(relevant)} users")
        return values


def without_targets_nan(values: Floats, relevant: Ints) -> Floats:
    """(N,) the values, NaN for users to whom nothing is relevant: they have no metric, not a metric of zero."""
    return np.where(relevant > 0, values, np.nan)
