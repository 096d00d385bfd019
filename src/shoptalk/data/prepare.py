"""From raw files to a dataset folder, readable as one paragraph: read, clean, filter, split, draw options, write."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shoptalk import schema
from shoptalk.data import candidates, tables
from shoptalk.data.cases import TEST, TRAIN, VALIDATION, asked_rows
from shoptalk.data.clean import clean_titles
from shoptalk.data.dataset import FORMAT, fingerprint
from shoptalk.data.engine import Engine
from shoptalk.data.enough import check_cases
from shoptalk.data.filter import FilterResult, keep_coded
from shoptalk.data.sources.registry import read
from shoptalk.data.split import SPLIT, cold_items, random, split, withhold
from shoptalk.errors import DatasetError, UsageError
from shoptalk.files import replacing, sha256, write_json
from shoptalk.progress import Progress, silent
from shoptalk.recipe import CandidatesSection, Recipe
from shoptalk.results.dataset import DatasetInfo, PrepareResult, SourceFile, TableFile
from shoptalk.system import package_versions, peak_memory, python_version
from shoptalk.typed_json import as_json

_WORK = ".work"
#: Steps that are told as they begin: reading, cleaning and filtering, splitting, writing.
STEPS = 4
_FILES = {*tables.COLUMNS, tables.INFO}
_ASYMMETRIC = (
    'titles are cleaned ASYMMETRICALLY (data.cleaning = "asymmetric"): the right option is cleaned and the distractors '
    "are not, "
    "so it can be told from them without any history; this level only reproduces published numbers, do not trust them"
)


def prepare(recipe: Recipe, out: Path, progress: Progress = silent) -> PrepareResult:
    """Make a dataset folder; an older one at the same place is replaced only when the new one is complete.

    Parameters
    ----------
    recipe
        Its sections data, split and candidates, its seed, and the fields of its prompt.
    out
        The folder: absent, empty, or a dataset.
    progress
        Told which of the `STEPS` begins, in a few words.

    Returns
    -------
    PrepareResult
        What ``shoptalk prepare --json`` prints.

    Raises
    ------
    ShoptalkError
        For files that cannot be read, filters that leave nothing, or a place that cannot be written.
    """
    started = time.perf_counter()
    _check_output(out)
    with replacing(out) as folder:
        folder.mkdir()
        work = folder / _WORK
        work.mkdir()
        with Engine(work) as engine:
            info = _build(recipe, folder, engine, progress)
        shutil.rmtree(work)
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
    """Write the tables; return what ``dataset.json`` says, but for time and memory."""
    progress("prepare", 0, STEPS, "reading")
    shop = read(recipe.data, recipe.kept_columns, engine)
    progress("prepare", 1, STEPS, "cleaning titles and filtering")
    items = clean_titles(shop.items, recipe.data.cleaning, engine)
    kept = keep_coded(shop.interactions, items, recipe.data, engine)
    engine.drop(shop.interactions)
    progress("prepare", 2, STEPS, "splitting")
    dropped = dict(kept.dropped)
    if recipe.split.cold:
        kept, dropped["cold"] = _withhold(kept, recipe, engine)
    dropped["unbought"] = kept.unbought
    parts, cases = _split(kept, recipe, engine)
    thin = check_cases(parts, cases, recipe, engine)
    progress("prepare", 3, STEPS, "writing" if recipe.candidates is None else "drawing options")
    item_columns, written = _write_items(kept.items, folder, engine)
    rows = _RowsWriter(recipe, folder, engine, parts, cases, item_columns)
    written |= rows.write()
    warnings = [
        *([_ASYMMETRIC] if recipe.data.cleaning == "asymmetric" else []),
        *shop.warnings,
        *thin,
        *rows.warnings(),
    ]
    return DatasetInfo(
        format=FORMAT,
        fingerprint=fingerprint(recipe, {name: {"content": table.digest} for name, table in written.items()}),
        read=shop.read,
        dropped=dropped,
        kept={
            "users": rows.users,
            "items": written[tables.ITEMS].rows,
            "interactions": written[tables.INTERACTIONS].rows,
        },
        cases=rows.cases,
        warnings=tuple(warnings),
        sources=_sources(shop.files),
        tables={name: TableFile(table.rows, table.digest, sha256(folder / name)) for name, table in written.items()},
        recipe=recipe.model_dump(mode="json"),
        packages={"python": python_version(), **package_versions()},
    )


def _split(kept: FilterResult, recipe: Recipe, engine: Engine) -> tuple[ir.Table, dict[str, int]]:
    """The rows with ids, place and part, and ``order``, which sorts as the users' ids do; the number of cases."""
    if random(recipe.split):
        named = kept.named(kept.rows).drop("user", "item")
        parts = engine.cache(split(named, recipe.split, recipe.data_seed, engine.cache))
        return parts.mutate(order=parts[schema.USER]), _count_cases(parts, engine)
    coded = kept.rows.rename({schema.USER: "user", schema.ITEM: "item"})
    parts = engine.cache(split(coded, recipe.split, recipe.data_seed, engine.cache))
    engine.drop(kept.rows)
    named = kept.named(parts.rename({"user": schema.USER, "item": schema.ITEM}))
    return named.rename(order="user").drop("item"), _count_cases(parts, engine)


