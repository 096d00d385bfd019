"""Time and peak memory of preparing raw reviews: shoptalk, pandas as systems A and D do it, and decompression alone.

Writes gzip files of 1, 2 and 4 million generated reviews in the Amazon 2018 format, as well packed as published ones
(tens of bytes each), runs every contender in a process of its own, and prints a table with ratios.

    python benchmarks/prepare.py --millions 1 2 4 --json
"""

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

CORE = 5
RECIPE = """
[data]
source = "amazon2018"
reviews = "{reviews}"
items = "{items}"
user_core = {core}
item_core = {core}
[split]
method = "leave-one-out"
[candidates]
options = 4
"""
WORDS = """
great product works well easy install fast shipping very happy would buy again love this my husband uses every day
perfect size good quality price not what expected broke after month returned color exactly like picture recommend
""".split()  # noqa: SIM905


def generate(reviews: Path, items: Path, millions: float) -> None:
    """Write the two files; users and items are drawn with a long tail, a tenth is unverified, a twentieth repeats."""
    rows = int(millions * 1_000_000)
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as con:
        con.execute("SELECT setseed(0.5)")
        con.execute("CREATE TABLE words AS SELECT unnest(?) AS word, unnest(range(?)) AS place", [WORDS, len(WORDS)])
        # 4,000 phrases of six words; a review is three of them, which packs about as well as what people write.
        con.execute(
            "CREATE TABLE shelf AS SELECT list(body) AS bodies FROM ("
            "SELECT number, string_agg(word, ' ') AS body FROM ("
            "SELECT number, word, row_number() OVER (PARTITION BY number ORDER BY hash(number, word)) AS place "
            "FROM range(4000) r(number), words) WHERE place <= 6 GROUP BY number)"
        )
        con.execute(
            f"""COPY (
            SELECT CAST(1 + floor(5 * sqrt(random())) AS DOUBLE) AS overall, random() < 0.9 AS verified,
              strftime(to_timestamp(1400000000 + 86400 * day), '%m %d, %Y') AS "reviewTime",
              'A' || lpad(upper(to_hex(({rows // 6} * pow(random(), 1.5))::BIGINT * 7919)), 13, '0') AS "reviewerID",
              'B' || lpad(upper(to_hex(({rows // 60} * pow(random(), 2))::BIGINT * 104729)), 9, '0') AS asin,
              {{'Size:': ' ' || day % 50}} AS style, 'Amazon Customer' AS "reviewerName",
              bodies[1 + (4000 * random())::INT % 4000] || ', ' || bodies[1 + (4000 * random())::INT % 4000] || '. '
              || bodies[1 + (4000 * random())::INT % 4000] AS "reviewText", 'Five Stars' AS summary,
              1400000000 + 86400 * day AS "unixReviewTime"
            FROM (SELECT (1500 * random())::BIGINT AS day FROM range({rows})), shelf)
            TO '{reviews}' (FORMAT json, COMPRESSION gzip)"""
        )
        con.execute(
            f"""COPY (SELECT 'B' || lpad(upper(to_hex(n * 104729)), 9, '0') AS asin,
              'Acme product number ' || n || ' &amp; more' AS title, 'Acme' AS brand,
              ['Shop', 'Shelf ' || n % 50] AS category, ['Well made'] AS description, ['Strong'] AS feature,
              '$9.99' AS price FROM range({rows // 60 + 1}) r(n)) TO '{items}' (FORMAT json, COMPRESSION gzip)"""
        )


