"""What a graph that has seen the test does: a run's own scorer, built again from all purchases, the test's too.

    python benchmarks/leaky_graph.py runs/b/honest runs/b/leaky

System B's published code builds its user-item graph from train, validation and test edges. The copy of the run that is
made here does the same, and nothing else changes; it is then judged and audited like any other run. Never serve it.
"""

import argparse
import shutil
from pathlib import Path

from shoptalk.cli.progress import show_progress
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.recommend.transition_text import fit_transition_text_scorer, load_transition_text, save_transition_text
from shoptalk.runs import open_run
from shoptalk.stages.audit import audit_run
from shoptalk.stages.judge import judge
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.stages.recommender import open_recommender

BASELINES = 'evaluation.baselines=["popularity", "item_knn"]'


def leak(folder: Path) -> None:
    """Learn the run's scorer again from every purchase of the dataset, with the shares that it has."""
    run = open_run(folder)
    shop = open_run_dataset(run)
    scorer = load_transition_text(run.model)
    if scorer is None:
        raise SystemExit(f"{folder} has no scorer: train it with items.transition_text = true")
    indices = {item: index for index, item in enumerate(open_recommender(run, shop).items)}
    save_transition_text(
        fit_transition_text_scorer(InteractionMatrix.of(shop.histories(), indices), scorer.text_vectors, scorer.mixing),
        run.model,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    shutil.copytree(given.run, given.out)
    leak(given.out)
    with show_progress() as progress:
        judge(given.out, progress, settings=[BASELINES])
        audit_run(given.out, progress)


if __name__ == "__main__":
    main()
