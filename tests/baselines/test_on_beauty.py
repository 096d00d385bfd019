"""System A's exam on real purchases, against the figures measured outside shoptalk (see docs/results.md)."""

import os
from pathlib import Path

import pytest

from shoptalk.baselines import make_baseline
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.evaluation.options import option_metrics
from shoptalk.recipe import read_recipe
from shoptalk.schema import Estimate

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SHOPTALK_DATA") or ROOT.parent / "shared" / "data")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (DATA / "amazon-beauty").is_dir(), reason="data/amazon-beauty is not here"),
]


@pytest.fixture(scope="module", params=["beauty-options", "beauty-options-as-published"])
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPTALK_DATA", str(DATA))
        out = tmp_path_factory.mktemp("beauty") / request.param
        prepare(read_recipe(ROOT / "recipes" / f"{request.param}.toml"), out)
    return open_dataset(out)


def accuracy(name: str, dataset: Dataset) -> Estimate:
    """Accuracy of a baseline on the test cases."""
    split = dataset.split("last")
    baseline = make_baseline(name, split, dataset.catalogue, 1)
    test = [case for case in split.test if case.candidates is not None and case.answer is not None]
    scores = baseline.score([case.history for case in test], [case.candidates for case in test if case.candidates])
    metrics = option_metrics(scores, [case.answer or 0 for case in test], [case.history.user_id for case in test])
    assert 4400 < metrics["accuracy"].n == len(test) <= 4467  # as measured; titles without a known word may drop a few
    return metrics["accuracy"]


def test_simple_baselines(dataset: Dataset) -> None:
    assert accuracy("popularity", dataset).value == pytest.approx(0.494, abs=0.025)
    assert accuracy("tfidf", dataset).value == pytest.approx(0.532, abs=0.025)
    assert accuracy("cooccurrence", dataset).low > 0.468


def test_the_probe_detects_asymmetric_cleaning(dataset: Dataset) -> None:
    estimate = accuracy("options_only", dataset)
    if dataset.recipe.data.cleaning == "asymmetric":
        assert estimate.low > 0.97
    else:
        assert estimate.high < 0.55
