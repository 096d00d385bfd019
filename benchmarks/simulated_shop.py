"""A shop of customers with known tastes behind `shoptalk serve`, and the verdicts of `shoptalk online` on it.

    python benchmarks/simulated_shop.py --customers 600 --tests 200 --json

The customers are those of a generated shop. They look at the ten products of an answer and click on each with a
probability that depends on their tastes alone (`click_probability`), and buy some of what they click. First a model is
served against popularity: the true rates follow from the lists that each arm shows to each customer, and the verdict
must name the better arm, with an interval that contains the true difference. Then a run is served against its own copy
(A/A), and the answers are taken from its database for ``--tests`` repetitions of the experiment: each draws the
assignment with a salt of its own, the hours at which customers come, and their clicks, stores them with the functions
of the service, and is looked at every hour with the function behind `shoptalk online`.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from serving.http import Connection
from serving.process import SOURCE, Service
from serving.small_run import make_small_run
from shoptalk.online.assignment import Experiment
from shoptalk.online.database import open_database
from shoptalk.online.events import CLICK, PURCHASE, Event, add_events
from shoptalk.online.shown import Recommendation, ShownItem, log_recommendations, set_weights
from shoptalk.online.summary import summarise
from shoptalk.online.tables import RECOMMENDATIONS, SHOWN
from shoptalk.runs import open_run
from shoptalk.schema import Item
from shoptalk.stages.load_dataset import open_run_dataset

K, CLIENTS = 10, 8
#: Probability of a click on a product of another family, of the family of a taste, and what the brand and the
#: attribute of the same taste add; probability that a product that was clicked is bought.
OTHER, FAMILY, BRAND, ATTRIBUTE, BUYS = 0.005, 0.1, 0.2, 0.2, 0.3
#: Seconds after a customer's first answer in which events count: through HTTP, and in the A/A tests.
VISIT, WINDOW = 5, 3600.0
PLANNED = 100  #: the least that `shoptalk online` takes


@dataclass(frozen=True)
class Customers:
    """Customers with their tastes, and the products."""

    tastes: Mapping[str, Sequence[Mapping[str, Any]]]
    catalogue: Mapping[str, Item]

    def probabilities(self, customer: str, items: Sequence[str]) -> np.ndarray:
        """The probability of a click on each product."""
        return np.array([click_probability(self.tastes[customer], self.catalogue[item]) for item in items])

    def any_click(self, customer: str, items: Sequence[str]) -> float:
        """The probability of at least one click on a list."""
        return float(1 - np.prod(1 - self.probabilities(customer, items)))


def click_probability(tastes: Sequence[Mapping[str, Any]], item: Item) -> float:
    """The rule: the best match of a product with any of the tastes."""
    best = OTHER
    for taste in tastes:
        if taste["family"] in item.categories:
            brand, attribute = item.brand == taste["brand"], taste["attribute"] in item.title
            best = max(best, FAMILY + BRAND * brand + ATTRIBUTE * attribute)
    return best


def known_customers(shop: Path, count: int) -> Customers:
    """The first customers of a generated shop that its dataset has kept."""
    planted = json.loads((shop / "planted.json").read_text())["users"]
    dataset = open_run_dataset(open_run(shop / "run"))
    kept = set(np.asarray(dataset.rows.users, dtype=object).tolist())
    return Customers({user: planted[user] for user in sorted(kept & planted.keys())[:count]}, dataset.catalogue)


async def visit_all(port: int, customers: Customers, seed: int) -> None:
    """Every customer asks once, clicks and buys by the rule, and reports it."""
    waiting = list(customers.tastes)[::-1]

    async def client() -> None:
        async with Connection(port) as connection:
            while waiting:
                user = waiting.pop()
                answer = await _ask(connection, {"user": user, "k": K})
                random = np.random.default_rng([seed, *user.encode()])
                if events := _events(customers, user, answer, random):
                    reply = await connection.ask("POST", "/v1/events", {"events": events})
                    assert reply.json()["stored"] == len(events), reply.body

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


def _events(
    customers: Customers, user: str, answer: dict[str, Any], random: np.random.Generator
) -> list[dict[str, Any]]:
    """What a customer does with an answer."""
    items = [item["item_id"] for item in answer["items"]]
    clicked = random.random(len(items)) < customers.probabilities(user, items)
    bought = clicked & (random.random(len(items)) < BUYS)
    about = {"user": user, "recommendation_id": answer["recommendation_id"]}
    return [
        {
            "event_id": f"{kind}-{answer['recommendation_id']}-{items[place]}",
            "item_id": items[place],
            "kind": kind,
            **about,
        }
        for kind, chosen in ((CLICK, clicked), (PURCHASE, bought))
        for place in np.flatnonzero(chosen)
    ]


async def true_rates(port: int, customers: Customers, arms: Sequence[str]) -> dict[str, float]:
    """By arm, the mean probability that a customer clicks; these answers are marked as forced, and do not count."""
    rates = {}
    async with Connection(port) as connection:
        for arm in arms:
            chances = []
            for user in customers.tastes:
                answer = await _ask(connection, {"user": user, "k": K, "arm": arm})
                chances.append(customers.any_click(user, [item["item_id"] for item in answer["items"]]))
            rates[arm] = float(np.mean(chances))
    return rates


async def _ask(connection: Connection, body: dict[str, Any]) -> dict[str, Any]:
    reply = await connection.ask("POST", "/v1/recommend", body)
    assert reply.status == 200, reply.body
    answer: dict[str, Any] = reply.json()
    return answer


def model_against_popularity(shop: Path, folder: Path, customers: Customers) -> dict[str, Any]:
    """The verdict of `shoptalk online` on a model and popularity, and the truth."""
    run, database = shop / "run", folder / "model.db"
    arms = ["run@popularity", "run"]  # the first is the control
    with Service([f"{run}@popularity", run], database, folder / "model.log", ["--experiment", "shop"]) as service:
        truth = asyncio.run(true_rates(service.port, customers, arms))  # before clicks change the histories
        asyncio.run(visit_all(service.port, customers, 1))
    time.sleep(VISIT + 0.1)  # until the window of the last customer is over
    planned = max(PLANNED, len(customers.tastes))
    command = [sys.executable, "-m", "shoptalk.cli.main", "online", str(database), "--experiment", "shop", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [*command, "--window", f"{VISIT}s", "--planned", str(planned)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (experiment,) = json.loads(done.stdout)["experiments"]
    (comparison,) = experiment["comparisons"]
    difference = truth["run"] - truth["run@popularity"]
    return {
        "customers": len(customers.tastes),
        "truth": truth,
        "true_difference": difference,
        "rates": {arm["arm"]: arm["rates"][CLICK] for arm in experiment["arms"]},
        "comparison": comparison,
        "verdict": experiment["verdict"],
        "right": comparison["judgement"] == ("better" if difference > 0 else "worse")
        and comparison["low"] <= difference <= comparison["high"],
    }


def same_against_same(shop: Path, folder: Path, customers: Customers, tests: int, hours: int) -> dict[str, Any]:
    """How many of the A/A tests are called different at any hour."""
    twin = folder / "twin"
    shutil.copytree(shop / "run", twin)
    database = folder / "same.db"
    with Service([shop / "run", twin], database, folder / "same.log", ["--experiment", "same"]) as service:
        asyncio.run(visit_all(service.port, customers, 2))
    answers = stored_answers(database)
    empty = folder / "empty.db"
    open_database(empty).close()
    begin = time.perf_counter()
    different, looks = 0, 0
    for number in range(tests):
        path = folder / f"test-{number}.db"
        shutil.copyfile(empty, path)
        found = watched(path, f"test-{number}", answers, customers, hours)
        different += any(judgement in ("better", "worse") for judgement in found)
        looks += len(found)
        for file in folder.glob(f"{path.name}*"):
            file.unlink()
    seconds = time.perf_counter() - begin
    return {"tests": tests, "answers": len(answers), "looks": looks, "different": different, "seconds": seconds}


def stored_answers(path: Path) -> list[Recommendation]:
    """The answers that a service has logged, with their lists, one for each user."""
    database = open_database(path, create=False)
    with database.read() as connection:
        rows = connection.execute(select(RECOMMENDATIONS).where(RECOMMENDATIONS.c.forced.is_(False))).all()
        shown: dict[str, list[ShownItem]] = {}
        for row in connection.execute(select(SHOWN).order_by(SHOWN.c.recommendation_id, SHOWN.c.rank)):
            shown.setdefault(row.recommendation_id, []).append(ShownItem(row.item_id, row.score, row.probability))
    database.close()
    by_user = {
        row.user_id: Recommendation(
            row.recommendation_id, row.user_id, tuple(shown[row.recommendation_id]), run=row.run, method=row.method
        )
        for row in rows
    }
    return [by_user[user] for user in sorted(by_user)]


def watched(path: Path, name: str, answers: Sequence[Recommendation], customers: Customers, hours: int) -> list[str]:
    """The judgement on an A/A test at every hour; one customer comes after the other at random times."""
    random = np.random.default_rng([3, *name.encode()])
    experiment = Experiment(name, {"one": 1.0, "other": 1.0}, salt="benchmark")
    database = open_database(path)
    set_weights(database, name, experiment.weights)
    start = time.time()
    moments = start + random.uniform(0, hours * 3600, len(answers))
    placed, events = [], []
    for answer, moment in zip(answers, moments.tolist(), strict=True):
        arm = experiment.assign(answer.user_id).arm
        placed.append(replace(answer, experiment=name, arm=arm, created=moment))
        items = [item.item_id for item in answer.items]
        for place in np.flatnonzero(random.random(len(items)) < customers.probabilities(answer.user_id, items)):
            item, about = items[place], answer.recommendation_id
            events.append(Event(f"{about}-{item}", answer.user_id, item, CLICK, moment + 60, about))
    log_recommendations(database, placed)
    add_events(database, events)
    found = []
    for hour in range(1, hours + 2):
        now = start + hour * 3600
        if any(moment <= now for moment in moments.tolist()):
            planned = max(PLANNED, len(answers))
            result = summarise(database, experiment=name, window=WINDOW, planned=planned, now=now)
            found.append(result.experiments[0].comparisons[0].judgement)
    database.close()
    return found


def markdown(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    one, two = report["model_against_popularity"], report["same_against_same"]
    lines = ["| arm | true share of customers who click | measured | interval |", "|---|---|---|---|"]
    for arm, truth in one["truth"].items():
        rate = one["rates"][arm]
        lines.append(
            f"| {arm} | {truth:.3f} | {rate['value']:.3f} (n = {rate['n']}) | {rate['low']:.3f}, {rate['high']:.3f} |"
        )
    lines += [
        "",
        f"Verdict: {one['verdict']} True difference: {one['true_difference']:+.3f}. Right: {one['right']}.",
        "",
        f"A/A: {two['different']} of {two['tests']} tests called different at any of {two['looks']:,} looks "
        f"({two['answers']} customers each, {two['seconds']:.0f} s)",
    ]
    return "\n".join(lines)


def benchmark(folder: Path, count: int, tests: int, hours: int) -> dict[str, Any]:
    """Both parts, with a shop that is made in ``folder``."""
    shop = folder / "shop"
    # Some users buy too little to be kept.
    make_small_run(shop, users=int(count * 1.2) + 20, items=200)
    customers = known_customers(shop, count)
    return {
        "model_against_popularity": model_against_popularity(shop, folder, customers),
        "same_against_same": same_against_same(shop, folder, customers, tests, hours),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=600)
    parser.add_argument("--tests", type=int, default=200)
    parser.add_argument("--hours", type=int, default=48)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        report = benchmark(Path(temporary), options.customers, options.tests, options.hours)
    print(json.dumps(report, indent=2) if options.json else markdown(report))


if __name__ == "__main__":
    main()
