"""Seconds and joules of a training that was interrupted: all its stretches count."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shoptalk.errors import RunError
from shoptalk.results import Energy
from shoptalk.stages import training_cost
from shoptalk.stages.training_cost import FILE, CostMeter, TrainingCost


class Played:
    """A meter of energy that tells the same at each look."""

    energy = Energy()

    def read(self) -> Energy:
        return self.energy


@pytest.fixture(autouse=True)
def meter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(training_cost, "Meter", Played)
    yield
    Played.energy = Energy()


def clock(*times: float) -> Callable[[], float]:
    """The times of the beginning and of each look after it."""
    return iter(times).__next__


def interrupted(folder: Path, seconds: float, *, resume: bool) -> None:
    meter = CostMeter(folder, resume=resume, clock=clock(100.0, 100.0, 100.0 + seconds))  # begin, enter, exit
    with pytest.raises(KeyboardInterrupt), meter:
        raise KeyboardInterrupt


def test_stretches_are_added(tmp_path: Path) -> None:
    Played.energy = Energy(7.0, ("cpu",))
    interrupted(tmp_path, 20.0, resume=False)
    interrupted(tmp_path, 3.0, resume=True)
    last = CostMeter(tmp_path, resume=True, clock=clock(5.0, 5.5))
    assert last.read() == TrainingCost(20.0 + 3.0 + 0.5, 3 * 7.0, ("cpu",))


def test_a_new_training_begins_at_nothing(tmp_path: Path) -> None:
    interrupted(tmp_path, 20.0, resume=False)
    assert CostMeter(tmp_path, resume=False, clock=clock(0.0, 1.0)).read() == TrainingCost(1.0)


@pytest.mark.parametrize("now", [Energy(), Energy(7.0, ("cpu", "gpu"))])
def test_joules_that_are_not_known_of_all_stretches_have_no_sum(tmp_path: Path, now: Energy) -> None:
    Played.energy = Energy(7.0, ("cpu",))
    interrupted(tmp_path, 20.0, resume=False)
    Played.energy = now
    assert CostMeter(tmp_path, resume=True, clock=clock(0.0, 1.0)).read() == TrainingCost(21.0)


def test_it_is_written_at_intervals_as_a_killed_process_writes_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_cost, "INTERVAL", 0.001)
    ticks = iter(range(10**9))
    with CostMeter(tmp_path, resume=False, clock=lambda: float(next(ticks))):
        while json.loads((tmp_path / FILE).read_text())["seconds"] < 3:  # 1 is written on entering
            pass


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "not readable as JSON"), ("[]", "not a JSON object"), ('{"seconds": "long"}', "expected a number"),
     ('{"seconds": -1}', "seconds is -1"), ('{"seconds": null}', "seconds is None")],
)  # fmt: skip
def test_damage_is_one_clear_error(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RunError, match=says):
        CostMeter(tmp_path, resume=True)
