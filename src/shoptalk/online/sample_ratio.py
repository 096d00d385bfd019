"""The check of the sample ratio: whether the arms have the shares of users that their weights promise.

If they have not, users were lost, counted twice or assigned by something else than chance, and a comparison of the arms
means nothing. The check may be looked at any time: for counts x of n users and expected shares θ it uses

    O_n = Γ(A) / Γ(A + n) ∏ Γ(a_i + x_i) / Γ(a_i) / ∏ θ_i^{x_i},     a = A θ

a martingale with mean 1 if the shares are right, and the p value 1 / max(O_1, ..., O_n), which is at most α at any time
with probability at most α. Where weights change, the martingale goes on with the new shares.

Source: M. Lindon, A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

#: A mismatch is reported below this p value.
ALPHA = 0.01
#: The weight A of the expected shares, in users: about how large a mismatch the check is tuned to.
_CONCENTRATION = 100.0


@dataclass(frozen=True, slots=True)
class Period:
    """Users who came while some weights were in force.

    Attributes
    ----------
    shares
        The expected share of each arm, with the sum 1.
    arms
        The arm of each user, in the order in which they came.
    """

    shares: Mapping[str, float]
    arms: Sequence[str]


def sample_ratio(periods: Sequence[Period]) -> float:
    """The p value of the check, in (0, 1]; 0 if a user is in an arm that has no share."""
    highest, level = 0.0, 0.0
    for period in periods:
        if any(not period.shares.get(arm, 0.0) > 0 for arm in set(period.arms)):
            return 0.0
        path = _path(period)
        if path.size:
            highest = max(highest, level + float(path.max()))
            level += float(path[-1])
    return float(np.exp(-highest))


def _path(period: Period) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The logarithm of O after each user."""
    names = [arm for arm, share in period.shares.items() if share > 0]
    shares = np.array([period.shares[arm] for arm in names])
    places = {arm: place for place, arm in enumerate(names)}
    index = np.array([places[arm] for arm in period.arms], dtype=np.int64)
    counts = np.cumsum(index[:, None] == np.arange(len(names)), axis=0)  # (N, arms)
    prior = _CONCENTRATION * shares
    users = np.arange(1, len(index) + 1)
    mixture = gammaln(_CONCENTRATION) - gammaln(_CONCENTRATION + users)
    mixture = mixture + (gammaln(prior + counts) - gammaln(prior)).sum(axis=1)
    return np.asarray(mixture - counts @ np.log(shares))
