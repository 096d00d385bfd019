import numpy as np
import pytest

from shoptalk.second_stage.trees import TreeEnsemble

#: feature 0 <= 1: (feature 1 <= 0.5: leaf 0, else leaf 2), else leaf 1.
TREE = """tree
version=v4
max_feature_idx=1
objective=lambdarank

Tree=0
num_leaves=3
split_feature=0 1
threshold=1 0.5
decision_type=2 2
left_child=1 -1
right_child=-2 -3
leaf_value=10 20 30
leaf_count=6 2 2
internal_count=10 8
is_linear=0


Tree=1
num_leaves=1
leaf_value=0.25


end of trees
"""


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ((0, 0), 10 + 0.25),
        ((1, 0.5), 10 + 0.25),  # a threshold belongs to its "true" side
        ((1, 0.6), 30 + 0.25),
        ((1.1, 0), 20 + 0.25),
        ((1.1, 9), 20 + 0.25),
    ],
)
def test_a_tree_by_hand(features: tuple[float, float], expected: float) -> None:
    ensemble = TreeEnsemble.of_text(TREE)
    assert ensemble.predict(np.array([features], np.float32)).tolist() == [expected]


def test_contributions_by_hand() -> None:
    """Without a feature, a condition is answered by the shares of the training candidates."""
    ensemble = TreeEnsemble.of_text(TREE)
    expected = {  # of the tree for the candidate (0, 0), if only these features are known
        (): 0.6 * 10 + 0.2 * 30 + 0.2 * 20,
        (0,): 6 / 8 * 10 + 2 / 8 * 30,
        (1,): 0.8 * 10 + 0.2 * 20,
        (0, 1): 10.0,
    }
    first = (expected[0,] - expected[()] + expected[0, 1] - expected[1,]) / 2
    second = (expected[1,] - expected[()] + expected[0, 1] - expected[0,]) / 2
    assert ensemble.contributions(np.zeros((1, 2), np.float32))[0] == pytest.approx([first, second])


def test_the_same_as_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    monkeypatch.setattr("shoptalk.second_stage.trees.BLOCK", 2_000)  # several blocks
    random = np.random.default_rng(1)
    features = random.normal(size=(3000, 5)).astype(np.float32)
    features[:, 4] = random.integers(0, 3, 3000)
    label = features[:, 0] * features[:, 1] + features[:, 4] + random.normal(size=3000)
    parameters = {"num_leaves": 64, "min_data_in_leaf": 3, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(features, label), 40)
    ensemble = TreeEnsemble.of_text(booster.model_to_string())
    assert ensemble.trees == 40
    assert ensemble.predict(features) == pytest.approx(booster.predict(features), abs=1e-12)
    assert ensemble.predict(features[:0]).shape == (0,)
    shap = booster.predict(features[:50], pred_contrib=True)[:, :-1]
    assert ensemble.contributions(features[:50]) == pytest.approx(shap, abs=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tree\nversion", "version", "not a model"),
        ("max_feature_idx=1", "max_feature_idx=0", "feature 1 of 1"),
        ("left_child=1 -1", "left_child=0 -1", "no tree"),  # a circle
        ("left_child=1 -1", "left_child=7 -1", "does not have"),
        ("left_child=1 -1", "left_child=1 -9", "does not have"),
        ("left_child=1 -1", "left_child=-1 -1", "no tree"),  # a condition that nothing leads to
        ("threshold=1 0.5", "threshold=1", "different lengths"),
        ("threshold=1 0.5", "threshold=1 nan", "finite"),
        ("leaf_value=10 20 30", "leaf_value=10 x 30", "could not convert"),
        ("decision_type=2 2", "decision_type=2 1", "not numerical"),
        ("is_linear=0", "is_linear=1", "linear"),
        ("leaf_count=6 2 2", "leaf_count=6 2", "different lengths"),
        ("leaf_count=6 2 2", "leaf_count=6 0 2", "not positive"),
        ("split_feature=0 1", "split_feature=0 -1", "feature -1"),
    ],
)
def test_damaged_files(old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TreeEnsemble.of_text(TREE.replace(old, new, 1))


def test_a_file_without_trees() -> None:
    with pytest.raises(ValueError, match="without trees"):
        TreeEnsemble.of_text(TREE.split("\nTree=", maxsplit=1)[0])


def test_trees_with_too_many_leaves() -> None:
    count = 70
    chain = (
        TREE.split("\nTree=", maxsplit=1)[0]
        + "\nTree=0\n"
        + "\n".join(
            [
                "split_feature=" + " ".join(["0"] * count),
                "threshold=" + " ".join(str(count - n) for n in range(count)),
                "left_child=" + " ".join([*(str(n + 1) for n in range(count - 1)), "-1"]),
                "right_child=" + " ".join(str(-2 - n) for n in range(count)),
                "leaf_value=" + " ".join(["1"] * (count + 1)),
                "leaf_count=" + " ".join(["1"] * (count + 1)),
                "internal_count=" + " ".join(["2"] * count),
            ]
        )
    )
    with pytest.raises(ValueError, match="71 leaves; at most 64"):
        TreeEnsemble.of_text(chain + "\n\n\n")
