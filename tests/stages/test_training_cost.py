"""Seconds and joules of a training that was interrupted: the sum over all its sessions."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shoptalk.errors import RunError
from shoptalk.results import Energy
from shoptalk.stages import training_cost
from shoptalk.stages.training_cost import FILE, CostMeter, TrainingCost


class FixedMeter:
    """An energy meter with a fixed value."""

    energy = Energy()

    def read(self) -> Energy:
        """The fixed value."""
        return self.energy


@pytest.fixture(autouse=True)
def meter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replace the energy meter; its value is 0 again after the test."""
    monkeypatch.setattr(training_cost, "Meter", FixedMeter)
    yield
    FixedMeter.energy = Energy()


def clock(*times: float) -> Callable[[], float]:
    """A clock that returns these times: at the start of the meter, then at each reading."""
    return iter(times).__next__


def interrupt(folder: Path, seconds: float, *, resume: bool) -> None:
    """A session that is interrupted after some seconds."""
    meter = CostMeter(folder, resume=resume, clock=clock(100.0, 100.0, 100.0 + seconds))  # begin, enter, exit
    with pytest.raises(KeyboardInterrupt), meter:
        raise KeyboardInterrupt


def test_sessions_are_added(tmp_path: Path) -> None:
    FixedMeter.energy = Energy(7.0, ("cpu",))
    interrupt(tmp_path, 20.0, resume=False)
    interrupt(tmp_path, 3.0, resume=True)
    last = CostMeter(tmp_path, resume=True, clock=clock(5.0, 5.5))
    assert last.read() == TrainingCost(20.0 + 3.0 + 0.5, 3 * 7.0, ("cpu",))


def test_a_new_training_starts_at_zero(tmp_path: Path) -> None:
    interrupt(tmp_path, 20.0, resume=False)
    assert CostMeter(tmp_path, resume=False, clock=clock(0.0, 1.0)).read() == TrainingCost(1.0)


@pytest.mark.parametrize("energy", [Energy(), Energy(7.0, ("cpu", "gpu"))])
def test_joules_are_none_unless_all_sessions_measure_the_same_parts(tmp_path: Path, energy: Energy) -> None:
    FixedMeter.energy = Energy(7.0, ("cpu",))
    interrupt(tmp_path, 20.0, resume=False)
    FixedMeter.energy = energy
    assert CostMeter(tmp_path, resume=True, clock=clock(0.0, 1.0)).read() == TrainingCost(21.0)


def test_the_cost_is_written_at_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_cost, "INTERVAL", 0.001)
    ticks = iter(range(10**9))
    with CostMeter(tmp_path, resume=False, clock=lambda: float(next(ticks))):
        while json.loads((tmp_path / FILE).read_text())["seconds"] < 3:  # 1 is written on entering
            pass


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not readable as JSON"),
        ("[]", "not a JSON object"),
        ('{"seconds": "long"}', "expected a number"),
        ('{"seconds": -1}', "seconds is -1"),
        ('{"seconds": null}', "seconds is None"),
    ],
)
def test_a_damaged_file_is_a_clear_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RunError, match=message):
        CostMeter(tmp_path, resume=True)
