"""Similarity of titles, by hand."""

import math

import numpy as np
import pytest

from shoptalk.evaluation.errors.similarity import TitleSimilarity
from shoptalk.evaluation.id_map import PAD_ID
from tests.evaluation.errors.answer_sets import pairs

TITLES = ["rose soap", "rose balm", "mint oil", "mint comb"]
# idf = 1 + ln((1 + 4 titles) / (1 + titles with the word)): "rose" is in two titles, "soap" and "balm" in one each.
ROSE, SOAP = 1 + math.log(5 / 3), 1 + math.log(5 / 2)
COSINE = ROSE**2 / (ROSE**2 + SOAP**2)


def test_the_mean_over_the_history() -> None:
    similarity = TitleSimilarity(TITLES, pairs([[0], [0, 2], [0, 1], []]))
    assert similarity.of(np.array([1, 1, 1, 1])) == pytest.approx([COSINE, COSINE / 2, (COSINE + 1) / 2, 0])
    assert similarity.of(np.array([PAD_ID, 3, 2, 0])) == pytest.approx([0, COSINE / 2, 0, 0])


def test_titles_without_words_have_similarity_0() -> None:
    assert TitleSimilarity(["-", "!"], pairs([[0]])).of(np.array([0])).tolist() == [0]