def run_shoptalk(reviews: Path, items: Path) -> dict[str, Any]:
    """The command itself, as a user types it: the whole folder, with split, options and hashes."""
    folder = reviews.parent
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE.format(reviews=reviews, items=items, core=CORE))
    out = folder / "dataset"
    command = [sys.executable, "-m", "shoptalk.cli.main", "prepare", str(recipe), "--out", str(out), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {"kept": json.loads(done.stdout)["kept"]}


def run_steps(reviews: Path, items: Path) -> dict[str, Any]:
    """Only reading, cleaning and filtering, which is what pandas does here; with the time of each."""
    from shoptalk.data import sources
    from shoptalk.data.clean import clean_titles
    from shoptalk.data.engine import Engine
    from shoptalk.data.filter import filter_coded
    from shoptalk.recipe import Data

    data = Data(source="amazon2018", reviews=str(reviews), items=str(items), user_core=CORE, item_core=CORE)
    with tempfile.TemporaryDirectory(dir=reviews.parent) as work, Engine(Path(work)) as engine:
        start = time.perf_counter()
        shop = sources.read(data, frozenset(), engine)
        seen = {"read": time.perf_counter() - start}
        titled = clean_titles(shop.items, data.cleaning, engine)
        seen["clean"] = time.perf_counter() - start - sum(seen.values())
        kept = filter_coded(shop.interactions, titled, data, engine)
        seen["filter"] = time.perf_counter() - start - sum(seen.values())
        counts = engine.counts(users=kept.rows.user.nunique(), items=kept.items, interactions=kept.rows)
    return {"kept": counts, "steps": {name: round(value, 2) for name, value in seen.items()}}


def run_pandas(reviews: Path, items: Path) -> dict[str, Any]:
    """As systems A and D: everything into data frames, then one rule after the other."""
    import pandas as pd

    frame = pd.read_json(reviews, lines=True, compression="gzip")
    filter_index = pd.read_json(items, lines=True, compression="gzip")
    frame = frame[frame["verified"]]
    frame = frame.sort_values("unixReviewTime", kind="stable").drop_duplicates(["reviewerID", "asin"])
    frame = frame.merge(filter_index, on="asin")
    before = -1
    while before != len(frame):
        before = len(frame)
        for side in ("reviewerID", "asin"):
            frame = frame[frame.groupby(side)["asin"].transform("size") >= CORE]
    users, bought = frame["reviewerID"].nunique(), frame["asin"].nunique()
    return {"kept": {"users": users, "items": bought, "interactions": len(frame)}}


def run_decompress(reviews: Path, items: Path) -> dict[str, Any]:
    """The lower bound: gzip in blocks of 1 MiB, nothing else."""
    del items
    size = 0
    with gzip.open(reviews) as file:
        while block := file.read(1 << 20):
            size += len(block)
    return {"bytes": size}


CONTENDERS = {"decompress": run_decompress, "shoptalk": run_shoptalk, "steps": run_steps, "pandas": run_pandas}


def measure(contender: str, reviews: Path, items: Path) -> dict[str, Any]:
    """Seconds, and peak memory in MiB, of one contender in a process of its own."""
    command = [sys.executable, __file__, "--contender", contender, str(reviews), str(items)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]}
    return json.loads(done.stdout)


def contend(contender: str, reviews: Path, items: Path) -> None:
    """Run one contender here and print what it took."""
    start = time.perf_counter()
    result = CONTENDERS[contender](reviews, items)
    result["seconds"] = time.perf_counter() - start
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    result["cpu_seconds"] = sum(each.ru_utime + each.ru_stime for each in used)
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # macOS counts in bytes, Linux in KiB
    result["mebibytes"] = max(own, children) / unit
    print(json.dumps(result))


def compare(millions: float, contenders: list[str], folder: Path) -> dict[str, Any]:
    """Measure all contenders on one size, with the ratios that are aimed at."""
    reviews, items = folder / "reviews.json.gz", folder / "meta.json.gz"
    generate(reviews, items, millions)
    row: dict[str, Any] = {"millions": millions, "packed_mebibytes": reviews.stat().st_size / (1 << 20)}
    row |= {contender: measure(contender, reviews, items) for contender in contenders}
    seconds = {name: row[name].get("seconds") for name in contenders}
    for name, over, under in (
        ("shoptalk_to_decompress", "shoptalk", "decompress"),
        ("steps_to_decompress", "steps", "decompress"),
        ("pandas_to_shoptalk", "pandas", "shoptalk"),
        ("pandas_to_steps", "pandas", "steps"),  # the same work on both sides: pandas writes nothing
    ):
        if seconds.get(over) and seconds.get(under):
            row[name] = seconds[over] / seconds[under]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 2, 4])
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=["decompress", "steps", "shoptalk", "pandas"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--contender", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        name, reviews, items = arguments.contender
        contend(name, Path(reviews), Path(items))
        return
    rows = []
    for millions in arguments.millions:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(compare(millions, arguments.only, Path(folder)))
        if not arguments.json:
            show(rows[-1], arguments.only)
    if arguments.json:
        print(json.dumps({"sizes": rows}))


def show(row: dict[str, Any], contenders: list[str]) -> None:
    """One size, as lines of a table."""
    print(f"\n{row['millions']:g} million reviews, {row['packed_mebibytes']:.1f} MiB packed")
    for name in contenders:
        result = row[name]
        if "failed" in result:
            print(f"  {name:<12} failed: {result['failed']}")
            continue
        extra = " ".join(str(result[key]) for key in ("kept", "steps") if key in result)
        took = f"{result['seconds']:8.2f} s ({result['cpu_seconds']:6.2f} s of CPU) {result['mebibytes']:8.0f} MiB"
        print(f"  {name:<12} {took}  {extra}")
    for name in ("shoptalk_to_decompress", "steps_to_decompress", "pandas_to_shoptalk", "pandas_to_steps"):
        if name in row:
            print(f"  {name.replace('_', ' ')}: {row[name]:.2f}")


if __name__ == "__main__":
    main()
