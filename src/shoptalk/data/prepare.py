"""From raw files to a dataset folder: read, clean, filter, split, draw options, write."""

import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shoptalk import schema
from shoptalk.arrow import number_array, numbers, text_array
from shoptalk.data import candidates, tables
from shoptalk.data.cases import TEST, TRAIN, VALIDATION, case_rows
from shoptalk.data.clean import clean_titles
from shoptalk.data.dataset import FORMAT, fingerprint
from shoptalk.data.engine import Engine
from shoptalk.data.filter import FilterResult, filter_coded
from shoptalk.data.sources.registry import read
from shoptalk.data.split import SPLIT, cold_items, random, split, withhold
from shoptalk.data.split_checks import check_cases
from shoptalk.errors import DatasetError, UsageError
from shoptalk.files import replacing, sha256, write_json
from shoptalk.progress import Progress, silent
from shoptalk.recipe import CandidatesSection, Recipe
from shoptalk.results.dataset import DatasetInfo, PrepareResult, SourceFile, TableFile
from shoptalk.system import package_versions, peak_memory, python_version
from shoptalk.typed_json import as_json

_WORK_FOLDER = ".work"
#: Number of steps that are reported as progress: reading, cleaning and filtering, splitting, writing.
STEPS = 4
_DATASET_FILES = {*tables.COLUMNS, tables.INFO}
_ASYMMETRIC = (
    'titles are cleaned ASYMMETRICALLY (data.cleaning = "asymmetric"): the right option is cleaned and the distractors '
    "are not, so it can be recognised without any history; this level only reproduces published numbers, and they must "
    "not be trusted"
)


def prepare(recipe: Recipe, out: Path, progress: Progress = silent) -> PrepareResult:
    """Make a dataset folder; an existing one is replaced only when the new one is complete.

    Parameters
    ----------
    recipe
        Its sections ``data``, ``split`` and ``candidates``, its seed and ``prompt.fields`` are used.
    out
        The folder: it does not exist, is empty, or is a dataset.
    progress
        Called at the beginning of each of the `STEPS`.

    Returns
    -------
    PrepareResult
        What ``shoptalk prepare --json`` prints.

    Raises
    ------
    ShoptalkError
        For files that cannot be read, filters that leave nothing, or a folder that cannot be written.
    """
    started = time.perf_counter()
    _check_output(out)
    with replacing(out) as folder:
        folder.mkdir()
        work_folder = folder / _WORK_FOLDER
        work_folder.mkdir()
        with Engine(work_folder) as engine:
            info = _build(recipe, folder, engine, progress)
        shutil.rmtree(work_folder)
        seconds = round(time.perf_counter() - started, 3)
        info = replace(info, seconds=seconds, peak_memory_bytes=peak_memory())
        write_json(folder / tables.INFO, as_json(info))
    return PrepareResult(
        dataset=str(out),
        read=info.read,
        dropped=info.dropped,
        kept=info.kept,
        cases=info.cases,
        fingerprint=info.fingerprint,
        seconds=info.seconds,
        peak_memory_bytes=info.peak_memory_bytes,
        warnings=info.warnings,
    )


def _build(recipe: Recipe, folder: Path, engine: Engine, progress: Progress) -> DatasetInfo:
    """Write the tables; return the content of ``dataset.json`` except time and memory."""
    progress("prepare", 0, STEPS, "reading")
    raw_tables = read(recipe.data, recipe.kept_columns, engine)
    progress("prepare", 1, STEPS, "cleaning titles and filtering")
    items = clean_titles(raw_tables.items, recipe.data.cleaning, engine)
    filtered = filter_coded(raw_tables.interactions, items, recipe.data, engine, recipe.data_seed)
    engine.drop(raw_tables.interactions)
    progress("prepare", 2, STEPS, "splitting")
    dropped = dict(filtered.dropped)
    if recipe.split.cold:
        filtered, dropped["cold"] = _withhold(filtered, recipe, engine)
    dropped["unbought"] = filtered.unbought
    parts, cases = _split(filtered, recipe, engine)
    split_warnings = check_cases(parts, cases, recipe, engine)
    progress("prepare", 3, STEPS, "writing" if recipe.candidates is None else "drawing options")
    item_columns, written = _write_items(filtered.items, folder, engine)
    rows = _RowsWriter(recipe, folder, engine, parts, cases, item_columns)
    written |= rows.write()
    warnings = [
        *([_ASYMMETRIC] if recipe.data.cleaning == "asymmetric" else []),
        *raw_tables.warnings,
        *split_warnings,
        *rows.warnings(),
    ]
    return DatasetInfo(
        format=FORMAT,
        fingerprint=fingerprint(recipe, {name: {"content": table.digest} for name, table in written.items()}),
        read=raw_tables.read,
        dropped=dropped,
        kept={
            "users": rows.users,
            "items": written[tables.ITEMS].rows,
            "interactions": written[tables.INTERACTIONS].rows,
        },
        cases=rows.cases,
        warnings=tuple(warnings),
        sources=_sources(raw_tables.files),
        tables={name: TableFile(table.rows, table.digest, sha256(folder / name)) for name, table in written.items()},
        recipe=recipe.model_dump(mode="json"),
        packages={"python": python_version(), **package_versions()},
    )


