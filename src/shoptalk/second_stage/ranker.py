"""The rankers: LambdaMART by LightGBM, and linear weights learned listwise where LightGBM is not installed.

Q. Wu, C. Burges, K. Svore, J. Gao, "Adapting boosting for information retrieval measures", Information Retrieval 2010;
Z. Cao et al., "Learning to rank: from pairwise approach to listwise approach", ICML 2007.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shoptalk.constants import DEFAULT_K
from shoptalk.errors import require
from shoptalk.graph.interactions import Floats, Ints
from shoptalk.second_stage.trees import TreeEnsemble


@dataclass(frozen=True, slots=True)
class Groups:
    """Labelled candidates: P rows of features, one history after the other.

    Attributes
    ----------
    features
        (P, F).
    label
        (P,) whether the candidate is a target.
    sizes
        (B,) candidates of each history.
    """

    features: Floats
    label: NDArray[np.bool_]
    sizes: Ints

    @property
    def starts(self) -> Ints:
        """(B,) where each history begins."""
        return np.cumsum(self.sizes) - self.sizes

    def take(self, histories: NDArray[np.bool_]) -> "Groups":
        """The candidates of some of the histories (B,)."""
        rows = np.repeat(histories, self.sizes)
        return Groups(self.features[rows], self.label[rows], self.sizes[histories])

    def join(self, more: "Groups") -> "Groups":
        """These candidates and more behind them."""
        return Groups(
            np.concatenate([self.features, more.features]),
            np.concatenate([self.label, more.label]),
            np.concatenate([self.sizes, more.sizes]),
        )


class Ranker(Protocol):
    """Scores candidates by their features."""

    @property
    def features(self) -> int:
        """How many features it reads, F."""
        ...

    def predict(self, features: Floats) -> NDArray[np.float64]:
        """(P,) scores; the higher, the better the candidate is within its pool."""
        ...

    def contributions(self, features: Floats) -> NDArray[np.float64]:
        """(P, F) how much each feature adds to the score, compared with its mean over the training candidates."""
        ...


@dataclass(frozen=True, slots=True)
class TreeSettings:
    """Settings of LambdaMART; chosen on held-out validation users of Beauty (see ``docs/notes/second-stage.md``)."""

    objective: str = "lambdarank"
    trees: int = 400
    leaves: int = 31
    learning_rate: float = 0.05
    smallest_leaf: int = 50
    features: float = 0.5
    rows: float = 0.8
    l2: float = 5.0
    patience: int = 100
    truncation: int = 20


class LambdaMart:
    """Boosted trees that optimise NDCG within each pool.

    Parameters
    ----------
    model
        A LightGBM model in its text format.

    Raises
    ------
    ValueError
        When the text is no model.
    """

    name = "lambdamart"

    def __init__(self, model: str) -> None:
        self.text = model
        self._ensemble = TreeEnsemble.of_text(model)

    @property
    def features(self) -> int:
        """See `Ranker`."""
        return self._ensemble.features

    @property
    def trees(self) -> int:
        """How many trees it has."""
        return self._ensemble.trees

    def predict(self, features: Floats) -> NDArray[np.float64]:
        """(P,) scores; see `Ranker`."""
        return self._ensemble.predict(features)

    def contributions(self, features: Floats) -> NDArray[np.float64]:
        """(P, F) SHAP values of the trees; see `Ranker`."""
        return self._ensemble.contributions(features)


def fit_lambdamart(
    train: Groups, stop: Groups | None, seed: int, settings: TreeSettings = TreeSettings()
) -> LambdaMart:
    """Add trees until NDCG@10 on the held-out histories ``stop`` has not risen for ``settings.patience`` trees.

    Without ``stop``, exactly ``settings.trees`` trees are learned.

    Raises
    ------
    MissingExtra
        When LightGBM is not installed.
    """
    require("lightgbm", "rerank")
    import lightgbm

    parameters = {
        "objective": settings.objective,
        "metric": "ndcg",
        "eval_at": [DEFAULT_K],
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.smallest_leaf,
        "feature_fraction": settings.features,
        "bagging_fraction": settings.rows,
        "bagging_freq": 1,
        "lambda_l2": settings.l2,
        "lambdarank_truncation_level": settings.truncation,
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(train.features, train.label.astype(np.float32), group=train.sizes, free_raw_data=True)
    if stop is None:
        return LambdaMart(lightgbm.train(parameters, data, settings.trees).model_to_string())
    held_out = lightgbm.Dataset(stop.features, stop.label.astype(np.float32), group=stop.sizes, reference=data)
    booster = lightgbm.train(
        parameters,
        data,
        settings.trees,
        valid_sets=[held_out],
        callbacks=[lightgbm.early_stopping(settings.patience, verbose=False)],
    )
    return LambdaMart(booster.model_to_string(num_iteration=booster.best_iteration))


class LinearRanker:
    """A weighted sum of standardised features.

    Parameters
    ----------
    mean, scale
        (F,) of the training candidates' features.
    weights
        (F,).
    """

    name = "linear"

    def __init__(self, mean: Floats, scale: Floats, weights: Floats) -> None:
        self.mean, self.scale, self.weights = mean, scale, weights

    @property
    def features(self) -> int:
        """See `Ranker`."""
        return len(self.weights)

    def predict(self, features: Floats) -> NDArray[np.float64]:
        """(P,) scores, equal for equal features, which a product of matrices would not promise; see `Ranker`."""
        return self.contributions(features).sum(axis=1)

    def contributions(self, features: Floats) -> NDArray[np.float64]:
        """(P, F) weight times standardised feature; see `Ranker`."""
        return np.asarray((features - self.mean) / self.scale * self.weights, dtype=np.float64)


def fit_linear(train: Groups, l2: float = 1e-4) -> LinearRanker:
    """Minimise the mean cross-entropy of the targets under the softmax over each pool, plus ``l2 * |weights|^2``.

    Histories without a target among their candidates are left out.
    """
    from scipy.optimize import minimize

    mean = train.features.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = np.maximum(train.features.std(axis=0, dtype=np.float64), 1e-6).astype(np.float32)
    features, starts, sizes = (train.features - mean) / scale, train.starts, train.sizes
    targets = np.add.reduceat(train.label, starts, dtype=np.float64) if len(starts) else np.empty(0)
    wanted = train.label / np.repeat(np.maximum(targets, 1), sizes)  # (P,) sums to 1 over a pool with targets
    used = (targets > 0).astype(np.float64)
    count = max(1.0, used.sum())

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The listwise cross-entropy and its gradient."""
        scores = (features @ weights.astype(np.float32)).astype(np.float64)
        scores -= np.repeat(np.maximum.reduceat(scores, starts), sizes)
        exponential = np.exp(scores)
        total = np.add.reduceat(exponential, starts)
        value = (used * np.log(total)).sum() - (wanted * scores).sum()
        error = exponential * np.repeat(used / total, sizes) - wanted
        gradient = error.astype(np.float32) @ features / count + 2 * l2 * weights
        return float(value / count + l2 * weights @ weights), gradient.astype(np.float64)

    start = np.zeros(features.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return LinearRanker(mean, scale, found.x.astype(np.float32))
