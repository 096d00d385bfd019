"""A dataset folder, opened: its items, its histories and its split."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoptalk import schema
from shoptalk.arrow import number_array, numbers, read_parquet, text_array
from shoptalk.data import tables
from shoptalk.data.cases import (
    TEST,
    TRAIN,
    VALIDATION,
    CandidateArrays,
    Histories,
    Rows,
    Sealed,
    all_histories,
    case_rows,
    part_cases,
    train_cases,
    train_histories,
)
from shoptalk.errors import DatasetError, RecipeError
from shoptalk.files import JsonObject, read_json, sha256
from shoptalk.graph.dated_purchases import DatedPurchases
from shoptalk.recipe import Recipe, parse_recipe
from shoptalk.schema import Catalogue, History, Item, Split

#: The version of the folder's layout that this version of shoptalk reads and writes.
FORMAT = 1
_PREPARE_AGAIN = "make the dataset again with shoptalk prepare"


@dataclass(frozen=True, repr=False)
class Dataset:
    """An opened dataset folder.

    ``info`` is the content of ``dataset.json``; ``fingerprint`` identifies the data, independently of path and machine.
    """

    folder: Path
    recipe: Recipe
    fingerprint: str
    info: dict[str, Any]
    catalogue: Catalogue

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}={count}" for name, count in self.info["kept"].items())
        return f"Dataset({counts}, folder={str(self.folder)!r})"

    @cached_property
    def rows(self) -> Rows:
        """All interactions as arrays."""
        with _DamageErrors(self.folder):
            return _read_rows(self.folder, self.catalogue, asymmetric=self.recipe.data.cleaning == "asymmetric")

    def split(self, targets: Literal["last", "every"] = "every") -> Split:
        """The training, validation and test data.

        Parameters
        ----------
        targets
            The targets of a training user's cases: ``every`` purchase but the first, or the ``last`` one. With a split
            by user and a history of n, ``last`` is the purchase after the first n, as in the test.
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
        """Whether the dataset has no test cases (see `shoptalk.data.sealed`)."""
        return tables.WHOLE in self.info

    def histories(self) -> Histories:
        """The whole history of every user, sorted by user id."""
        return all_histories(self.rows)

    def learned_purchases(self, *, refit: bool) -> DatedPurchases:
        """The training purchases with their times; with ``refit`` also those of the validation part, never others."""
        rows = self.rows
        learned = rows.part == TRAIN
        if refit:
            learned |= rows.part == VALIDATION
        user = np.repeat(np.arange(len(rows.users)), rows.end - rows.start)
        return DatedPurchases(user[learned], rows.code[learned], rows.time[learned])

    def history(self, user_id: str) -> History:
        """The whole history of one user.

        Raises
        ------
        DatasetError
            For an unknown user, with the nearest known ids.
        """
        rows = self.rows
        number = self._user_numbers.get(user_id)
        if number is None:
            from rapidfuzz import process

            nearest = [match[0] for match in process.extract(user_id, rows.users.tolist(), limit=3)]
            raise DatasetError(
                f"no user {user_id!r} in this dataset of {len(rows.users)} users",
                where=str(self.folder),
                hint=f"the nearest ids are {', '.join(nearest)}",
            )
        return all_histories(rows)[number]

    @cached_property
    def _user_numbers(self) -> dict[str, int]:
        """User id -> its index in the arrays of users."""
        return {user: number for number, user in enumerate(self.rows.users.tolist())}


def open_dataset(folder: Path) -> Dataset:
    """Open a dataset folder, after checking that it is as `prepare` wrote it.

    Raises
    ------
    DatasetError
        When a file is missing, damaged or changed, or the folder is not a dataset.
    """
    info = _read_info(folder)
    with _DamageErrors(folder):
        recipe = parse_recipe(info["recipe"], where=str(folder / tables.INFO))
        _check_tables(folder, info["tables"])
        if info["fingerprint"] != fingerprint(recipe, info.get(tables.WHOLE) or info["tables"]):
            raise DatasetError(
                "the fingerprint does not match the data: the file was changed",
                where=str(folder / tables.INFO),
                hint=_PREPARE_AGAIN,
            )
        return Dataset(folder, recipe, info["fingerprint"], info, _read_catalogue(folder))


