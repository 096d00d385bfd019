"""RecBole's atomic files as purchases: ``NAME.inter``, or its parts ``NAME.train.inter``, ``NAME.test.inter``."""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from shoptalk.data.benchmarks.read import head_of
from shoptalk.data.benchmarks.tables import read_table
from shoptalk.errors import SourceError
from shoptalk.evaluation.audit.evidence import TEST, TRAIN, VALIDATION, Log
from shoptalk.evaluation.id_map import IdMap

_LISTS = "item_id_list"


def is_atomic(path: Path) -> bool:
    """Whether a file is an atomic file of interactions, one per line and not with lists as histories."""
    names = head_of(path).partition(b"\n")[0].decode("utf-8", errors="replace").split()
    columns = {name.partition(":")[0] for name in names}
    return {"user_id:token", "item_id:token"} <= set(names) and _LISTS not in columns


def read_log(files: Sequence[tuple[Path, bool | None]]) -> tuple[Log, list[int]]:
    """The purchases of atomic files, grouped by user in the order of time, and the number of rows of each file.

    Parameters
    ----------
    files
        Paths, and whether each is for training. Of files without a part, the last purchase of a user is the test and
        the one before it validation, as in RecBole's split ``LS``. Titles are read from the ``.item`` file of the same
        name, if there is one.

    Raises
    ------
    SourceError
        When a file cannot be read, or has a value that cannot be used; with file, line and value.
    """
    user_codes, item_codes = IdMap([]), IdMap([])
    users, items, times, parts = array("q"), array("q"), array("d"), array("b")
    sizes: list[int] = []
    for path, for_training in files:
        part = TRAIN if for_training or for_training is None else TEST
        for user, item, time in _purchases(path):
            users.append(user_codes.of(user))
            items.append(item_codes.of(item))
            times.append(time)
            parts.append(part)
        sizes.append(len(users) - sum(sizes))
    order = np.lexsort((np.array(times), np.array(users)))
    by_user, stamps, number = np.array(users)[order], np.array(times)[order], np.array(parts)[order]
    if all(part is None for _, part in files):
        last = np.append(by_user[1:] != by_user[:-1], True)
        number[last] = TEST
        number[:-1][last[1:] & ~last[:-1]] = VALIDATION
    titles = _titles(files[0][0])
    log = Log(
        user=by_user,
        item=np.array(items)[order],
        time=stamps,
        part=number,
        users=user_codes.names,
        items=item_codes.names,
        titles=[titles.get(name, name) for name in item_codes.names],
    )
    return log, sizes


def _purchases(path: Path) -> Iterator[tuple[str, str, float]]:
    """User, item and time of each row; the time is the number of the row where the file has none."""
    from shoptalk.data.sources import recbole  # imports ibis, which other files do not need

    fields = recbole.fields_of(path)
    stamp = next((name for name in ("timestamp", "time") if name in fields), None)
    count = 0
    for number, where, row in read_table(path):
        user, item = row["user_id"], row["item_id"]
        if not user or not item:
            raise SourceError("the row has no user or no item", where=where, hint="remove the row")
        try:
            time = float(number if stamp is None else row[stamp])
        except ValueError as error:
            raise SourceError(
                f"the timestamp {row[stamp or '']!r} is not a number", where=where, hint="write seconds since 1970"
            ) from error
        count += 1
        yield user, item, time
    if not count:
        raise SourceError("the file has no rows", where=str(path), hint="write one interaction per line")


def _titles(path: Path) -> dict[str, str]:
    """Titles by item, from the file of items beside a file of interactions; empty without one."""
    from shoptalk.data.sources import recbole

    beside = path.with_name(path.name.split(".")[0] + ".item")
    if not beside.exists():
        return {}
    fields = recbole.fields_of(beside)
    title = next((name for name in recbole.TITLES if name in fields), None)
    if title is None or "item_id" not in fields:
        return {}
    return {row["item_id"]: _text(row[title]) for _, _, row in read_table(beside)}


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
