"""A dataset folder, opened: items, histories, and what is learned from and predicted."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shoptalk import schema
from shoptalk.data import tables
from shoptalk.data.cases import (
    TEST,
    VALIDATION,
    Frozen,
    Histories,
    Rows,
    Sealed,
    all_histories,
    asked_rows,
    part_cases,
    train_cases,
    train_histories,
)
from shoptalk.errors import DatasetError, RecipeError
from shoptalk.files import JsonObject, read_json, sha256
from shoptalk.recipe import Recipe, parse_recipe
from shoptalk.schema import Catalogue, History, Item, Split

#: Layout of the folder; another number needs another shoptalk.
FORMAT = 1
_AGAIN = "make the dataset again with shoptalk prepare"


@dataclass(frozen=True)
class Dataset:
    """An opened dataset folder.

    ``info`` is the content of ``dataset.json``; ``fingerprint`` says which data this is, wherever it was made.
    """

    folder: Path
    recipe: Recipe
    fingerprint: str
    info: dict[str, Any]
    catalogue: Catalogue

    @cached_property
    def rows(self) -> Rows:
        """All interactions in numbers."""
        with _Damage(self.folder):
            return _read_rows(self.folder, self.catalogue, asymmetric=self.recipe.data.cleaning == "asymmetric")

    def split(self, targets: Literal["last", "every"] = "every") -> Split:
        """What is learned from and what is predicted.

        Parameters
        ----------
        targets
            Questions of a training user: ``every`` purchase but the first, or the ``last`` one; with a split by user
            and a history of n, ``last`` is the purchase after the first n, exactly as in the test.
        """
        rows, section = self.rows, self.recipe.split
        after = section.history if section.method == "by-user" else 0
        return Split(
            train=train_histories(rows),
            train_cases=train_cases(rows, every=targets == "every", after=after),
            validation=part_cases(rows, VALIDATION),
            test=Sealed(str(self.folder)) if self.sealed else part_cases(rows, TEST),
        )

    @property
    def sealed(self) -> bool:
        """Whether the test cases were left out (see `shoptalk.data.sealed`)."""
        return tables.WHOLE in self.info

    def histories(self) -> Histories:
        """Everything that every user has, users in the order of their ids."""
        return all_histories(self.rows)

    def history(self, user_id: str) -> History:
        """Everything that one user has.

        Raises
        ------
        DatasetError
            For an unknown user, with the nearest known ids.
        """
        rows = self.rows
        number = self._numbers.get(user_id)
        if number is None:
            from rapidfuzz import process

            near = [match[0] for match in process.extract(user_id, rows.users.tolist(), limit=3)]
            raise DatasetError(
                f"no user {user_id!r} in this dataset of {len(rows.users)} users",
                where=str(self.folder),
                hint=f"the nearest ids are {', '.join(near)}",
            )
        return all_histories(rows)[number]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {user: number for number, user in enumerate(self.rows.users.tolist())}


def open_dataset(folder: Path) -> Dataset:
    """Open a dataset folder, after checking that it is the one that `prepare` wrote.

    Raises
    ------
    DatasetError
        When a file is missing, damaged or was changed, or the folder is no dataset.
    """
    info = _read_info(folder)
    with _Damage(folder):
        recipe = parse_recipe(info["recipe"], where=str(folder / tables.INFO))
        _check_tables(folder, info["tables"])
        if info["fingerprint"] != fingerprint(recipe, info.get(tables.WHOLE) or info["tables"]):
            raise DatasetError(
                "the fingerprint does not fit the data: the file was changed",
                where=str(folder / tables.INFO),
                hint=_AGAIN,
            )
        return Dataset(folder, recipe, info["fingerprint"], info, _read_catalogue(folder))


def fingerprint(recipe: Recipe, written: dict[str, dict[str, Any]]) -> str:
    """SHA-256 of what defines the data: the tables' content, and how cases are made of it; no path, time or machine.

    Parameters
    ----------
    recipe
        Its cleaning, split and candidates count.
    written
        For each table's file name at least its ``content``, the digest of its rows.
    """
    split = recipe.split.model_dump(mode="json")
    if not split["cold"]:  # a share that withholds nothing says nothing about the data
        del split["cold"]
    defines = {
        "format": FORMAT,
        "tables": {name: table["content"] for name, table in written.items()},
        "cleaning": recipe.data.cleaning,
        "split": split,
        "candidates": recipe.candidates.model_dump(mode="json") if recipe.candidates else None,
    }
    return hashlib.sha256(json.dumps(defines, sort_keys=True).encode()).hexdigest()


def check_fit(recipe: Recipe, dataset: Dataset) -> None:
    """Make sure that a dataset was made with a recipe's settings; paths may differ, as the same data lies anywhere.

    Raises
    ------
    DatasetError
        Naming every setting that differs, with the dataset's value and the recipe's.
    """
    wanted, made = _deciding(recipe), _deciding(dataset.recipe)
    if not (_seed_decides(recipe) or _seed_decides(dataset.recipe)):
        wanted.pop("seed"), made.pop("seed")
    differ = [
        f"{name} is {_shown(made.get(name))} in the dataset and {_shown(wanted.get(name))} in the recipe"
        for name in [*wanted, *(name for name in made if name not in wanted)]
        if wanted.get(name) != made.get(name)
    ]
    if missing := sorted(set(recipe.prompt.fields) - set(dataset.recipe.prompt.fields) - {"title", "token"}):
        differ.append(f"prompt.fields names {', '.join(missing)}, which the dataset was made without")
    if differ:
        raise DatasetError(
            f"the dataset was made with other settings: {'; '.join(differ)}",
            where=str(dataset.folder),
            hint="give the recipe the dataset's settings, or make the dataset again with shoptalk prepare",
        )


def _deciding(recipe: Recipe) -> dict[str, Any]:
    """Every setting that decides what a dataset holds, by its name in a recipe; of paths only whether there is one."""
    settings: dict[str, Any] = {}
    for section in ("data", "split", "candidates"):
        content = getattr(recipe, section)
        if content is None:
            settings[section] = None
            continue
        for name, value in content.model_dump(mode="json").items():
            settings[f"{section}.{name}"] = value
    del settings["data.reviews"], settings["data.interactions"], settings["data.seed"]  # one of the paths is always set
    settings["data.items"] = settings["data.items"] is not None
    settings["data.keep"] = sorted(settings["data.keep"])
    return {**settings, "seed": recipe.data_seed}


def _seed_decides(recipe: Recipe) -> bool:
    """Whether another seed would give another dataset."""
    split = recipe.split
    drawn = split.method == "by-user" or split.ties == "random" or split.cold > 0
    return drawn or recipe.candidates is not None


def _shown(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


class _Damage:
    """Turns whatever a damaged file makes a library raise into one clear error."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RecipeError):
            raise DatasetError(error.message, where=error.where, hint=_AGAIN) from error
        if isinstance(error, (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError)):
            reason = " ".join(str(error).split())[:200]
            raise DatasetError(f"the dataset is damaged: {reason}", where=str(self.folder), hint=_AGAIN) from error


