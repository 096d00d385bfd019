"""Time and peak memory of preparing raw reviews: shoptalk, pandas as in systems A and D, and decompression alone.

Writes gzip files of 1, 2 and 4 million generated reviews in the Amazon 2018 format, which are as compressible as
published ones, runs every contender in its own process, and prints a table with ratios.

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
    """Write the two files; users and items have a long tail, and a tenth of the reviews is unverified."""
    rows = int(millions * 1_000_000)
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as con:
        con.execute("SELECT setseed(0.5)")
        con.execute(
            "CREATE TABLE words AS SELECT unnest(?) AS word, unnest(range(?)) AS word_index", [WORDS, len(WORDS)]
        )
        # 4,000 phrases of six words; a review is three of them, which is about as compressible as real reviews.
        con.execute(
            "CREATE TABLE phrases AS SELECT list(body) AS bodies FROM ("
            "SELECT number, string_agg(word, ' ') AS body FROM ("
            "SELECT number, word, row_number() OVER (PARTITION BY number ORDER BY hash(number, word)) AS word_rank "
            "FROM range(4000) r(number), words) WHERE word_rank <= 6 GROUP BY number)"
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
            FROM (SELECT (1500 * random())::BIGINT AS day FROM range({rows})), phrases)
            TO '{reviews}' (FORMAT json, COMPRESSION gzip)"""
        )
        con.execute(
            f"""COPY (SELECT 'B' || lpad(upper(to_hex(n * 104729)), 9, '0') AS asin,
              'Acme product number ' || n || ' &amp; more' AS title, 'Acme' AS brand,
              ['Shop', 'Shelf ' || n % 50] AS category, ['Well made'] AS description, ['Strong'] AS feature,
              '$9.99' AS price FROM range({rows // 60 + 1}) r(n)) TO '{items}' (FORMAT json, COMPRESSION gzip)"""
        )


def run_shoptalk(reviews: Path, items: Path) -> dict[str, Any]:
    """The command ``shoptalk prepare``, which writes the whole dataset folder with split, options and hashes."""
    folder = reviews.parent
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE.format(reviews=reviews, items=items, core=CORE))
    out = folder / "dataset"
    command = [sys.executable, "-m", "shoptalk.cli.main", "prepare", str(recipe), "--out", str(out), "--json"]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    return {"kept": json.loads(process.stdout)["kept"]}


def run_steps(reviews: Path, items: Path) -> dict[str, Any]:
    """Reading, cleaning and filtering, as in the contender `pandas`, with the time of each."""
    from shoptalk.data.clean import clean_titles
    from shoptalk.data.engine import Engine
    from shoptalk.data.filter import filter_coded
    from shoptalk.data.sources.registry import read
    from shoptalk.recipe import Data

    data = Data(source="amazon2018", reviews=str(reviews), items=str(items), user_core=CORE, item_core=CORE)
    with tempfile.TemporaryDirectory(dir=reviews.parent) as work, Engine(Path(work)) as engine:
        start = time.perf_counter()
        raw_tables = read(data, frozenset(), engine)
        seconds = {"read": time.perf_counter() - start}
        items_table = clean_titles(raw_tables.items, data.cleaning, engine)
        seconds["clean"] = time.perf_counter() - start - sum(seconds.values())
        filtered = filter_coded(raw_tables.interactions, items_table, data, engine)
        seconds["filter"] = time.perf_counter() - start - sum(seconds.values())
        rows = filtered.rows
        counts = engine.counts(users=rows.user.nunique(), items=filtered.items, interactions=rows)
    return {"kept": counts, "steps": {name: round(value, 2) for name, value in seconds.items()}}