def _withhold(kept: FilterResult, recipe: Recipe, engine: Engine) -> tuple[FilterResult, int]:
    """Cold items are bought in tests alone; the items stay in the catalogue. Also how many purchases that took."""
    before = engine.counts(n=kept.rows)["n"]
    chosen = cold_items(kept.item_index, recipe.split, recipe.data_seed)
    if random(recipe.split):
        named = kept.named(kept.rows).drop("user", "item")
        left = withhold(named, chosen.select(schema.ITEM), recipe.split, recipe.data_seed, engine.cache)
        left = left.join(kept.users, schema.USER).join(kept.item_index.select(schema.ITEM, "item"), schema.ITEM)
        left = left.drop(schema.USER, schema.ITEM)
    else:
        coded = kept.rows.rename({schema.USER: "user", schema.ITEM: "item"})
        cold = chosen.select("item").rename({schema.ITEM: "item"})
        left = withhold(coded, cold, recipe.split, recipe.data_seed, engine.cache)
        left = left.rename({"user": schema.USER, "item": schema.ITEM})
    left = engine.cache(left)
    engine.drop(kept.rows)
    return replace(kept, rows=left), before - engine.counts(n=left)["n"]


def _check_output(out: Path) -> None:
    """Only a dataset, or nothing, may be replaced: whatever else lies in the folder is somebody's work."""
    if not out.exists():
        return
    others = sorted({path.name for path in out.iterdir()} - _FILES) if out.is_dir() else [out.name]
    if others:
        raise UsageError(
            f"the place for the dataset holds something else ({', '.join(others[:3])}); it is left as it is",
            where=str(out),
            hint="choose another folder for --out",
        )


@dataclass(frozen=True)
class _ItemColumns:
    """What was bought of the catalogue, as options need it; an item's code is its place in the sorted ``names``."""

    names: pa.Array
    titles: list[str]
    raw_titles: list[str]
    categories: list[list[str]]

    @property
    def size(self) -> int:
        return len(self.names)


def _write_items(items: ir.Table, folder: Path, engine: Engine) -> tuple[_ItemColumns, dict[str, tables.TableWriter]]:
    columns = tables.table_schema(tables.ITEMS, frozenset(items.columns))
    ordered = items.select(*columns.names, "bought").order_by(schema.ITEM)
    item_columns: dict[str, list[Any]] = {name: [] for name in (tables.RAW_TITLE, schema.TITLE, schema.CATEGORIES)}
    names = []
    writer = tables.TableWriter(folder / tables.ITEMS, columns)
    for batch in engine.batches(ordered):
        writer.write(pa.Table.from_batches([batch]).select(columns.names))
        # An option that nobody buys would be known as wrong without any history.
        bought = batch.filter(batch["bought"])
        names.append(bought[schema.ITEM].cast(pa.string()))
        for name in item_columns.keys() & set(columns.names):
            item_columns[name] += bought[name].to_pylist()
    writer.close()
    return (
        _ItemColumns(
            names=pa.concat_arrays(names) if names else pa.array([], pa.string()),
            titles=[title or "" for title in item_columns[schema.TITLE]],
            raw_titles=[title or "" for title in item_columns[tables.RAW_TITLE]],
            categories=[value or [] for value in item_columns[schema.CATEGORIES]],
        ),
        {tables.ITEMS: writer},
    )