def _split(filtered: FilterResult, recipe: Recipe, engine: Engine) -> tuple[ir.Table, dict[str, int]]:
    """The rows with ids, position, part and ``order``, which sorts as the users' ids do; the number of cases."""
    if random(recipe.split):
        named = filtered.named(filtered.rows).drop("user", "item")
        parts = engine.cache(split(named, recipe.split, recipe.data_seed, engine.cache))
        return parts.mutate(order=parts[schema.USER]), _count_cases(parts, engine)
    coded = filtered.rows.rename({schema.USER: "user", schema.ITEM: "item"})
    parts = engine.cache(split(coded, recipe.split, recipe.data_seed, engine.cache))
    engine.drop(filtered.rows)
    named = filtered.named(parts.rename({"user": schema.USER, "item": schema.ITEM}))
    return named.rename(order="user").drop("item"), _count_cases(parts, engine)


def _withhold(filtered: FilterResult, recipe: Recipe, engine: Engine) -> tuple[FilterResult, int]:
    """Drop all purchases of cold items except test purchases; the catalogue is unchanged. Also the number dropped."""
    before = engine.counts(n=filtered.rows)["n"]
    cold = cold_items(filtered.item_index, recipe.split, recipe.data_seed)
    if random(recipe.split):
        named = filtered.named(filtered.rows).drop("user", "item")
        remaining = withhold(named, cold.select(schema.ITEM), recipe.split, recipe.data_seed, engine.cache)
        remaining = remaining.join(filtered.users, schema.USER).join(
            filtered.item_index.select(schema.ITEM, "item"), schema.ITEM
        )
        remaining = remaining.drop(schema.USER, schema.ITEM)
    else:
        coded = filtered.rows.rename({schema.USER: "user", schema.ITEM: "item"})
        cold_codes = cold.select("item").rename({schema.ITEM: "item"})
        remaining = withhold(coded, cold_codes, recipe.split, recipe.data_seed, engine.cache)
        remaining = remaining.rename({"user": schema.USER, "item": schema.ITEM})
    remaining = engine.cache(remaining)
    engine.drop(filtered.rows)
    return replace(filtered, rows=remaining), before - engine.counts(n=remaining)["n"]


def _check_output(out: Path) -> None:
    """Refuse to replace anything but a dataset or an empty folder."""
    if not out.exists():
        return
    foreign = sorted({path.name for path in out.iterdir()} - _DATASET_FILES) if out.is_dir() else [out.name]
    if foreign:
        raise UsageError(
            f"the output folder holds something else ({', '.join(foreign[:3])}), which is not overwritten",
            where=str(out),
            hint="choose another folder for --out",
        )


@dataclass(frozen=True)
class _ItemColumns:
    """Columns of the bought items, from which options are drawn; a code is an index in the sorted ``item_ids``."""

    item_ids: pa.Array
    titles: list[str]
    raw_titles: list[str]
    categories: list[list[str]]

    @property
    def size(self) -> int:
        """The number of bought items."""
        return len(self.item_ids)


