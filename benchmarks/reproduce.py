"""The four published systems, run again: every figure of ``docs/reproductions/`` is written by this command.

    python benchmarks/reproduce.py a --runs runs/a          # runs what is missing in runs/a, then rewrites the page
    python benchmarks/reproduce.py a b c d --only-write     # only rewrites pages, from runs that are there

A page has a block between two marks; what stands there comes from the runs' ``metrics.json`` and ``audit.json``, and
from what ``shoptalk audit`` and ``shoptalk score`` print of files that are made beside them.
"""

import argparse
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shoptalk.files import write_text

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reproductions"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
#: Metrics of a table, where a run has them.
SHOWN = ("accuracy", "swapped_accuracy", "personalisation_gap", "recall@10", "ndcg@10", "precision@10", "hr@10",
         "mrr@10", "swapped_recall@10", "repeat_share", "echo_share", "invalid_share", "title_exact_match",
         "title_invalid_share")  # fmt: skip
#: By what simple methods are told, the first that a run has.
BY = ("accuracy", "recall@10")
#: How a file is judged.
Judged = Literal["", "audit", "score"]


@dataclass(frozen=True)
class Experiment:
    """One run of a page: its folder's name, what it is, its recipe and other settings."""

    name: str
    what: str
    recipe: str
    settings: tuple[str, ...] = ()

    def command(self, runs: Path) -> list[str]:
        """What a user types, without the program's name."""
        changed = [part for setting in self.settings for part in ("--set", setting.format(runs=runs))]
        return ["run", self.recipe, *changed, "--out", str(runs / self.name)]


@dataclass(frozen=True)
class Material:
    """A file or folder that runs are made from or that comes of them: its command, if it needs one, and its judge."""

    name: str
    what: str
    command: tuple[str, ...] = ()
    judged: Judged = ""

    def typed(self, runs: Path) -> list[str]:
        """The command, of shoptalk or of a script."""
        return [part.format(runs=runs) for part in self.command]

    def judge(self, runs: Path) -> list[str]:
        """The command of shoptalk that says what it is worth."""
        more = ["--precision", "distinct"] if self.judged == "score" else ["--alpaca"]
        return [self.judged, *more, str(runs / self.name)]


@dataclass(frozen=True)
class Group:
    """Runs of one exam, side by side, and what belongs to them."""

    title: str
    columns: tuple[str, ...]
    steps: tuple[Experiment | Material, ...]


EXPERIMENTS: dict[str, tuple[Experiment, ...]] = {
    "a": (
        Experiment(
            "published", "as published: the right option alone is cleaned", "recipes/beauty-options-as-published.toml"
        ),
        Experiment("honest", "one cleaning for all options", "recipes/beauty-options.toml"),
    ),
}


WINDOWS = "benchmarks/reproductions/windows.py"
RANKED = ("precision@10", "recall@10", "hr@10", "mrr@10", "ndcg@10", "personalisation_gap")


def _lists(name: str, title: str, made: tuple[Material, ...], data: tuple[str, ...]) -> Group:
    """System D on one shop: with its windows, with honest ones, told more, and the whole catalogue ranked."""
    recipe, folder = "recipes/gift-cards-list.toml", f"{{runs}}/{name}"
    train = f"{folder}-train.jsonl"

    def windows(file: str, what: str, kind: str, run: str, *more: str, judged: Judged = "") -> Material:
        command = (WINDOWS, kind, f"{folder}-{run}", "--out", f"{folder}-{file}", *more)
        return Material(f"{name}-{file}", what, command, judged)

    def lists(run: str, what: str) -> tuple[Experiment | Material, ...]:
        # With D's rows there are more than twice as many, so that five epochs read what twelve read without them.
        more = (f'training.extra=["{train}"]', "training.epochs=5") if run == "published" else ()
        asked = windows(f"{run}.jsonl", what, "lists", run, judged="score")
        return Experiment(f"{name}-{run}", what, recipe, (*data, *more)), asked

    return Group(
        title,
        RANKED,
        (
            *made,
            *lists("one", "one product told, split before windows are cut"),
            windows("rows.jsonl", "D's rows", "rows", "one", judged="audit"),
            windows("train.jsonl", "D's rows for training", "rows", "one", "--part", "train"),
            *lists("published", "as published: windows reach into what is tested"),
            Experiment(f"{name}-history", "up to 20 products told", recipe, (*data, "prompt.history=20")),
            Experiment(
                f"{name}-items", "item tokens: the whole catalogue ranked", "recipes/gift-cards-items.toml", data
            ),
        ),
    )


ADVISE, GENERAL = "recipes/gift-cards-advise.toml", "benchmarks/reproductions/general.py"
#: The same customers and options for a recipe that is not of this exam.
EXAM = (
    "split.method=by-user",
    "split.fractions=[0.5, 0.1, 0.4]",
    "candidates.options=4",
    "candidates.negatives=popularity",
)
ADVISED = ("accuracy", "swapped_accuracy", "title_exact_match", "title_invalid_share", "title_echo_share",
           "reason_match")  # fmt: skip

