"""Throughput and latency of `shoptalk serve`, with and without batching, and its overhead over the bare model call.

    python benchmarks/serve.py --run runs/beauty-items --json

Without ``--run`` a small generated shop is trained first. The load generator is a process of its own; each of its
clients asks for ten products for a user of the dataset over a connection that stays open, and asks again when it has
the answer. The services (batches of up to 32, with one worker and with two, and of 1) and the bare calls are measured
in turns, so that other load on the machine affects all alike. The bare calls, in this process: the model's `score_all`
for 32 histories, and the engine's `recommend` for 32 users, which adds the live histories, filters, rules and choosing
the best.

The overhead at saturation is the time of an answer of the service, with the most clients, divided by the time of a
history in the bare call, minus 1. On a machine whose cores are all in use, generator and service share them: so the
same ratio is printed for the processor time of the service alone.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from processor import processor
from serving.generator import measure
from serving.process import Service
from serving.small_run import make_small_run
from shoptalk.online.database import open_database
from shoptalk.online.items import changes_since
from shoptalk.serve.arms import load_arm
from shoptalk.serve.engine import Engine
from shoptalk.serve.query import Query
from shoptalk.serve.settings import ArmSettings, Settings
from shoptalk.serve.state import make_state

K, BATCH = 10, 32
#: Settings that are compared, by their name in the table.
MODES = {
    "batches of 32": ["--batch-size", str(BATCH)],
    "batches of 32, 2 workers": ["--batch-size", str(BATCH), "--workers", "2"],
    "no batching": ["--batch-size", "1"],
}
#: Most users that ask.
USERS = 2_000


@dataclass
class Load:
    """What was measured of one service with one number of clients, over all turns."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    server: float = 0.0
    generator: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Rates, percentiles in milliseconds, and milliseconds of processor time per answer."""
        answers = len(self.latencies)
        p50, p95, p99 = (np.percentile(self.latencies, [50, 95, 99]) * 1000).tolist()
        return {
            "answers": answers,
            "per_second": answers / self.seconds,
            "p50": p50,
            "p95": p95,
            "p99": p99,
            "server_processor": self.server / answers * 1000,
            "generator_processor": self.generator / answers * 1000,
            "statuses": dict(self.statuses),
        }


@dataclass
class Bare:
    """What was measured of a call for `BATCH` histories, over all turns."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def repeat(self, call: Callable[[int], object], seconds: float) -> None:
        """Call it for some seconds."""
        end = time.perf_counter() + seconds
        while (begin := time.perf_counter()) < end:
            before = time.process_time()
            call(len(self.seconds))
            self.processor.append(time.process_time() - before)
            self.seconds.append(time.perf_counter() - begin)

    def figures(self) -> dict[str, float]:
        """Milliseconds per history: mean wall time, and mean processor time."""
        return {
            "calls": len(self.seconds),
            "wall": statistics.fmean(self.seconds) / BATCH * 1000,
            "processor": statistics.fmean(self.processor) / BATCH * 1000,
        }


def bare_calls(run: Path, database: Path, users: Sequence[str]) -> dict[str, Callable[[int], object]]:
    """The calls without HTTP, of which each takes the number of the call and handles `BATCH` users."""
    settings = Settings((ArmSettings(str(run)),), database=str(database))
    arm = load_arm(settings.arms[0], None)
    opened = open_database(database)
    engine = Engine(make_state([arm], (), changes_since(opened), {}), opened, settings.history_kinds)
    histories = [arm.dataset.history(user) for user in users]

    def chosen(number: int) -> list[int]:
        return [(number * BATCH + index) % len(users) for index in range(BATCH)]

    def model(number: int) -> object:
        return arm.recommender.score_all([histories[index] for index in chosen(number)])

    def whole(number: int) -> object:
        answers = engine.recommend([Query("", 0, users[index], k=K) for index in chosen(number)])
        assert not any(isinstance(answer, Exception) for answer in answers)
        return answers

    return {"model": model, "engine": whole}