def _write_items(items: ir.Table, folder: Path, engine: Engine) -> tuple[_ItemColumns, dict[str, tables.TableWriter]]:
    """Write the table of items; return the columns of the bought ones, and the closed writer by file name."""
    columns = tables.table_schema(tables.ITEMS, frozenset(items.columns))
    ordered = items.select(*columns.names, "bought").order_by(schema.ITEM)
    item_columns: dict[str, list[Any]] = {name: [] for name in (tables.RAW_TITLE, schema.TITLE, schema.CATEGORIES)}
    item_ids = []
    writer = tables.TableWriter(folder / tables.ITEMS, columns)
    for batch in engine.batches(ordered):
        writer.write(pa.Table.from_batches([batch]).select(columns.names))
        # Options are bought items: one that nobody buys could be excluded without any history.
        bought = batch.filter(batch["bought"])
        item_ids.append(bought[schema.ITEM].cast(pa.string()))
        for name in item_columns.keys() & set(columns.names):
            item_columns[name] += bought[name].to_pylist()
    writer.close()
    return (
        _ItemColumns(
            item_ids=pa.concat_arrays(item_ids) if item_ids else text_array([]),
            titles=[title or "" for title in item_columns[schema.TITLE]],
            raw_titles=[title or "" for title in item_columns[tables.RAW_TITLE]],
            categories=[value or [] for value in item_columns[schema.CATEGORIES]],
        ),
        {tables.ITEMS: writer},
    )