GROUPS: dict[str, tuple[Group, ...]] = {
    "c": (
        Group(
            "Gift cards with reviews (2018), four options",
            ADVISED,
            (
                Experiment("alone", "200 customers alone", ADVISE),
                Material("general.json", "other instructions", (GENERAL, "--out", "{runs}/general.json")),
                Experiment(
                    "mixed",
                    "mixed with 2,000 other instructions",
                    ADVISE,
                    ('training.extra=["{runs}/general.json"]', "training.epochs=8"),
                ),
                Experiment(
                    "title",
                    "the title alone, plain lines, every purchase learned",
                    ADVISE,
                    ("prompt.task=title", "prompt.style=plain", 'prompt.fields=["title"]', "training.targets=every"),
                ),
                Experiment("items", "item tokens", "recipes/gift-cards-items.toml", EXAM),
                Material("alone/generated.json", "what *200 customers alone* answers", judged="audit"),
                Material("mixed/generated.json", "what *mixed* answers", judged="audit"),
                Material(
                    "right.json",
                    "the right answers",
                    ("export", "{runs}/alone", "--part", "test", "--out", "{runs}/right.json"),
                    "audit",
                ),
            ),
        ),
    ),
    "d": (
        _lists("gift-cards", "Gift cards (2018)", (), ()),
        _lists(
            "shop",
            "A generated shop in the format of 2023",
            (Material("shop", "the shop", ("sample", "{runs}/shop", "--format", "2023", "--users", "1000", "--items", "300")),),
            ("data.source=amazon2023", "data.reviews={runs}/shop/reviews.jsonl.gz",
             "data.items={runs}/shop/meta.jsonl.gz", "data.min_history=11"),
        ),
    ),
}  # fmt: skip


def run_missing(page: str, runs: Path) -> None:
    """Run what has no report yet, and make what is missing; what was broken off goes on."""
    for step in _steps(page):
        if isinstance(step, Experiment):
            folder = runs / step.name
            if not (folder / "report.html").exists():
                resume = ["--resume"] if (folder / "run.json").exists() else []
                _shoptalk([*step.command(runs), *resume])
            continue
        if not (runs / step.name).exists():
            _call(step.typed(runs))
        if step.judged:
            write_text(_judged(runs, step), _shoptalk([*step.judge(runs), "--json"], may=(0, 3)))


def _steps(page: str) -> list[Experiment | Material]:
    return [*EXPERIMENTS.get(page, ()), *(step for group in GROUPS.get(page, ()) for step in group.steps)]