def benchmark(run: Path, folder: Path, clients: Sequence[int], seconds: float, turns: int) -> dict[str, Any]:
    """All measurements.

    Parameters
    ----------
    folder
        For databases and logs.
    clients
        Numbers of clients.
    seconds
        Seconds of each measurement in each turn, after a fifth of that without measuring.
    """
    from shoptalk.runs import open_run
    from shoptalk.stages.load_dataset import open_run_dataset

    dataset = open_run_dataset(open_run(run))
    found = np.unique(np.asarray(dataset.rows.users, dtype=object))
    users = np.random.default_rng(1).permutation(found)[:USERS].tolist()
    bodies = [{"user": user, "k": K} for user in users]
    loads = {(mode, number): Load() for mode in MODES for number in clients}
    bare = {name: Bare() for name in ("model", "engine")}
    with ExitStack() as stack:
        services = {
            mode: stack.enter_context(Service([run], folder / f"{index}.db", folder / f"{index}.log", options))
            for index, (mode, options) in enumerate(MODES.items())
        }
        calls = bare_calls(run, folder / "bare.db", users)
        for call in calls.values():
            call(0)
        for _ in range(turns):
            for (mode, number), load in loads.items():
                _measure(services[mode], bodies, number, seconds, load)
            for name, call in calls.items():
                bare[name].repeat(call, seconds)
        batch_size = {
            mode: service.metric("shoptalk_batch_size_sum", queue="recommend")
            / service.metric("shoptalk_batch_size_count", queue="recommend")
            for mode, service in services.items()
        }
        method = services["no batching"].post("/v1/recommend", bodies[0])[1]["method"]
    return {
        "run": run.name,
        "items": len(dataset.catalogue),
        "users": len(users),
        "method": method,
        "machine": {"processor": processor(), "load": os.getloadavg()[0]},
        "loads": {mode: {number: loads[mode, number].figures() for number in clients} for mode in MODES},
        "batch_size": batch_size,
        "bare": {name: one.figures() for name, one in bare.items()},
        "overhead": overheads(loads[next(iter(MODES)), max(clients)].figures(), bare),
    }


def _measure(service: Service, bodies: list[dict[str, Any]], clients: int, seconds: float, load: Load) -> None:
    warmup = seconds / 5
    before = service.processor_seconds()
    measured = measure(port=service.port, bodies=bodies, clients=clients, seconds=seconds, warmup=warmup)
    # The service also worked while the clients warmed up.
    load.server += (service.processor_seconds() - before) * seconds / (seconds + warmup)
    load.seconds += seconds
    load.latencies += measured["latencies"]
    load.statuses.update(measured["statuses"])
    load.generator += measured["processor"]


def overheads(load: dict[str, Any], bare: dict[str, Bare]) -> dict[str, dict[str, float]] | None:
    """By bare call: the time of an answer divided by that of a history in the call, minus 1.

    None where more than 1 % of the answers are not the model's, as on a machine that is too slow for so many clients.
    """
    if load["statuses"].get("200", 0) < 0.99 * load["answers"]:
        return None
    wall = 1000 / load["per_second"]
    return {
        name: {
            "wall": wall / one.figures()["wall"] - 1,
            "processor": load["server_processor"] / one.figures()["processor"] - 1,
        }
        for name, one in bare.items()
    }


def markdown(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    machine = report["machine"]
    lines = [
        f"{report['run']} ({report['method']}), {report['items']:,} items, {report['users']:,} users; "
        f"{machine['processor']}, load {machine['load']:.1f}",
        "",
        "| service | clients | answers/s | p50 ms | p95 ms | p99 ms | processor ms per answer: service | generator |",
        "|---|---|---|---|---|---|---|---|",
    ]
    problems = Counter()
    for mode, loads in report["loads"].items():
        for clients, load in loads.items():
            problems.update({status: count for status, count in load["statuses"].items() if status != "200"})
            times = " | ".join(f"{load[name]:.1f}" for name in ("p50", "p95", "p99"))
            both = f"{load['server_processor']:.2f} | {load['generator_processor']:.2f}"
            lines.append(f"| {mode} | {clients} | {load['per_second']:,.0f} | {times} | {both} |")
    lines += ["", "| bare call for 32 | ms per history | processor ms | overhead of the service | processor time |"]
    lines += ["|---|---|---|---|---|"]
    for name, one in report["bare"].items():
        figures = f"{one['wall']:.2f} | {one['processor']:.2f}"
        if report["overhead"] is None:
            figures += " | not measured: the model did not answer all | "
        else:
            over = report["overhead"][name]
            figures += f" | {over['wall']:+.0%} | {over['processor']:+.0%}"
        lines.append(f"| {name} | {figures} |")
    sizes = ", ".join(f"{size:.1f} ({mode})" for mode, size in report["batch_size"].items())
    lines += ["", f"Mean size of a batch: {sizes}. Answers other than those of the model: {dict(problems) or 'none'}."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a trained run; default: a small one is made")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement in each turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = options.run or make_small_run(folder / "shop", users=500, items=300)
        report = benchmark(run.resolve(), folder, options.clients, options.seconds, options.turns)
    print(json.dumps(report, indent=2) if options.json else markdown(report))


if __name__ == "__main__":
    main()
