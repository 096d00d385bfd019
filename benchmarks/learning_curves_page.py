"""The page and the figure of `learning_curves.py`, from the points in its folder."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from learning_curves_points import Key, Methods, Point, Points, read_points
from processor import names_of_processors
from shoptalk.evaluation.paired import holm
from shoptalk.files import replacing

#: From the simplest to the most expensive; the rule of the page prefers the earlier.
ORDER = ("popularity", "tfidf", "cooccurrence", "transitions", "item tokens", "nano", "SmolLM2")
NAMES = {"tfidf": "TF-IDF", "cooccurrence": "co-occurrence", "nano": "nano (text)", "SmolLM2": "SmolLM2 (LoRA)"}
LEVEL = 0.05

HEAD = """# When a language model pays

<!-- written by benchmarks/learning_curves.py -->

```bash
make pretrained
python benchmarks/learning_curves.py --out FOLDER --page docs/notes/learning-curves.md
python benchmarks/learning_curves.py --out FOLDER --page docs/notes/learning-curves.md --seeds 2 3   # more draws
```

{answer}

![Accuracy of the exam by the number of training users]({figure})

{protocol}
"""

PROTOCOL = """
**Protocol.** Users are split at random into training, validation and test users. The first four purchases of a test
user are the history, the fifth is the target. The exam has four options: the target and three uniform distractors,
all titles cleaned alike; chance is .25. The same {tested} test users of a data set and seed answer at every point. The
training users of a point are the first of one random order. Another seed draws other training, validation and test
users; a cell of several seeds has their number in brackets, its mean and interval are of the users of all of them, and
two methods are compared on the seeds that both have. Validation users (a quarter as many as training users, 8 to 400)
stop the training of models. Intervals are 95 % bootstrap intervals over test users.
SmolLM2 scores each title by the pointwise mutual information of history and title, nano by the mean log-probability of
its tokens (on validation users the better one for each); SmolLM2 has LoRA of rank 16, two epochs, the last purchase of
each training user; 0 training users is zero-shot. TF-IDF needs no training. Whole
catalogue: Recall@10 of the target, the history excluded; text models are not ranked over the catalogue here. A cell
without a value was not measured. Seconds are of one core of: {processors}."""


def recommended(methods: Methods) -> tuple[str, str]:
    """The best method, and the simplest one whose accuracy is not significantly below it.

    Methods are compared on the seeds that both have.
    """
    known = [name for name in ORDER if name in methods]
    common = set.intersection(*(set(methods[name].by_seed) for name in known))
    best = max(known, key=lambda name: float(np.mean(methods[name].values("right", common)[0])))
    others = [name for name in known if name != best]
    p_values = holm([methods[best].less(methods[name]).p for name in others])
    close = {name for name, p in zip(others, p_values, strict=True) if p > LEVEL} | {best}
    return best, next(name for name in known if name in close)


def label(name: str) -> str:
    """The name of a method in texts and tables."""
    return NAMES.get(name, name)


def cell(point: Point | None, key: Key) -> str:
    """A mean with its interval, and the number of seeds where there are several."""
    found = point.estimate(key) if point else None
    if point is None or found is None:
        return ""
    seeds = f" ({len(point.by_seed)})" if len(point.by_seed) > 1 else ""
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]{seeds}"


def table_of(by_size: Points, key: Key) -> list[str]:
    """A row for each method, a column for each number of training users."""
    sizes = sorted(by_size)
    lines = ["| method | " + " | ".join(f"{size:,}" for size in sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for name in ORDER:
        cells = [cell(by_size[size].get(name), key) for size in sizes]
        if any(cells):
            lines.append(f"| {label(name)} | " + " | ".join(cells) + " |")
    return lines


def section(data: str, by_size: Points) -> list[str]:
    """The tables of a data set."""
    lines = [f"\n## {data.capitalize().replace('-', ' ')}\n", "Accuracy of the exam, by training users:\n"]
    lines += table_of(by_size, "right")
    lines += ["\nRecall@10 over the whole catalogue:\n", *table_of(by_size, "hits")]
    lines += [
        "\n| training users | purchases | best | simplest method not significantly below it | SmolLM2 less TF-IDF |"
    ]
    lines += ["|---|---|---|---|---|"]
    for size, methods in sorted(by_size.items()):
        best, simplest = recommended(methods)
        gap = ""
        if "SmolLM2" in methods and "tfidf" in methods:
            found = methods["SmolLM2"].less(methods["tfidf"])
            gap = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}], p = {found.p:.3f}"
        bought = max(max(point.of_seeds("purchases")) for point in methods.values())
        lines.append(f"| {size:,} | {bought:,} | {label(best)} | {label(simplest)} | {gap} |")
    costs = []
    for name in ORDER:
        if sizes := [size for size in by_size if name in by_size[size]]:
            last = by_size[max(sizes)][name]
            costs.append(
                f"{label(name)} {np.mean(last.of_seeds('fit_seconds')):.0f} s for {max(sizes):,} users and "
                f"{1000 * np.mean(last.of_seeds('seconds_per_question')):.0f} ms a question"
            )
    return [*lines, f"\nProcessor time at the largest size measured: {'; '.join(costs)}."]


def answer(points: dict[str, Points]) -> str:
    """The answer in one paragraph, by the rule stated in it."""
    parts = []
    for data, by_size in points.items():
        changes: list[str] = []
        last = ""
        for size, methods in sorted(by_size.items()):
            name = recommended(methods)[1]
            if name != last:
                changes.append(f"{label(name)} from {size:,} training users on")
                last = name
        parts.append(f"{data.replace('-', ' ')}: {', '.join(changes)}")
    wins = [
        f"{data.replace('-', ' ')} with {size:,}"
        for data, by_size in points.items()
        for size, methods in sorted(by_size.items())
        if "SmolLM2" in methods and recommended(methods)[1] == "SmolLM2"
    ]
    verdict = (
        f"SmolLM2 is that method for {', '.join(wins)}." if wins else "SmolLM2 is that method at no size measured."
    )
    return (
        "The simplest method whose accuracy is not significantly below that of the best one (paired bootstrap, p > .05 "
        f"after Holm's correction; the order is that of the tables): {'; '.join(parts)}. {verdict}"
    )


def draw(points: dict[str, Points], path: Path) -> None:
    """Accuracy over the number of training users, a panel for each data set; 0 stands at the left end."""
    figure = Figure(figsize=(4.2 * len(points), 3.8), layout="constrained")
    axes = figure.subplots(1, len(points), sharey=True, squeeze=False)[0]
    for axis, (data, by_size) in zip(axes, points.items(), strict=True):
        for number, name in enumerate(ORDER):
            sizes = [size for size in sorted(by_size) if name in by_size[size]]
            if sizes:
                found = [one for size in sizes if (one := by_size[size][name].estimate("right"))]
                places = [max(size, 4) for size in sizes]
                axis.plot(
                    places, [each.value for each in found], marker="o", ms=3, color=f"C{number}", label=label(name)
                )
                axis.fill_between(
                    places, [each.low for each in found], [each.high for each in found], color=f"C{number}", alpha=0.08
                )
        axis.axhline(0.25, color="grey", lw=0.8, ls=":")
        axis.set_xscale("log")
        ticks = [4, 16, 64, 256, 1024, 4096]
        axis.set_xticks(ticks, ["0", *map(str, ticks[1:])])
        axis.minorticks_off()
        axis.set_title(data.replace("-", " "))
        axis.set_xlabel("training users")
    axes[0].set_ylabel("accuracy, four options")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(ORDER), fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def write_page(folder: Path, page: Path) -> None:
    """Write the page, and its figure beside it."""
    points = read_points(folder)
    figure = page.with_suffix(".png")
    measured = [point for by_size in points.values() for methods in by_size.values() for point in methods.values()]
    draw(points, figure)
    tested = sorted({len(seed["right"]) for point in measured for seed in point.by_seed.values()})
    processors = names_of_processors([seed for point in measured for seed in point.by_seed.values()])
    counts = str(tested[0]) if len(tested) == 1 else f"{tested[0]} to {tested[-1]}"
    lines = [
        HEAD.format(
            answer=answer(points),
            figure=figure.name,
            protocol=" ".join(PROTOCOL.split()).format(tested=counts, processors=processors),
        )
    ]
    for data, by_size in points.items():
        lines += section(data, by_size)
    with replacing(page) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
