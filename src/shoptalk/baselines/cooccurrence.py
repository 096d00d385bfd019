"""Co-occurrence: options that other users bought together with the items of the history."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.baselines._pairs import Floats, best_variant, pair_up
from shoptalk.progress import Notify, quiet
from shoptalk.ranking import OptionRecommender
from shoptalk.schema import Candidates, Catalogue, History, Split


@dataclass(frozen=True, slots=True)
class Normalisation:
    """The formula from the number of common users to a similarity.

    For item i of the history and option j it is

        (together_ij + prior * share_j) / (users_i ** source_exponent * users_j ** option)

    where share_j is the option's share of all purchases, which orders options that nobody bought together with item i.
    ``source_exponent = option = 0.5`` is the cosine, ``source_exponent = 1, option = 0`` the conditional probability.
    """

    source_exponent: float
    option: float
    prior: float


NORMALISATIONS = tuple(
    Normalisation(source_exponent, option, prior)
    for source_exponent, option, prior in product((0.5, 0.0, 1.0), (0.5, 0.0, 1.0), (0.0, 1.0))
)


class Cooccurrence(OptionRecommender):
    """Scores an option by the log of its summed similarity to the items of the history.

    Similarities come from the users who bought both items (M. Deshpande, G. Karypis, "Item-based top-N recommendation
    algorithms", TOIS 2004), see `Normalisation`. The logarithm changes no order.

    Parameters
    ----------
    train
        Histories of the training users.
    catalogue
        All items; an item that is not in it counts as never bought.
    """

    name = "cooccurrence"

    def __init__(
        self, train: Sequence[History], catalogue: Catalogue, normalisation: Normalisation = NORMALISATIONS[0]
    ) -> None:
        self.normalisation, self.catalogue = normalisation, catalogue
        self._item_index = {item_id: index for index, item_id in enumerate(catalogue)}
        count = len(self._item_index) + 1  # the last index stands for all unknown items
        user_items = [
            sorted({self._item_index[item] for item in history.items if item in self._item_index}) for history in train
        ]
        rows = np.repeat(np.arange(len(user_items)), [len(items) for items in user_items])
        columns = np.array([index for items in user_items for index in items], dtype=np.int64)
        ones = np.ones(len(columns), dtype=np.float32)
        bought = sparse.csr_array((ones, (rows, columns)), shape=(len(user_items), count))  # (users, items)
        together = sparse.csr_array(bought.T @ bought)  # (items, items)
        self._users = np.maximum(together.diagonal().astype(np.float64), 1)
        self._share = together.diagonal().astype(np.float64) / max(1, len(columns))
        together.sort_indices()
        self._together = together

    def with_normalisation(self, normalisation: Normalisation) -> Self:
        """A recommender of the same counts with another normalisation."""
        variant = copy(self)
        variant.normalisation = normalisation
        return variant

    def score(
        self,
        histories: Sequence[History],
        candidates: Sequence[Candidates],
        notify: Notify = quiet,  # noqa: ARG002
    ) -> list[NDArray[np.float64]]:
        """B arrays of scores; at least log(1e-12), the score of options that were never bought together."""
        scores: list[Floats] = []
        norm = self.normalisation
        unknown = len(self._item_index)
        for pairs in pair_up(histories, candidates, self._item_index):
            options = [self._item_index.get(item, unknown) for case in candidates[pairs.cases] for item in case.items]
            option = np.array(options, dtype=np.int64)[pairs.slot]  # (P,)
            # An item is not counted as bought together with itself.
            together = np.where(
                option == pairs.seen_items, 0, np.asarray(self._together[pairs.seen_items, option]).ravel()
            )
            smoothed = together + norm.prior * self._share[option]
            similarity = smoothed / (
                self._users[pairs.seen_items] ** norm.source_exponent * self._users[option] ** norm.option
            )
            scores += pairs.split_by_case(np.log(pairs.pool(similarity) + 1e-12))
        return scores


def learn(split: Split, catalogue: Catalogue, seed: int) -> Cooccurrence:  # noqa: ARG001
    """Choose the normalisation on validation cases, then count the purchases of the final fit."""
    model = Cooccurrence(split.train, catalogue)
    best = best_variant(NORMALISATIONS, lambda norm: model.with_normalisation(norm).score, split.validation)
    return Cooccurrence(split.for_final_fit().train, catalogue, best)
