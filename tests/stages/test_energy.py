"""Joules from simulated counters: sums, counters that restart at 0, counters that cannot be read."""

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


def zone(powercap: Path, folder: str, name: str, microjoules: int, range_size: int = 1_000_000) -> Path:
    """Create a RAPL zone, and return the file of its counter."""
    path = powercap / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text(f"{range_size}\n")
    return path / "energy_uj"


@pytest.fixture
def powercap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the machine's RAPL zones, and no GPU."""
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return tmp_path


def test_packages_and_memory_are_added_once(powercap: Path) -> None:
    counters = [
        zone(powercap, folder, name, 0)
        for folder, name in (
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "core"),  # inside the package
            ("intel-rapl:0:1", "dram"),
            ("intel-rapl:1", "package-1"),
            ("intel-rapl:2", "psys"),  # around all of them
            ("intel-rapl-mmio:0", "package-0"),  # the same package by another interface
        )
    ]
    meter = Meter()
    for counter, microjoules in zip(counters, (500_000, 400_000, 70_000, 30_000, 990_000, 500_000), strict=True):
        counter.write_text(str(microjoules))
    assert meter.read() == Energy((500_000 + 70_000 + 30_000) / 1e6, ("cpu",))


def test_a_counter_that_restarts_at_0(powercap: Path) -> None:
    counter = zone(powercap, "intel-rapl:0", "package-0", 900_000)
    meter = Meter()
    counter.write_text("100000")  # 100,000 to the end of its range, then 100,000
    assert meter.read().joules == pytest.approx(0.2)
    counter.write_text("50000")  # a second restart
    assert meter.read().joules == pytest.approx(0.2 + 0.95)


def test_counters_are_read_at_intervals(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that restarts twice between two readings would lose a range: the thread reads in between."""
    monkeypatch.setattr(energy, "INTERVAL", 0.001)
    values, all_read = [900_000, 100_000, 900_000, 100_000], threading.Event()  # .2 + .8 + .2 after the first

    def read_value() -> int:
        """The next value at each reading; at the end always the last one."""
        if len(values) == 1:
            all_read.set()
            return values[0]
        return values.pop(0)

    monkeypatch.setattr(energy, "_processors", lambda: [Counter("cpu", read_value, 1_000_000)])
    meter = Meter()
    all_read.wait()
    assert meter.read().joules == pytest.approx(1.2)


def test_joules_are_none_if_a_zone_cannot_be_read(powercap: Path) -> None:
    counter = zone(powercap, "intel-rapl:0", "package-0", 1)
    zone(powercap, "intel-rapl:1", "package-1", 1)
    counter.unlink()  # root could read a file without permissions, but not a missing one
    assert Meter().read() == Energy()


def test_joules_are_none_if_a_counter_cannot_be_read_later(powercap: Path) -> None:
    counter = zone(powercap, "intel-rapl:0", "package-0", 1)
    meter = Meter()
    counter.write_text("nonsense")
    assert meter.read() == Energy()


def test_joules_are_none_without_counters(powercap: Path) -> None:
    assert Meter().read() == Energy()


def test_training_records_joules_or_none(trained: Path) -> None:
    training = json.loads((trained / "run.json").read_text())["training"]
    assert (training["joules"] is None) == (training["joules_of"] == [])


def test_the_current_gpu_is_read_in_millijoules(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uuids: list[str] = []
    millijoules = iter([5_000, 12_500])

    def handle(uuid: str) -> str:
        uuids.append(uuid)
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
    assert uuids == ["GPU-abc-3"]


def test_joules_are_none_if_nvml_is_not_supported(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_not_supported(*arguments: Any) -> None:
        raise RuntimeError("Not Supported")

    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(nvmlInit=raise_not_supported))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert Meter().read() == Energy()
