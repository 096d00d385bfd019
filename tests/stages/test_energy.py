"""Joules from counters that are played: what is added up, what begins again at 0, what cannot be read."""

import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shoptalk.results import Energy
from shoptalk.stages import energy
from shoptalk.stages.energy import Counter, Meter


def zone(powercap: Path, folder: str, name: str, microjoules: int, wraps: int = 1_000_000) -> Path:
    path = powercap / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text(f"{wraps}\n")
    return path / "energy_uj"


@pytest.fixture
def powercap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return tmp_path


def test_packages_and_memory_are_added_and_nothing_twice(powercap: Path) -> None:
    counters = [
        zone(powercap, folder, name, 0)
        for folder, name in (
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "core"),  # inside the package
            ("intel-rapl:0:1", "dram"),
            ("intel-rapl:1", "package-1"),
            ("intel-rapl:2", "psys"),  # around all of them
            ("intel-rapl-mmio:0", "package-0"),  # the same package told another way
        )
    ]
    meter = Meter()
    for counter, microjoules in zip(counters, (500_000, 400_000, 70_000, 30_000, 990_000, 500_000), strict=True):
        counter.write_text(str(microjoules))
    assert meter.read() == Energy((500_000 + 70_000 + 30_000) / 1e6, ("cpu",))


def test_a_counter_that_begins_again(powercap: Path) -> None:
    counter = zone(powercap, "intel-rapl:0", "package-0", 900_000)
    meter = Meter()
    counter.write_text("100000")  # 100,000 to the end of its range, 100,000 more
    assert meter.read().joules == pytest.approx(0.2)
    counter.write_text("50000")  # and around once more
    assert meter.read().joules == pytest.approx(0.2 + 0.95)


def test_it_is_read_now_and_then_until_the_meter_goes(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two times around between two looks would be missed: the watch looks in between."""
    monkeypatch.setattr(energy, "EVERY", 0.001)
    values, seen = [900_000, 100_000, 900_000, 100_000], threading.Event()  # .2 + .8 + .2 beyond the first

    def look() -> int:
        """The next value at each look, whenever that is; then the last one for good."""
        if len(values) == 1:
            seen.set()
            return values[0]
        return values.pop(0)

    monkeypatch.setattr(energy, "_processors", lambda: [Counter("cpu", look, 1_000_000)])
    meter = Meter()
    seen.wait()
    assert meter.read().joules == pytest.approx(1.2)


def test_what_only_root_may_read_is_not_known(powercap: Path) -> None:
    counter = zone(powercap, "intel-rapl:0", "package-0", 1)
    zone(powercap, "intel-rapl:1", "package-1", 1)
    counter.unlink()  # as unreadable for root as for all
    assert Meter().read() == Energy()


def test_a_counter_that_goes_meanwhile_is_not_known(powercap: Path) -> None:
    counter = zone(powercap, "intel-rapl:0", "package-0", 1)
    meter = Meter()
    counter.write_text("nonsense")
    assert meter.read() == Energy()


def test_a_machine_that_does_not_tell(powercap: Path) -> None:
    assert Meter().read() == Energy()


def test_training_notes_its_joules_whether_they_are_known_or_not(trained: Path) -> None:
    training = json.loads((trained / "run.json").read_text())["training"]
    assert (training["joules"] is None) == (training["joules_of"] == [])


def test_the_gpu_that_is_used_is_asked_in_millijoules(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    millijoules = iter([5_000, 12_500])

    def handle(uuid: str) -> str:
        asked.append(uuid)
        return "handle"

    nvml = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=handle,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(millijoules),
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 3)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: SimpleNamespace(uuid=f"abc-{device}"))
    assert Meter().read() == Energy(7.5, ("gpu",))
    assert asked == ["GPU-abc-3"]


def test_a_gpu_without_a_counter_is_not_known(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any) -> None:
        raise RuntimeError("Not Supported")

    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(nvmlInit=fails))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert Meter().read() == Energy()