class _RowsWriter:
    """Writes interactions, splits and candidates side by side, some tens of thousands of rows at a time."""

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
        self._names = pa.array(schema.PARTS)
        if self.section is not None:
            # Two streams: how often a draw collides never moves the places of the answers.
            drawing, indices = (np.random.default_rng([recipe.data_seed, stream]) for stream in (1, 2))
            self._drawer = _drawer(
                self.section, recipe.data.cleaning == "asymmetric", item_columns, parts, engine, drawing
            )
            self._item_index = {
                part: candidates.answer_positions(self.cases[schema.PARTS[part]], self.section.options, indices)
                for part in (TRAIN, VALIDATION, TEST)
            }
            self._used = dict.fromkeys(self._item_index, 0)

    def warnings(self) -> list[str]:
        """What a reader of the dataset should know about its cases."""
        notes = []
        if self.section is not None and self._drawer.fallbacks:
            notes.append(
                f"{self._drawer.fallbacks} distractors were drawn uniformly: {self.section.negatives} had too few items"
            )
        return notes

    def write(self) -> dict[str, tables.TableWriter]:
        """Write everything; returns the closed writers by file name."""
        names = [tables.INTERACTIONS, tables.SPLITS, *([tables.CANDIDATES] if self.section is not None else [])]
        writers = [
            tables.TableWriter(self.folder / name, self.columns if at == 0 else tables.table_schema(name))
            for at, name in enumerate(names)
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
        """The rows in order, in chunks of whole users."""
        ordered = self.parts.order_by(["order", schema.POSITION]).select(*self.columns.names, SPLIT)
        waiting: pa.Table | None = None
        for batch in self.engine.batches(ordered):
            table = pa.Table.from_batches([batch])
            table = table if waiting is None else pa.concat_tables([waiting, table])
            firsts = np.flatnonzero(table[schema.POSITION].to_numpy() == 0)
            if firsts[-1] > 0:
                yield table.slice(0, firsts[-1])
            waiting = table.slice(firsts[-1])
        if waiting is not None:
            yield waiting

    def _tables(self, chunk: pa.Table) -> Iterator[pa.Table]:
        yield chunk
        yield chunk
        position = chunk[schema.POSITION].to_numpy().astype(np.int64)
        self.users += int((position == 0).sum())
        if self.section is not None:
            yield self._candidates(chunk, position, self.section.options)

    def _candidates(self, chunk: pa.Table, position: candidates.IntArray, options: int) -> pa.Table:
        part = pc.index_in(chunk[SPLIT].cast(pa.string()), value_set=self._names).to_numpy().astype(np.int8)
        item = pc.index_in(chunk[schema.ITEM].cast(pa.string()), value_set=self.item_columns.names)
        if item.null_count:
            raise DatasetError("an interaction names an item that is not among the items")
        codes = item.to_numpy().astype(np.int64)
        asked = np.flatnonzero(asked_rows(position, part))
        index = np.zeros(len(asked), dtype=np.int8)
        for one, indices in self._item_index.items():
            mine = part[asked] == one
            index[mine] = indices[self._used[one] : self._used[one] + mine.sum()]
            self._used[one] += int(mine.sum())
        distractors = self._drawer.draw(np.cumsum(position == 0), codes, asked)
        arranged = candidates.arrange(codes[asked], distractors, index)
        lists = pa.ListArray.from_arrays(
            pa.array(np.arange(0, arranged.size + 1, options, dtype=np.int32)),
            self.item_columns.names.take(pa.array(arranged.ravel())),
        )
        questions = chunk.select([schema.USER, schema.POSITION, SPLIT]).take(pa.array(asked))
        return questions.append_column(tables.OPTIONS, lists).append_column(tables.ANSWER, pa.array(index))


def _count_cases(parts: ir.Table, engine: Engine) -> dict[str, int]:
    """How many questions each part has."""
    learned = parts.filter((parts[SPLIT] == schema.PARTS[TRAIN]) & (parts[schema.POSITION] > 0))
    others = {
        schema.PARTS[part]: parts.filter(parts[SPLIT] == schema.PARTS[part])[schema.USER].nunique()
        for part in (VALIDATION, TEST)
    }
    return engine.counts(train=learned.count(), **others)


def _drawer(
    section: CandidatesSection,
    asymmetric: bool,
    item_columns: _ItemColumns,
    parts: ir.Table,
    engine: Engine,
    rng: np.random.Generator,
) -> candidates.Drawer:
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
    """(I,) training purchases of each item; what is validated or tested on is never counted."""
    learned = parts.filter(parts[SPLIT] == schema.PARTS[TRAIN])
    counts = engine.to_pyarrow(learned.group_by(schema.ITEM).agg(bought=learned.count()))
    index = pc.index_in(counts[schema.ITEM].cast(pa.string()), value_set=item_columns.names).to_numpy()
    bought = np.zeros(item_columns.size, dtype=np.int64)
    bought[index] = counts["bought"].to_numpy()
    return bought


def _sources(files: Any) -> tuple[SourceFile, ...]:
    return tuple(SourceFile(str(path), sha256(Path(path))) for path in files if Path(path).is_file())
