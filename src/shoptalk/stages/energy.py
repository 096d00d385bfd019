"""What a stage costs in joules, where the machine tells: its processors and memory by RAPL, its GPU by NVML.

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
#: Seconds between two readings: RAPL begins again at 0 after some 262 kJ, which is 15 minutes at 300 W.
EVERY = 60.0


class Meter:
    """Measures from when it is made until it is let go, whatever else the machine does at that time included."""

    def __init__(self) -> None:
        self._counters = _processors() + _gpu()
        if self._counters:
            gone = threading.Event()
            weakref.finalize(self, gone.set)  # training may end by an error: the watch ends with it
            threading.Thread(target=_watch, args=(self._counters, gone), daemon=True).start()

    def read(self) -> Energy:
        """The energy until now."""
        for counter in self._counters:
            counter.advance()
        known = [counter for counter in self._counters if counter.known]
        joules = sum(counter.total for counter in known) / 1e6
        return Energy(joules if known else None, tuple(sorted({counter.part for counter in known})))


class Counter:
    """A counter of microjoules that begins again at 0 after ``wraps``."""

    def __init__(self, part: str, look: Callable[[], int], wraps: int) -> None:
        self.part, self.total, self.known = part, 0, True
        self._look, self._wraps, self._last = look, wraps, look()
        self._lock = threading.Lock()

    def advance(self) -> None:
        """Add what was used since the last look; a counter that cannot be read any more is not known."""
        with self._lock:
            try:
                now = self._look()
            except Exception:  # NVML has errors of its own
                self.known = False
                return
            self.total += now - self._last if now >= self._last else now + self._wraps - self._last
            self._last = now


def _watch(counters: Sequence[Counter], gone: threading.Event) -> None:
    while not gone.wait(EVERY):
        for counter in counters:
            counter.advance()


def _processors() -> list[Counter]:
    """Every package and its memory; what lies inside a package (core, uncore) or around it (psys) is not added again.

    All or nothing: without one of them the sum would be too small. Most systems let only root read them.
    """
    try:
        return [
            _zone(zone)
            for zone in sorted(POWERCAP.glob("intel-rapl:*"))  # AMD's too; intel-rapl-mmio tells the same once more
            if (zone / "name").read_text().strip().startswith(("package", "dram"))
        ]
    except (OSError, ValueError):
        return []


def _zone(zone: Path) -> Counter:
    energy = zone / "energy_uj"
    return Counter("cpu", lambda: int(energy.read_text()), int((zone / "max_energy_range_uj").read_text()))


def _gpu() -> list[Counter]:
    """The GPU that training runs on."""
    if not torch.cuda.is_available():
        return []
    with suppress(Exception):  # a driver too old, a part of a GPU (MIG), a GPU without a counter
        import pynvml

        pynvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(torch.cuda.current_device()).uuid
        device = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        return [Counter("gpu", lambda: 1000 * int(pynvml.nvmlDeviceGetTotalEnergyConsumption(device)), 0)]
    return []