def _read_info(folder: Path) -> JsonObject:
    path = folder / tables.INFO
    if not folder.is_dir():
        missing = "is not a folder" if folder.exists() else "does not exist"
        raise DatasetError(f"the dataset folder {missing}", where=str(folder), hint="make one with shoptalk prepare")
    if not path.is_file():
        raise DatasetError(
            f"not a dataset: it has no {tables.INFO}", where=str(folder), hint="make one with shoptalk prepare"
        )
    info = read_json(path, error=DatasetError, hint=_AGAIN) or {}
    if not isinstance(info.get("tables"), dict) or not isinstance(info.get("recipe"), dict):
        raise DatasetError("not what shoptalk prepare writes", where=str(path), hint=_AGAIN)
    if info.get("format") != FORMAT:
        raise DatasetError(
            f"the dataset has format {info.get('format')!r}, this shoptalk reads {FORMAT}", where=str(path), hint=_AGAIN
        )
    return info


def _check_tables(folder: Path, written: dict[str, dict[str, Any]]) -> None:
    """Every table is there, byte for byte as it was written."""
    needed = {tables.ITEMS, tables.INTERACTIONS, tables.SPLITS}
    if not needed <= written.keys() <= needed | {tables.CANDIDATES}:
        raise DatasetError("the list of tables was changed", where=str(folder / tables.INFO), hint=_AGAIN)
    for name, table in written.items():
        path = folder / name
        if not path.is_file():
            raise DatasetError("the dataset lacks this table", where=str(path), hint=_AGAIN)
        if sha256(path) != table["sha256"]:
            raise DatasetError("the table is damaged or was changed", where=str(path), hint=_AGAIN)


