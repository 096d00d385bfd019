"""System D's rows: every purchase with the ten that come after it, cut before anything is split.

    python benchmarks/reproductions/windows.py rows RUN --out rows.jsonl          # with their users, training and test
    python benchmarks/reproductions/windows.py rows RUN --out train.jsonl --part train
    python benchmarks/reproductions/windows.py lists RUN --out lists.jsonl        # what RUN says to the test's rows

``rows`` are instruction rows (`shoptalk audit --alpaca`, `training.extra`), worded as RUN words them; a row belongs to
the part of the purchase that it tells, as in system D. ``lists`` are predictions (`shoptalk score`), a line a row.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shoptalk.files import write_text
from shoptalk.runs import open_run
from shoptalk.schema import LIST_LENGTH, PARTS, History, item_token
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.stages.trained_run import open_trained_run
from shoptalk.tasks import get_task


@dataclass(frozen=True)
class Window:
    """One row: what the user had up to a purchase, the items of the next ten, and the part of that purchase."""

    shown: History
    follows: tuple[str, ...]
    part: str


def windows(folder: Path) -> Iterator[Window]:
    """The windows over all that every user of a run's dataset has."""
    rows = open_run_dataset(open_run(folder)).rows
    for user, (start, end) in enumerate(zip(rows.start.tolist(), rows.end.tolist(), strict=True)):
        items = tuple(rows.item[start:end].tolist())
        for index in range(len(items)):
            shown = History(rows.users[user], items[: index + 1])
            yield Window(shown, items[index + 1 : index + 1 + LIST_LENGTH], PARTS[rows.part[start + index]])


def write_rows(folder: Path, out: Path, part: str | None) -> None:
    """Instruction rows; what nothing follows is answered by nothing but padding, and teaches nothing."""
    run = open_run(folder)
    builder = get_task(run.recipe.prompt.task).prompts(run.recipe.prompt, open_run_dataset(run).catalogue)
    lines = []
    for window in windows(folder):
        if window.part in ((part,) if part else ("train", "test")) and (window.follows or not part):
            asked = [message.text for message in builder.ask(window.shown)]
            stated = builder.id_list(window.follows) if window.follows else item_token("none")
            row = {"instruction": asked[0], "input": "\n".join(asked[1:]), "output": stated}
            lines.append(json.dumps({**row, "user": window.shown.user_id, "split": window.part}))
    write_text(out, "\n".join(lines) + "\n")


def write_lists(folder: Path, out: Path) -> None:
    """The run's lists for the test's rows."""
    run = open_run(folder)
    asked = [window for window in windows(folder) if window.part == "test"]
    lists = open_trained_run(run).recommender.rank([window.shown for window in asked], LIST_LENGTH)
    lines = [
        json.dumps({"user": f"{stated.user_id} {number}", "truth": window.follows, "ranked": stated.items})
        for number, (window, stated) in enumerate(zip(asked, lists, strict=True))
    ]
    write_text(out, "\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rows", "lists"))
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", choices=PARTS, help="rows: only those of this part")
    given = parser.parse_args()
    if given.what == "rows":
        write_rows(given.run, given.out, given.part)
    else:
        write_lists(given.run, given.out)


if __name__ == "__main__":
    main()
