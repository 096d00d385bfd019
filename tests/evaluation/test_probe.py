import numpy as np
import pytest

from shoptalk.evaluation.probe import FORMAT, Ngrams, format_features, log_odds


def test_format_by_hand() -> None:
    # 5 characters of 200, 2 words of 40, 1 capital, 1 digit, 1 punctuation mark, 0 beyond ASCII; begins with a capital.
    assert format_features(["Ab 1&"])[0] == pytest.approx([5 / 200, 2 / 40, 1 / 5, 1 / 5, 1 / 5, 0, 1, 0, 0])
    assert format_features(["é  &amp;"])[0][-4:] == pytest.approx([1 / 8, 0, 1, 1])
    assert format_features([""])[0] == pytest.approx([0] * 9)


def test_every_format_feature_is_about_something() -> None:
    assert format_features(["a"]).shape == (1, len(FORMAT))


def test_odds_follow_the_counts() -> None:
    # "aa" was right 30 times of 40, "bb" 10 of 40: their log-odds are log 3 and -log 3, but for a weak penalty.
    texts = ["aa", "bb"]
    features = Ngrams(texts).of(texts)
    model = log_odds(features, np.array([30.0, 10.0]), np.array([10.0, 30.0]))
    assert model.decision_function(features) == pytest.approx([np.log(3), -np.log(3)], abs=0.2)