def _shoptalk(command: list[str], may: tuple[int, ...] = (0,)) -> str:
    """What shoptalk prints; it must end with one of the exit codes."""
    typed = [sys.executable, "-m", "shoptalk.cli.main", *command]
    done = subprocess.run(typed, check=False, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode not in may:
        raise subprocess.CalledProcessError(done.returncode, typed)
    return done.stdout


def _call(command: list[str]) -> None:
    """Run a script of this folder, or shoptalk."""
    if command[0].endswith(".py"):
        subprocess.run([sys.executable, *command], check=True, cwd=ROOT)
    else:
        _shoptalk(command)


def _judged(runs: Path, step: Material) -> Path:
    return runs / f"{step.name}.{step.judged}.json"


def figures(page: str, runs: Path) -> str:
    """The page's block: a table for each run with simple methods and the audit, or runs of one exam side by side."""
    parts = [f"Written by `python benchmarks/reproduce.py {page}`."]
    for experiment in EXPERIMENTS.get(page, ()):
        metrics, audit = (_read(runs / experiment.name / name) for name in ("metrics.json", "audit.json"))
        shown = " ".join(["shoptalk", *experiment.command(Path("runs") / page)])
        parts += [f"### {experiment.what[0].upper()}{experiment.what[1:]}", f"`{shown}`"]
        parts += [_table(metrics), _simple(metrics), _findings(audit)]
    for group in GROUPS.get(page, ()):
        parts += [f"### {group.title}", *_side_by_side(group, page, runs)]
    return "\n\n".join(part for part in parts if part)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _side_by_side(group: Group, page: str, runs: Path) -> list[str]:
    """A table of the runs and of the simple methods of the first, what the files and audits say, the commands."""
    there = [step for step in group.steps if isinstance(step, Experiment)]
    metrics = [_read(runs / step.name / "metrics.json") for step in there]
    names = [column.removeprefix("title_").replace("_", " ") for column in group.columns]
    lines = [f"| | {' | '.join(names)} | users |", "|---" * (len(names) + 2) + "|"]
    rows = [(step.what, own["metrics"]) for step, own in zip(there, metrics, strict=True)]
    rows += [(name.replace("_", " "), own) for name, own in metrics[0]["baselines"].items()] if metrics else []
    for what, own in rows:
        cells = [_cell(own.get(column)) for column in group.columns]
        lines.append(f"| {what} | {' | '.join(cells)} | {max(own[c]['n'] for c in group.columns if c in own):,} |")
    parts = ["\n".join(lines)] if there else []
    scored = [step for step in group.steps if isinstance(step, Material) and step.judged == "score"]
    parts += [_scores([(step.what, _read(_judged(runs, step))) for step in scored])] if scored else []
    for step in group.steps:
        if isinstance(step, Material) and step.judged == "audit":
            found = _read(_judged(runs, step))["findings"]
            parts.append("\n".join([f"`shoptalk audit --alpaca` of {step.what}:", "", *map(_line, found)]))
    for step in there:
        bad = [one for one in _read(runs / step.name / "audit.json")["findings"] if one["severity"] == "fail"]
        said = "; ".join(f"{one['check'].replace('_', ' ')} ({one['says']})" for one in bad)
        parts.append(f"`shoptalk audit --run` of *{step.what}*: {said or 'no fail'}.")
    return [*parts, "```bash\n" + "\n".join(_typed(group, Path("runs") / page)) + "\n```"]


def _typed(group: Group, runs: Path) -> list[str]:
    """All commands of a group, in order."""
    lines = []
    for step in group.steps:
        command = step.command(runs) if isinstance(step, Experiment) else step.typed(runs)
        if command:
            lines.append(shlex.join(["python" if command[0].endswith(".py") else "shoptalk", *command]))
        if isinstance(step, Material) and step.judged:
            lines.append(shlex.join(["shoptalk", *step.judge(runs)]))
    return lines


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return ""
    return f"{row['value']:.4f}" + ("" if row["low"] is None else f" [{row['low']:.4f}, {row['high']:.4f}]")


def _scores(judged: list[tuple[str, dict[str, Any]]]) -> str:
    """Predictions as system D counts them, and with the rows that have no truth as misses."""
    names = [f"{name}@10" for name in ("precision", "recall", "hr", "mrr", "ndcg")]
    lines = [f"| | {' | '.join(names)} | rows |", "|---" * (len(names) + 2) + "|"]
    for what, own in judged:
        known, whole = own["users"], own["users"] + own["without_truth"]
        for rows, share in ((known, 1.0), (whole, known / whole)):
            said = "rows with a truth" if rows == known else "all rows"
            values = " | ".join(f"{own[name] * share:.4f}" for name in names)
            lines.append(f"| {what}, {said} | {values} | {rows:,} |")
    return "\n".join(lines)


def _table(metrics: dict[str, Any]) -> str:
    rows = [(name.replace("_", " "), metrics["metrics"][name]) for name in SHOWN if name in metrics["metrics"]]
    lines = [
        f"| {name} | {row['value']:.4f} | {_span(row)} | {row['n']:,} |"
        for name, row in rows
        if row["value"] is not None
    ]
    return "\n".join(["| metric | value | 95 % interval | users |", "|---|---|---|---|", *lines])


def _span(row: dict[str, Any]) -> str:
    return "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"


def _simple(metrics: dict[str, Any]) -> str:
    by = next((name for name in BY if name in metrics["metrics"]), None)
    able = {name: own[by]["value"] for name, own in metrics["baselines"].items() if by in own}
    said = ", ".join(
        f"{name.replace('_', ' ')} {able[name]:.4f}" for name in sorted(able, key=lambda name: -able[name])
    )
    return f"Simple methods by {by}: {said}." if by and said else ""


def _findings(audit: dict[str, Any]) -> str:
    bad = [finding for finding in audit["findings"] if finding["severity"] != "info"]
    return "\n".join(["The audit says:", "", *map(_line, bad)]) if bad else "The audit finds nothing."


def _line(finding: dict[str, Any]) -> str:
    return f"- **{finding['severity']}**, {finding['check'].replace('_', ' ')}: {finding['says']}"


def rewrite(page: str, block: str) -> None:
    """Put the block between the marks of a page."""
    path = PAGES / f"{page}.md"
    text = path.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    write_text(path, f"{before}{BEGIN}\n{block}\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", choices=sorted({*EXPERIMENTS, *GROUPS}))
    parser.add_argument("--runs", type=Path, help="folder of one page's runs; runs/PAGE by default")
    parser.add_argument("--only-write", action="store_true", help="run nothing")
    given = parser.parse_args()
    if given.runs and len(given.pages) > 1:
        parser.error("--runs names the runs of one page")
    for page in given.pages:
        runs = (given.runs or ROOT / "runs" / page).absolute()
        if not given.only_write:
            run_missing(page, runs)
        rewrite(page, figures(page, runs))


if __name__ == "__main__":
    main()
