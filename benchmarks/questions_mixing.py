"""Mixing of `questions.py`: scores of options from several sources, with weights fitted on validation cases.

The weights are those of a conditional logit: the probability of an option is the softmax of the weighted sum of its
scores, and the log-likelihood of the right options of the validation cases, less a ridge penalty, is largest. Each
source is first divided by its standard deviation within the options of a question. (D. McFadden, "Conditional logit
analysis of qualitative choice behavior", 1974.)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from shoptalk.graph.interactions import InteractionMatrix, item_index_of
from shoptalk.models.encoders import fit_lsa
from shoptalk.recommend.transition_text import MixingWeights, fit_transition_text_scorer
from shoptalk.schema import Catalogue, EvalExample, Split

Floats = NDArray[np.float64]
#: Of the squared weights of the standardised scores, per validation case.
RIDGE = 0.01


def option_parts(split: Split, catalogue: Catalogue) -> dict[str, Any]:
    """The two parts of the transition-text scorer for the options of validation and test cases, of training purchases.

    The transitions as ``log(1 + sharpness * e)``, and the cosines of the texts, with the default settings of both.
    """
    item_index = item_index_of(catalogue)
    titles = [item.title for item in catalogue.values()]
    features = fit_lsa(titles, 2, seed=1).features(titles)
    mixing = MixingWeights()
    scorer = fit_transition_text_scorer(InteractionMatrix.of(split.train, item_index), features, mixing)

    def parts(cases: Sequence[EvalExample]) -> dict[str, list[list[float]]]:
        purchases = InteractionMatrix.of([case.history for case in cases], item_index)
        tables = {
            "transitions": np.log1p(mixing.sharpness * scorer.transition_scores(purchases)),
            "texts": scorer.text_scores(purchases),
        }
        columns = [[item_index[item] for item in case.candidates.items] for case in cases if case.candidates]
        return {
            name: [table[row, options].tolist() for row, options in enumerate(columns)]
            for name, table in tables.items()
        }

    return {"parts": parts(split.test), "validation_parts": parts(split.validation)}


def standardised(sources: Sequence[Floats], scales: Sequence[float]) -> Floats:
    """(N, C, F) scores of N questions, C options and F sources, each source centred in a question and scaled."""
    stacked = np.stack([source - source.mean(axis=1, keepdims=True) for source in sources], axis=-1)
    return np.asarray(stacked / np.asarray(scales))


def mixed(validation: Sequence[Floats], answers: Sequence[int], test: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Scores (N, C) of the test questions from all sources, and the weights (F,) that validation chose."""
    scales = [max(float((source - source.mean(axis=1, keepdims=True)).std()), 1e-9) for source in validation]
    table, right = standardised(validation, scales), np.asarray(answers)

    def loss(weights: Floats) -> float:
        chosen = log_softmax(table @ weights, axis=1)[np.arange(len(right)), right]
        return float(-chosen.mean() + RIDGE * (weights**2).sum())

    weights = minimize(loss, np.ones(len(scales)), method="BFGS").x
    return standardised(test, scales) @ weights, weights