def fingerprint(recipe: Recipe, written: dict[str, dict[str, Any]]) -> str:
    """SHA-256 of the tables' content and of the settings that make cases of it; independent of path, time and machine.

    Parameters
    ----------
    recipe
        Its ``data.cleaning``, ``split`` and ``candidates`` are included.
    written
        File name of each table -> its entry in ``dataset.json``, of which ``content``, the digest of its rows, is used.
    """
    split = recipe.split.model_dump(mode="json")
    if not split["cold"]:  # then the fingerprint is that of datasets made before this setting existed
        del split["cold"]
    content = {
        "format": FORMAT,
        "tables": {name: table["content"] for name, table in written.items()},
        "cleaning": recipe.data.cleaning,
        "split": split,
        "candidates": recipe.candidates.model_dump(mode="json") if recipe.candidates else None,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def check_fit(recipe: Recipe, dataset: Dataset) -> None:
    """Check that a dataset was made with a recipe's settings; paths may differ.

    Raises
    ------
    DatasetError
        Naming every setting that differs, with its value in the dataset and in the recipe.
    """
    expected, actual = _data_settings(recipe), _data_settings(dataset.recipe)
    if not (_depends_on_seed(recipe) or _depends_on_seed(dataset.recipe)):
        del expected["seed"], actual["seed"]
    differences = [
        f"{name} is {_as_text(actual.get(name))} in the dataset and {_as_text(expected.get(name))} in the recipe"
        for name in [*expected, *(name for name in actual if name not in expected)]
        if expected.get(name) != actual.get(name)
    ]
    if missing := sorted(recipe.kept_columns - dataset.recipe.kept_columns - set(recipe.data.keep)):
        differences.append(f"the recipe reads {', '.join(missing)}, which the dataset was made without")
    if differences:
        raise DatasetError(
            f"the dataset was made with other settings: {'; '.join(differences)}",
            where=str(dataset.folder),
            hint="use the dataset's settings in the recipe, or make the dataset again with shoptalk prepare",
        )


def _data_settings(recipe: Recipe) -> dict[str, Any]:
    """Name in the recipe -> value of every setting that a dataset depends on; for paths, whether there is one."""
    settings: dict[str, Any] = {}
    for section in ("data", "split", "candidates"):
        content = getattr(recipe, section)
        if content is None:
            settings[section] = None
            continue
        for name, value in content.model_dump(mode="json").items():
            settings[f"{section}.{name}"] = value
    # One of the paths is always set.
    del settings["data.reviews"], settings["data.interactions"], settings["data.url"], settings["data.seed"]
    settings["data.items"] = settings["data.items"] is not None
    settings["data.keep"] = sorted(settings["data.keep"])
    return {**settings, "seed": recipe.data_seed}


def _depends_on_seed(recipe: Recipe) -> bool:
    """Whether another seed would give another dataset."""
    split = recipe.split
    random_split = split.method in {"by-user", "random"} or split.ties == "random" or split.cold > 0
    return random_split or recipe.candidates is not None or recipe.data.users is not None


def _as_text(value: Any) -> str:
    """A setting's value in a message."""
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


class _DamageErrors:
    """A context in which errors of libraries about a damaged file become `DatasetError`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RecipeError):
            raise DatasetError(error.message, where=error.where, hint=_PREPARE_AGAIN) from error
        if isinstance(error, (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError)):
            reason = " ".join(str(error).split())[:200]
            raise DatasetError(
                f"the dataset is damaged: {reason}", where=str(self.folder), hint=_PREPARE_AGAIN
            ) from error


def _read_info(folder: Path) -> JsonObject:
    """Read ``dataset.json``, and check that it has the expected form."""
    path = folder / tables.INFO
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise DatasetError(f"the dataset folder {problem}", where=str(folder), hint="make one with shoptalk prepare")
    if not path.is_file():
        raise DatasetError(
            f"not a dataset: it has no {tables.INFO}", where=str(folder), hint="make one with shoptalk prepare"
        )
    info = read_json(path, error=DatasetError, hint=_PREPARE_AGAIN) or {}
    if not isinstance(info.get("tables"), dict) or not isinstance(info.get("recipe"), dict):
        raise DatasetError("this file was not written by shoptalk prepare", where=str(path), hint=_PREPARE_AGAIN)
    if info.get("format") != FORMAT:
        raise DatasetError(
            f"the dataset has format {info.get('format')!r}, this shoptalk reads {FORMAT}",
            where=str(path),
            hint=_PREPARE_AGAIN,
        )
    return info


def _check_tables(folder: Path, written: dict[str, dict[str, Any]]) -> None:
    """Check that every table exists and has the bytes that were written."""
    required = {tables.ITEMS, tables.INTERACTIONS, tables.SPLITS}
    if not required <= written.keys() <= required | {tables.CANDIDATES}:
        raise DatasetError("the list of tables was changed", where=str(folder / tables.INFO), hint=_PREPARE_AGAIN)
    for name, table in written.items():
        path = folder / name
        if not path.is_file():
            raise DatasetError("the dataset lacks this table", where=str(path), hint=_PREPARE_AGAIN)
        if sha256(path) != table["sha256"]:
            raise DatasetError("the table is damaged or was changed", where=str(path), hint=_PREPARE_AGAIN)


def _read_catalogue(folder: Path) -> dict[str, Item]:
    """Item id -> item."""
    table = read_parquet(folder / tables.ITEMS)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for name in (schema.CATEGORIES, schema.FEATURES):
        if name in columns:
            columns[name] = [tuple(value or ()) for value in columns[name]]
    names = list(columns)
    return {values[0]: Item(**dict(zip(names, values, strict=True))) for values in zip(*columns.values(), strict=True)}


def _read_rows(folder: Path, catalogue: Catalogue, *, asymmetric: bool) -> Rows:
    """Read interactions, parts and candidates as arrays."""
    table = read_parquet(folder / tables.INTERACTIONS, dictionaries=[schema.USER, schema.ITEM])
    item_ids = text_array(list(catalogue))
    position = numbers(table[schema.POSITION]).astype(np.int64)
    part = _codes(read_parquet(folder / tables.SPLITS, columns=[tables.SPLIT])[tables.SPLIT], text_array(schema.PARTS))
    start = np.flatnonzero(position == 0)
    code = _codes(table[schema.ITEM], item_ids)
    items = list(catalogue.values())
    path = folder / tables.CANDIDATES
    is_case = case_rows(position, part.astype(np.int8))
    return Rows(
        users=_objects(table[schema.USER].take(number_array(start)).cast(pa.string())),
        start=start,
        end=np.append(start[1:], len(position)),
        item=_object_array(list(catalogue))[code],
        code=code.astype(np.int32),
        time=numbers(table[schema.TIME]),
        position=position,
        part=part.astype(np.int8),
        rating=numbers(table[schema.RATING]),
        review=_objects(table[schema.REVIEW]) if schema.REVIEW in table.column_names else None,
        item_ids=list(catalogue),
        titles=[item.title for item in items],
        raw_titles=[item.raw_title for item in items] if asymmetric else None,
        candidates=_read_candidates(path, item_ids, is_case) if path.exists() else None,
    )


def _read_candidates(path: Path, item_ids: pa.Array, is_case: NDArray[np.bool_]) -> CandidateArrays:
    """Read the candidates of the rows ``is_case`` (R,)."""
    table = read_parquet(path, columns=[tables.OPTIONS, tables.ANSWER], dictionaries=[f"{tables.OPTIONS}.list.element"])
    codes = _codes(pc.list_flatten(table[tables.OPTIONS]), item_ids)
    if table.num_rows != is_case.sum():
        raise ValueError(f"{path.name} has {table.num_rows} rows for {is_case.sum()} cases")
    options = codes.astype(np.int32).reshape(table.num_rows, -1) if table.num_rows else np.empty((0, 0), np.int32)
    return CandidateArrays(options, numbers(table[tables.ANSWER]), np.cumsum(is_case) - 1)


def _codes(column: pa.ChunkedArray, values: pa.Array) -> NDArray[np.int64]:
    """(R,) index of each value in ``values``."""
    indices = pc.index_in(column, value_set=values.cast(pa.string()))
    if indices.null_count:
        raise ValueError("a value is not in the catalogue")
    return numbers(indices).astype(np.int64)


def _objects(column: pa.ChunkedArray) -> NDArray[np.object_]:
    """A column of texts as an array of Python strings."""
    return _object_array(column.to_pylist())


def _object_array(texts: list[str]) -> NDArray[np.object_]:
    """A list of texts as an array of Python strings."""
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array
