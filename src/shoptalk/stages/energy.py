"""Energy of a stage in joules, where it can be measured: processors and memory by RAPL, the GPU by NVML.

Sources: "Power Capping Framework", The Linux Kernel documentation (``energy_uj`` and ``max_energy_range_uj``); "NVML
API Reference", NVIDIA (``nvmlDeviceGetTotalEnergyConsumption``, Volta and later).
"""

import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch

from shoptalk.results import Energy

POWERCAP = Path("/sys/class/powercap")
#: Seconds between two readings. A RAPL counter restarts at 0 after about 262 kJ, which is 15 minutes at 300 W.
INTERVAL = 60.0


class Meter:
    """Measures energy since its creation. Everything that the machine does in this time is included."""

    def __init__(self) -> None:
        self._counters = _processors() + _gpu()
        if self._counters:
            stop = threading.Event()
            weakref.finalize(self, stop.set)  # ends the thread even if training fails
            threading.Thread(target=_read_at_intervals, args=(self._counters, stop), daemon=True).start()

    def read(self) -> Energy:
        """The energy used so far; the joules are None if no counter can be read."""
        for counter in self._counters:
            counter.advance()
        readable = [counter for counter in self._counters if counter.readable]
        joules = sum(counter.total for counter in readable) / 1e6
        return Energy(joules if readable else None, tuple(sorted({counter.part for counter in readable})))


class Counter:
    """A counter of microjoules that restarts at 0.

    Parameters
    ----------
    part
        What it measures: ``cpu`` or ``gpu``.
    read_value
        Reads the counter, in microjoules.
    range_size
        The value, in microjoules, at which the counter restarts at 0.

    Attributes
    ----------
    total
        Microjoules used between the creation of the counter and the last reading.
    readable
        False once a reading has failed.
    """

    def __init__(self, part: str, read_value: Callable[[], int], range_size: int) -> None:
        self.part, self.total, self.readable = part, 0, True
        self._read_value, self._range_size, self._last = read_value, range_size, read_value()
        self._lock = threading.Lock()

    def advance(self) -> None:
        """Read the counter and add what was used since the last reading."""
        with self._lock:
            try:
                value = self._read_value()
            except Exception:  # NVML has errors of its own
                self.readable = False
                return
            self.total += value - self._last if value >= self._last else value + self._range_size - self._last
            self._last = value


def _read_at_intervals(counters: Sequence[Counter], stop: threading.Event) -> None:
    """Read the counters every `INTERVAL` seconds, so that no restart is missed, until ``stop`` is set."""
    while not stop.wait(INTERVAL):
        for counter in counters:
            counter.advance()


def _processors() -> list[Counter]:
    """Counters of all processor packages and their memory.

    Zones inside a package (core, uncore) or around it (psys) are left out, as they would be counted twice. The list is
    empty if one of the counters cannot be read, because the sum would be too small; most systems let only root read
    them.
    """
    try:
        return [
            _zone_counter(zone)
            for zone in sorted(POWERCAP.glob("intel-rapl:*"))  # AMD too; intel-rapl-mmio repeats the same counters
            if (zone / "name").read_text().strip().startswith(("package", "dram"))
        ]
    except (OSError, ValueError):
        return []


def _zone_counter(zone: Path) -> Counter:
    """The counter of one RAPL zone."""
    energy = zone / "energy_uj"
    return Counter("cpu", lambda: int(energy.read_text()), int((zone / "max_energy_range_uj").read_text()))


def _gpu() -> list[Counter]:
    """The counter of the current GPU; an empty list if it has none."""
    if not torch.cuda.is_available():
        return []
    with suppress(Exception):  # an old driver, a part of a GPU (MIG), or a GPU without a counter
        import pynvml

        pynvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(torch.cuda.current_device()).uuid
        device = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        return [Counter("gpu", lambda: 1000 * int(pynvml.nvmlDeviceGetTotalEnergyConsumption(device)), 0)]
    return []
