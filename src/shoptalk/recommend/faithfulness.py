"""Whether effects of purchases are faithful: what a score loses with the purchases of the largest effects, and keeps.

J. DeYoung et al., "ERASER: A benchmark to evaluate rationalized NLP models", ACL 2020, section 4.2.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shoptalk.ranking import keep_items, removal_effects
from shoptalk.schema import Candidates, History, Recommender

Choice = Literal["effect", "latest", "random"]
#: How many purchases are removed or kept, of n.
SIZES: Mapping[str, Callable[[int], int]] = {"one": lambda n: 1, "half": lambda n: math.ceil(n / 2)}  # noqa: ARG005
CHOICES: tuple[Choice, ...] = ("effect", "latest", "random")
#: Shortest history in which a choice among purchases means anything.
LEAST_PURCHASES = 2


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """What the score of the recommended item loses, for each of N histories.

    Attributes
    ----------
    comprehensiveness
        By size and choice (N,): the score less the score without the chosen purchases; the larger, the more faithful.
    sufficiency
        By size and choice (N,): the score less the score from the chosen purchases alone; the smaller, the more
        faithful.
    """

    comprehensiveness: Mapping[tuple[str, Choice], NDArray[np.float64]]
    sufficiency: Mapping[tuple[str, Choice], NDArray[np.float64]]


def measure_faithfulness(
    recommender: Any,
    histories: Sequence[History],
    items: Sequence[str],
    options: Sequence[Candidates],
    draws: int = 10,
    seed: int = 1,
) -> Faithfulness:
    """Comprehensiveness and sufficiency of the purchases with the largest effects, of the latest, and of random ones.

    The effect of a purchase is that of its own removal, so removing the *one* purchase of largest effect costs at least
    as much as a random one by construction. Sufficiency, and the removal of half of the purchases, can fail.

    Parameters
    ----------
    recommender
        A `Recommender`; of its histories only the latest ``history_limit`` items are used, if it has a limit.
    histories, items, options
        N histories of at least two items, the recommended item of each, and the options that are scored with it.
    draws
        Random sets of purchases of each size; their mean counts.
    """
    random = np.random.default_rng(seed)
    limit = getattr(recommender, "history_limit", math.inf)
    rows = [
        _losses(recommender, _latest(history, limit), item, shown, draws, random)
        for history, item, shown in zip(histories, items, options, strict=True)
    ]
    table = np.array(rows).reshape(len(rows), len(SIZES), len(CHOICES), 2)
    keys = [(i, j, (size, choice)) for i, size in enumerate(SIZES) for j, choice in enumerate(CHOICES)]
    return Faithfulness({key: table[:, i, j, 0] for i, j, key in keys}, {key: table[:, i, j, 1] for i, j, key in keys})


def _losses(
    recommender: Recommender,
    history: History,
    item: str,
    options: Candidates,
    draws: int,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """(sizes, choices, 2) what the score loses without the chosen purchases, and with them alone."""
    _, effects = removal_effects(recommender, history, [item], options, math.inf)
    order = np.argsort(-effects[:, 0], kind="stable")
    sets = list(_chosen_sets(order, draws, random))
    everything = range(len(history.items))
    reduced = [keep_items(history, [p for p in everything if p not in chosen]) for chosen in sets]
    reduced += [keep_items(history, [p for p in everything if p in chosen]) for chosen in sets]
    column = options.items.index(item)
    scores = np.stack(recommender.score([history, *reduced], [options] * (len(reduced) + 1)))[:, column]
    losses = (scores[0] - scores[1:]).reshape(2, len(SIZES), 2 + draws)
    return np.stack([losses[..., 0], losses[..., 1], losses[..., 2:].mean(axis=-1)], axis=-1).transpose(1, 2, 0)


def _chosen_sets(order: NDArray[np.int64], draws: int, random: np.random.Generator) -> Iterator[frozenset[int]]:
    """For each size the positions by effect, the latest positions, and random ones."""
    count = len(order)
    for size_of in SIZES.values():
        size = size_of(count)
        yield frozenset(order[:size].tolist())
        yield frozenset(range(count - size, count))
        for _ in range(draws):
            yield frozenset(random.permutation(count)[:size].tolist())


def _latest(history: History, limit: float) -> History:
    """The latest items of a history."""
    return keep_items(history, range(int(max(0, len(history.items) - limit)), len(history.items)))
