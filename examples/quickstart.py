"""From a CSV of purchases to recommendations, by the Python API alone.

Usage: python examples/quickstart.py [PURCHASES.csv]

The file has the columns user_id, item_id and timestamp, and if possible title. Without a file, the purchases of a
synthetic shop are used: each customer likes one kind of product and sometimes buys a bestseller.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import shoptalk


def synthetic_purchases(users: int = 300, seed: int = 1) -> pd.DataFrame:
    """Purchases of products of eight kinds; a customer buys the products of one kind in nearly the same order."""
    rng = np.random.default_rng(seed)
    kinds = ["rose", "mint", "oak", "clay", "honey", "lemon", "salt", "plum"]
    products = ["soap", "shampoo", "cream", "oil", "mask"]
    rows = []
    for user in range(users):
        kind, first = int(rng.integers(len(kinds))), int(rng.integers(len(products)))
        for step in range(int(rng.integers(4, 8))):
            like = rng.random() < 0.8
            number = kind * len(products) + (first + step) % len(products) if like else int(rng.zipf(2)) % 40
            title = f"{kinds[number // len(products)]} {products[number % len(products)]}"
            day = pd.Timestamp("2026-01-01") + pd.Timedelta(days=30 * step + int(rng.integers(20)))
            rows.append((f"customer {user}", f"P{number:03}", day, title))
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "title"])


def main() -> None:
    """Prepare, audit, fit, evaluate and recommend."""
    purchases = Path(sys.argv[1]) if len(sys.argv) > 1 else synthetic_purchases()
    data = shoptalk.prepare(interactions=purchases)
    print("kept:", data.info["kept"])

    findings = shoptalk.audit(data, progress=False)
    print("audit:", "clean" if findings.clean else [finding.says for finding in findings.findings])

    model = shoptalk.fit(data, width=128, layers=2, epochs=5)
    report = shoptalk.evaluate(model, data)
    print(report.table("recall@10", "ndcg@10").round(4).to_string(index=False))
    print(report.headline)
    print("report:", report.save("report.html"))

    user = data.split().test[0].history.user_id
    print(model.recommend(user, k=3, explain=True).to_string(index=False))
    history = list(data.catalogue)[:2]
    print(model.recommend(histories=[history], k=3).to_string(index=False))
    print("saved:", model.save("my-model"))


if __name__ == "__main__":
    main()
