"""TensorBoard: what was logged is read back through the library itself."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from shoptalk.recipe import parse_recipe
from shoptalk.runs import read_log
from shoptalk.training.log import Log
from shoptalk.training.trackers import make_trackers

RECIPE = parse_recipe(
    {"data": {"source": "table", "interactions": "x.csv"}, "prompt": {"task": "generate_title"}}
)  # TensorBoard is the default


def scalars(run: Path, name: str) -> list[tuple[int, float]]:
    """Steps and values of a scalar in the event files of a run."""
    board = EventAccumulator(str(run / "tensorboard"))
    board.Reload()
    return [(event.step, event.value) for event in board.Scalars(name)]


def test_numbers_are_read_back(tmp_path: Path) -> None:
    with Log(tmp_path, 0, make_trackers(RECIPE)) as log:
        log.event("step", 5, loss=3.0)
        log.event("epoch", 10, validation=2.0, phase="answers")
    assert scalars(tmp_path, "step/loss") == [(5, 3.0)]
    assert scalars(tmp_path, "epoch/validation") == [(10, 2.0)]


def test_events_after_the_checkpoint_are_logged_once(tmp_path: Path) -> None:
    Log(tmp_path, 0, make_trackers(RECIPE)).event("step", 5, loss=3.0)
    with Log(tmp_path, 5, make_trackers(RECIPE)) as log:
        log.event("step", 10, loss=2.0)
    with Log(tmp_path, 5, make_trackers(RECIPE)) as log:  # the checkpoint was that of step 5
        log.event("step", 10, loss=2.0)
    assert scalars(tmp_path, "step/loss") == [(5, 3.0), (10, 2.0)]
    assert [event["step"] for event in read_log(tmp_path)] == [5, 10]