def _read_catalogue(folder: Path) -> dict[str, Item]:
    table = pq.read_table(folder / tables.ITEMS)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for name in (schema.CATEGORIES, schema.FEATURES):
        if name in columns:
            columns[name] = [tuple(value or ()) for value in columns[name]]
    names = list(columns)
    return {values[0]: Item(**dict(zip(names, values, strict=True))) for values in zip(*columns.values(), strict=True)}


def _read_rows(folder: Path, catalogue: Catalogue, *, asymmetric: bool) -> Rows:
    coded = [schema.USER, schema.ITEM]
    table = pq.read_table(folder / tables.INTERACTIONS, read_dictionary=coded)
    names = pa.array(list(catalogue), pa.string())
    position = table[schema.POSITION].to_numpy().astype(np.int64)
    part = _codes(pq.read_table(folder / tables.SPLITS, columns=[tables.SPLIT])[tables.SPLIT], pa.array(schema.PARTS))
    start = np.flatnonzero(position == 0)
    code = _codes(table[schema.ITEM], names)
    items = list(catalogue.values())
    path = folder / tables.CANDIDATES
    return Rows(
        users=_objects(table[schema.USER].take(pa.array(start)).cast(pa.string())),
        start=start,
        end=np.append(start[1:], len(position)),
        item=_texts(list(catalogue))[code],
        code=code.astype(np.int32),
        time=table[schema.TIME].to_numpy(),
        position=position,
        part=part.astype(np.int8),
        rating=table[schema.RATING].to_numpy(),
        review=_objects(table[schema.REVIEW]) if schema.REVIEW in table.column_names else None,
        names=list(catalogue),
        titles=[item.title for item in items],
        raw_titles=[item.raw_title for item in items] if asymmetric else None,
        frozen=_read_frozen(path, names, asked_rows(position, part.astype(np.int8))) if path.exists() else None,
    )


def _read_frozen(path: Path, names: pa.Array, asked: NDArray[np.bool_]) -> Frozen:
    table = pq.read_table(
        path, columns=[tables.OPTIONS, tables.ANSWER], read_dictionary=[f"{tables.OPTIONS}.list.element"]
    )
    codes = _codes(pc.list_flatten(table[tables.OPTIONS]), names)
    if table.num_rows != asked.sum():
        raise ValueError(f"{path.name} has {table.num_rows} rows for {asked.sum()} cases")
    options = codes.astype(np.int32).reshape(table.num_rows, -1) if table.num_rows else np.empty((0, 0), np.int32)
    return Frozen(options, table[tables.ANSWER].to_numpy(), np.cumsum(asked) - 1)


def _codes(column: pa.ChunkedArray, values: pa.Array) -> NDArray[np.int64]:
    """(R,) place of each value among ``values``."""
    found = pc.index_in(column, value_set=values.cast(pa.string()))
    if found.null_count:
        raise ValueError("a value is not in the catalogue")
    return found.to_numpy().astype(np.int64)


def _objects(column: pa.ChunkedArray) -> NDArray[np.object_]:
    return column.to_numpy().astype(object)


def _texts(texts: list[str]) -> NDArray[np.object_]:
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array