def run_pandas(reviews: Path, items: Path) -> dict[str, Any]:
    """As in systems A and D: read everything into data frames, then apply the rules one after the other."""
    import pandas as pd

    frame = pd.read_json(reviews, lines=True, compression="gzip")
    products = pd.read_json(items, lines=True, compression="gzip")
    frame = frame[frame["verified"]]
    frame = frame.sort_values("unixReviewTime", kind="stable").drop_duplicates(["reviewerID", "asin"])
    frame = frame.merge(products, on="asin")
    previous_length = -1
    while previous_length != len(frame):
        previous_length = len(frame)
        for column in ("reviewerID", "asin"):
            frame = frame[frame.groupby(column)["asin"].transform("size") >= CORE]
    users, items_left = frame["reviewerID"].nunique(), frame["asin"].nunique()
    return {"kept": {"users": users, "items": items_left, "interactions": len(frame)}}


def run_decompress(reviews: Path, items: Path) -> dict[str, Any]:
    """The lower bound: decompression in blocks of 1 MiB, and nothing else."""
    del items
    size = 0
    with gzip.open(reviews) as file:
        while block := file.read(1 << 20):
            size += len(block)
    return {"bytes": size}


CONTENDERS = {"decompress": run_decompress, "shoptalk": run_shoptalk, "steps": run_steps, "pandas": run_pandas}


def measure(contender: str, reviews: Path, items: Path) -> dict[str, Any]:
    """Seconds and peak memory (MiB) of one contender in its own process."""
    command = [sys.executable, __file__, "--contender", contender, str(reviews), str(items)]
    process = subprocess.run(command, check=False, capture_output=True, text=True)
    if process.returncode:
        return {"failed": process.stderr.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]}
    return json.loads(process.stdout)


def run_contender(contender: str, reviews: Path, items: Path) -> None:
    """Run one contender in this process and print its result, time and memory as JSON."""
    start = time.perf_counter()
    result = CONTENDERS[contender](reviews, items)
    result["seconds"] = time.perf_counter() - start
    usages = [resource.getrusage(scope) for scope in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    result["cpu_seconds"] = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # macOS counts in bytes, Linux in KiB
    result["mebibytes"] = max(usage.ru_maxrss for usage in usages) / unit
    print(json.dumps(result))


def compare(millions: float, contenders: list[str], folder: Path) -> dict[str, Any]:
    """Measure all contenders on files of one size, and compute the ratios of their times."""
    reviews, items = folder / "reviews.json.gz", folder / "meta.json.gz"
    generate(reviews, items, millions)
    row: dict[str, Any] = {"millions": millions, "packed_mebibytes": reviews.stat().st_size / (1 << 20)}
    row |= {contender: measure(contender, reviews, items) for contender in contenders}
    seconds = {name: row[name].get("seconds") for name in contenders}
    for name, numerator, denominator in (
        ("shoptalk_to_decompress", "shoptalk", "decompress"),
        ("steps_to_decompress", "steps", "decompress"),
        ("pandas_to_shoptalk", "pandas", "shoptalk"),
        ("pandas_to_steps", "pandas", "steps"),  # the same work: neither writes a dataset
    ):
        if seconds.get(numerator) and seconds.get(denominator):
            row[name] = seconds[numerator] / seconds[denominator]
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
        run_contender(name, Path(reviews), Path(items))
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
    """Print the results of one size as lines of a table."""
    print(f"\n{row['millions']:g} million reviews, {row['packed_mebibytes']:.1f} MiB compressed")
    for name in contenders:
        result = row[name]
        if "failed" in result:
            print(f"  {name:<12} failed: {result['failed']}")
            continue
        extra = " ".join(str(result[key]) for key in ("kept", "steps") if key in result)
        usage = f"{result['seconds']:8.2f} s ({result['cpu_seconds']:6.2f} s of CPU) {result['mebibytes']:8.0f} MiB"
        print(f"  {name:<12} {usage}  {extra}")
    for name in ("shoptalk_to_decompress", "steps_to_decompress", "pandas_to_shoptalk", "pandas_to_steps"):
        if name in row:
            print(f"  {name.replace('_', ' ')}: {row[name]:.2f}")


if __name__ == "__main__":
    main()