class _RowsWriter:
    """Writes interactions, splits and candidates together, in chunks of some tens of thousands of rows."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        engine: Engine,
        parts: ir.Table,
        cases: dict[str, int],
        item_columns: _ItemColumns,
    ) -> None:
        self.folder, self.engine, self.parts, self.item_columns = folder, engine, parts, item_columns
        self.section = recipe.candidates
        self.users = 0
        self.cases = cases
        self.columns = tables.table_schema(tables.INTERACTIONS, frozenset(parts.columns))
        self._part_names = text_array(schema.PARTS)
        if self.section is not None:
            # Separate generators, so that the positions of the answers do not depend on the number of collisions.
            item_rng, position_rng = (np.random.default_rng([recipe.data_seed, stream]) for stream in (1, 2))
            asymmetric = recipe.data.cleaning == "asymmetric"
            self._drawer = _drawer(self.section, asymmetric, item_columns, parts, engine, item_rng)
            self._answer_positions = {
                part: candidates.answer_positions(cases[schema.PARTS[part]], self.section.options, position_rng)
                for part in (TRAIN, VALIDATION, TEST)
            }
            self._positions_used = dict.fromkeys(self._answer_positions, 0)

    def warnings(self) -> list[str]:
        """Warnings about the candidates."""
        warnings = []
        if self.section is not None and self._drawer.fallbacks:
            warnings.append(
                f"{self._drawer.fallbacks} distractors were drawn uniformly: {self.section.negatives} had too few items"
            )
        return warnings

    def write(self) -> dict[str, tables.TableWriter]:
        """Write all tables; return the closed writers by file name."""
        names = [tables.INTERACTIONS, tables.SPLITS, *([tables.CANDIDATES] if self.section is not None else [])]
        writers = [
            tables.TableWriter(
                self.folder / name, self.columns if name == tables.INTERACTIONS else tables.table_schema(name)
            )
            for name in names
        ]
        for chunk in self._chunks():
            for writer, table in zip(writers, self._tables(chunk), strict=True):
                writer.write(table)
        for writer in writers:
            writer.close()
        if not self.users:
            raise DatasetError("nothing is left after filtering", hint="loosen the filters in [data]")
        return dict(zip(names, writers, strict=True))

    def _chunks(self) -> Iterator[pa.Table]:
        """The rows in order, in chunks that hold whole users."""
        ordered = self.parts.order_by(["order", schema.POSITION]).select(*self.columns.names, SPLIT)
        last_user: pa.Table | None = None
        for batch in self.engine.batches(ordered):
            table = pa.Table.from_batches([batch])
            table = table if last_user is None else pa.concat_tables([last_user, table])
            starts = np.flatnonzero(numbers(table[schema.POSITION]) == 0)
            if starts[-1] > 0:
                yield table.slice(0, starts[-1])
            last_user = table.slice(starts[-1])
        if last_user is not None:
            yield last_user

    def _tables(self, chunk: pa.Table) -> Iterator[pa.Table]:
        """The rows of a chunk for each table, in the order of `write`."""
        yield chunk
        yield chunk
        position = numbers(chunk[schema.POSITION]).astype(np.int64)
        self.users += int((position == 0).sum())
        if self.section is not None:
            yield self._candidates(chunk, position, self.section.options)

    def _candidates(self, chunk: pa.Table, position: candidates.IntArray, options: int) -> pa.Table:
        """The candidates of the cases of a chunk."""
        part = numbers(pc.index_in(chunk[SPLIT].cast(pa.string()), value_set=self._part_names)).astype(np.int8)
        item = pc.index_in(chunk[schema.ITEM].cast(pa.string()), value_set=self.item_columns.item_ids)
        if item.null_count:
            raise DatasetError("an interaction names an item that is not among the items")
        codes = numbers(item).astype(np.int64)
        rows = np.flatnonzero(case_rows(position, part))
        answer = np.zeros(len(rows), dtype=np.int8)
        for part_number, answer_positions in self._answer_positions.items():
            in_part = part[rows] == part_number
            start = self._positions_used[part_number]
            end = start + int(in_part.sum())
            answer[in_part] = answer_positions[start:end]
            self._positions_used[part_number] = end
        distractors = self._drawer.draw(np.cumsum(position == 0), codes, rows)
        arranged = candidates.arrange(codes[rows], distractors, answer)
        lists = pa.ListArray.from_arrays(
            number_array(np.arange(0, arranged.size + 1, options, dtype=np.int32)),
            self.item_columns.item_ids.take(number_array(arranged.ravel())),
        )
        cases = chunk.select([schema.USER, schema.POSITION, SPLIT]).take(number_array(rows))
        return cases.append_column(tables.OPTIONS, lists).append_column(tables.ANSWER, number_array(answer))


def _count_cases(parts: ir.Table, engine: Engine) -> dict[str, int]:
    """Part -> number of its cases."""
    training_cases = (parts[SPLIT] == schema.PARTS[TRAIN]) & (parts[schema.POSITION] > 0)
    evaluation_users = {
        schema.PARTS[part]: parts[schema.USER].nunique(where=parts[SPLIT] == schema.PARTS[part])
        for part in (VALIDATION, TEST)
    }
    return engine.counts(train=training_cases.sum(), **evaluation_users)


def _drawer(
    section: CandidatesSection,
    asymmetric: bool,
    item_columns: _ItemColumns,
    parts: ir.Table,
    engine: Engine,
    rng: np.random.Generator,
) -> candidates.Drawer:
    """The drawer of distractors for a recipe's ``[candidates]``."""
    known: dict[str, int] = {}
    as_answer = candidates.title_codes(item_columns.titles, known)
    as_distractor = candidates.title_codes(item_columns.raw_titles, known) if asymmetric else as_answer
    proposal: candidates.Proposal = candidates.Uniform(item_columns.size)
    if section.negatives == "popularity":
        proposal = candidates.Popularity(_bought(parts, item_columns, engine))
    elif section.negatives == "same-category":
        proposal = candidates.by_category(item_columns.categories or [[]] * item_columns.size)
    elif section.negatives == "similar-title":
        proposal = candidates.by_title(item_columns.titles, section.options)
    return candidates.Drawer(proposal, as_answer, as_distractor, section, rng)


def _bought(parts: ir.Table, item_columns: _ItemColumns, engine: Engine) -> candidates.IntArray:
    """(I,) number of training purchases of each item."""
    training_rows = parts.filter(parts[SPLIT] == schema.PARTS[TRAIN])
    counts = engine.to_pyarrow(training_rows.group_by(schema.ITEM).agg(bought=training_rows.count()))
    index = numbers(pc.index_in(counts[schema.ITEM].cast(pa.string()), value_set=item_columns.item_ids))
    bought = np.zeros(item_columns.size, dtype=np.int64)
    bought[index] = numbers(counts["bought"])
    return bought


def _sources(files: Iterable[Path | str]) -> tuple[SourceFile, ...]:
    """The paths of the source files with their SHA-256; tables of a database have none."""
    return tuple(
        SourceFile(str(path), sha256(path) if isinstance(path, Path) else None)
        for path in files
        if isinstance(path, str) or path.is_file()
    )
