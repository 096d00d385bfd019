"""A leaky graph: the transition-text scorer of a run, fitted again to all purchases, including those of the test.

    python benchmarks/leaky_graph.py runs/b/honest runs/b/leaky

The published code of system B builds its user-item graph from training, validation and test edges. This benchmark does
the same in a copy of the run, without any other change, and then evaluates and audits the copy. Never serve it.
"""

import argparse
import shutil
from pathlib import Path

from shoptalk.experiment import evaluate
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.progress_bars import progress_bars
from shoptalk.recommend.transition_text import fit_transition_text_scorer, load_transition_text, save_transition_text
from shoptalk.runs import open_run
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.stages.trained_run import open_trained_run

BASELINES = 'evaluation.baselines=["popularity", "item_knn"]'


def refit_scorer(folder: Path) -> None:
    """Fit the scorer of a run again to all purchases of the dataset, with the same mixing weights."""
    run = open_run(folder)
    dataset = open_run_dataset(run)
    scorer = load_transition_text(run.model)
    if scorer is None:
        raise SystemExit(f"{folder} has no scorer: train it with items.transition_text = true")
    indices = {item: index for index, item in enumerate(open_trained_run(run, dataset).recommender.items)}
    purchases = InteractionMatrix.of(dataset.histories(), indices)
    save_transition_text(fit_transition_text_scorer(purchases, scorer.text_vectors, scorer.mixing), run.model)


def main() -> None:
    """Copy the run, refit its scorer, then evaluate and audit the copy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    shutil.copytree(arguments.run, arguments.out)
    refit_scorer(arguments.out)
    with progress_bars() as progress:
        evaluate(arguments.out, progress, settings=[BASELINES])


if __name__ == "__main__":
    main()
