"""Assignment of users to the arms of an experiment: by a salted hash, without any stored state.

Every arm draws an exponential time with its weight as rate from a hash of salt, experiment, arm and user, and the
earliest one wins (weighted rendezvous hashing). An arm wins with its share of the weights, a user always has the same
arm, and a change of one arm's weight moves users only into that arm or out of it.

Sources: D. Thaler, C. Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM Transactions on
Networking 6(1), 1998; with weights: C. Schindelhauer, G. Schomaker, "Weighted distributed hash tables", SPAA 2005.
"""

import hmac
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from shoptalk.errors import UsageError

#: A hash gives this many bits of a uniform number; a double holds no more.
_BITS = 53


@dataclass(frozen=True, slots=True)
class Assignment:
    """The arm of a user, and whether it was set by hand (such answers are left out of every analysis)."""

    arm: str
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Experiment:
    """Arms with weights.

    Attributes
    ----------
    name
        The experiment. Experiments with different names or salts assign independently of each other.
    weights
        The weight of each arm, of any sum; the first arm is the control. An arm of weight 0 gets nobody.
    salt
        A text that nobody outside should know, so that nobody can choose an arm by choosing a user id.
    """

    name: str
    weights: Mapping[str, float]
    salt: str

    def __post_init__(self) -> None:
        """Refuse weights that are no distribution.

        Raises
        ------
        UsageError
            If there is no arm, or if a weight is negative or not finite, or if all are 0.
        """
        if not self.weights:
            raise UsageError(f"experiment {self.name!r} has no arm")
        for arm, weight in self.weights.items():
            if not math.isfinite(weight) or weight < 0:
                raise UsageError(f"the weight {weight} of arm {arm!r} is not a number of at least 0")
        if sum(self.weights.values()) <= 0:
            raise UsageError(f"the weights of experiment {self.name!r} are all 0")

    @property
    def shares(self) -> dict[str, float]:
        """The probability of each arm."""
        total = sum(self.weights.values())
        return {arm: weight / total for arm, weight in self.weights.items()}

    def assign(self, user_id: str, override: str | None = None) -> Assignment:
        """The arm of a user, or the arm ``override`` for a test.

        Raises
        ------
        UsageError
            If there is no arm of the name ``override``.
        """
        if override is not None:
            if override not in self.weights:
                raise UsageError(f"no arm {override!r}", hint=f"one of {', '.join(self.weights)}")
            return Assignment(override, forced=True)
        times = {arm: self._time(arm, user_id) / weight for arm, weight in self.weights.items() if weight > 0}
        return Assignment(min(times, key=times.__getitem__))

    def _time(self, arm: str, user_id: str) -> float:
        """A standard exponential number from the hash of arm and user."""
        message = json.dumps([self.name, arm, user_id]).encode()  # a list, so that no two pairs give one text
        digest = hmac.digest(self.salt.encode("utf-8", "surrogatepass"), message, "sha256")
        whole = int.from_bytes(digest[:8], "big") >> (64 - _BITS)
        return -math.log((whole + 0.5) / 2**_BITS)
