"""An arm: a run, or a baseline of its dataset, opened to answer many requests."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.baselines import make_baseline
from shoptalk.data.dataset import Dataset
from shoptalk.errors import DatasetError, ModelError, RunError, ShoptalkError, UsageError
from shoptalk.ranking import CatalogueRecommender
from shoptalk.registry import BASELINES
from shoptalk.runs import Run, open_run
from shoptalk.schema import History, Item, RankedList
from shoptalk.serve.settings import ArmSettings
from shoptalk.serve.snapshot import copies, copy_signature, remove_others, signature, snapshot
from shoptalk.stages.live_items import extend_by_text, with_new_items
from shoptalk.stages.load_dataset import open_run_dataset, run_split
from shoptalk.stages.trained_run import TrainedRun, is_numpy_run, open_trained_run

Bools = NDArray[np.bool_]
#: Most items that a model scores one by one for a request; more are shortened to this many by their texts.
MOST_OPTIONS, MOST_SHOWN = 50, 26
#: Times below this are positions in a history, not seconds since 1970.
EARLIEST = 1e6


@dataclass(frozen=True)
class Arm:
    """A run or baseline that answers.

    Attributes
    ----------
    settings
        What the command line said.
    signature
        Of the files that it was read from.
    trained
        The run with its dataset, and with the products that were added while serving.
    recommender
        What ranks: the run's model or a baseline.
    method
        Its name in answers.
    base
        The arm without products that were added while serving.
    """

    settings: ArmSettings
    signature: str | None
    trained: TrainedRun
    recommender: Any
    method: str
    base: "Arm | None" = None

    @cached_property
    def name(self) -> str:
        """Its name in answers and logs."""
        return self.settings.name

    @cached_property
    def run(self) -> str:
        """The name of the run's folder, and of its version if there is another one than the first: ``beauty/0001``."""
        name, version = Path(self.settings.folder).resolve().name, self.trained.run.version
        return f"{name}/{version}" if version else name

    @property
    def dataset(self) -> Dataset:
        """Its dataset."""
        return self.trained.dataset

    @property
    def unit(self) -> str:
        """What its scores are."""
        return str(getattr(self.recommender, "score_unit", "score"))

    @property
    def scores_all(self) -> bool:
        """Whether it scores all items at once, so that requests of a batch are computed together."""
        return hasattr(self.recommender, "score_all")

    @cached_property
    def items(self) -> Sequence[str]:
        """The ids of its items, in the order of its scores."""
        return tuple(self.recommender.items)

    @cached_property
    def known(self) -> frozenset[str]:
        """The ids of its items."""
        return frozenset(self.items)

    @cached_property
    def shortlist(self) -> CatalogueRecommender:
        """What shortens the catalogue for a model that scores items one by one: the similarity of texts."""
        from shoptalk.baselines.text_knn import TextKnn, Texts
        from shoptalk.graph.interactions import InteractionMatrix

        catalogue = {item: self.dataset.catalogue[item] for item in self.items}
        index = {item: number for number, item in enumerate(self.items)}
        return TextKnn(Texts.of(catalogue), InteractionMatrix.of(self.dataset.split("last").train, index), self.items)

    def history(self, user_id: str) -> tuple[str, ...]:
        """The items that a user of the dataset has bought, oldest first; none for an unknown user."""
        try:
            return self.dataset.history(user_id).items
        except DatasetError:
            return ()

    def rank_one(self, history: History, count: int, allowed: Bools) -> tuple[RankedList, str]:
        """The best allowed items for one history, and the method: for models that do not score all items at once."""
        builder = getattr(self.recommender, "builder", None)
        shows = bool(getattr(builder, "shows_options", False))
        most, method = MOST_SHOWN if shows else max(MOST_OPTIONS, count), self.method
        if not getattr(self.recommender, "ranks_catalogue", True) and int(allowed.sum()) > most:
            (short,) = self.shortlist.rank([history], most, allowed=allowed, exclude_history=False)
            allowed = np.isin(np.array(self.items, dtype=object), np.array(short.items, dtype=object))
            method = f"{self.method} among {most} of text_knn"
        (ranked,) = self.recommender.rank([history], count, allowed=allowed, exclude_history=False)
        return ranked, method

    def similar(self, item_id: str) -> tuple[NDArray[np.float64], str]:
        """The similarity of every item to one, and the method: embeddings of item tokens, else words of the texts.

        Raises
        ------
        UsageError
            For an unknown item.
        """
        if item_id not in self.known:
            raise UsageError(f"no product {item_id[:80]!r} that this run knows")
        unit = self._unit_vectors
        if unit is not None:
            return np.asarray(unit @ unit[self.items.index(item_id)], dtype=np.float64), "item_embeddings"
        return np.asarray(self.shortlist.score_all([History("", (item_id,))])[0], dtype=np.float64), "text_knn"

    @cached_property
    def _unit_vectors(self) -> NDArray[np.float32] | None:
        """(I, D) embeddings of the items, of length 1; None for a model without item tokens."""
        first = getattr(self.recommender, "first_stage", self.recommender)
        vectors = getattr(getattr(first, "model", None), "vectors", None)
        if vectors is None and hasattr(first, "table"):
            vectors = first.table.vectors.float().cpu().numpy()
        if vectors is None:
            return None
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)

    def with_items(self, new: Sequence[Item], changed: Mapping[str, Item]) -> "Arm":
        """The arm with other products beside those of its run."""
        base = self.base or self
        new = [item for item in new if item.item_id not in base.known]
        if base.settings.method is None:
            trained = with_new_items(base.trained, new, changed)
            return replace(base, trained=trained, recommender=trained.recommender, base=base)
        recommender = base.recommender
        if new and base.scores_all:
            recommender = extend_by_text(recommender, base.dataset.catalogue, new)
        catalogue = {**base.dataset.catalogue, **changed, **{item.item_id: item for item in new}}
        dataset = replace(base.dataset, catalogue=catalogue)
        trained = TrainedRun(base.trained.run, dataset, recommender)
        return replace(base, trained=trained, recommender=recommender, base=base)


def load_arm(settings: ArmSettings, cache: Path | None) -> Arm:
    """Open a run, or learn a baseline, and try it.

    Parameters
    ----------
    cache
        Folder for the copy of the weights that workers share; None to read the weights of the run into memory.

    Raises
    ------
    ShoptalkError
        If it cannot be opened, or does not give finite scores.
    """
    folder = Path(settings.folder)
    before = signature(folder)
    run = open_run(folder)
    if settings.method is not None:
        arm = _baseline_arm(settings, before, run)
    else:
        if not run.trained:
            raise RunError("training has not finished", where=str(folder), hint="use shoptalk train --resume")
        run.check_model()
        copied = cache is not None and is_numpy_run(run)
        source = snapshot(run, cache, _cache_name(folder)) if cache is not None and copied else run
        trained = open_trained_run(source, single=True)
        arm = Arm(settings, before, trained, trained.recommender, run.ranking_method)
        try_arm(arm)
        if copied:  # only now, as the copy before is what a new worker falls back on
            remove_others(source.folder)
        return arm
    try_arm(arm)
    return arm


def load_last_arm(settings: ArmSettings, cache: Path | None) -> Arm | None:
    """Open the newest copy that the workers have made of a run and that answers; None if there is none.

    So a worker that is started while the run's folder is broken serves what the others serve.
    """
    if cache is None or settings.method is not None:
        return None
    for copy in copies(cache, _cache_name(Path(settings.folder))):
        try:
            trained = open_trained_run(open_run(copy), single=True)
            arm = Arm(settings, copy_signature(copy), trained, trained.recommender, trained.run.ranking_method)
            try_arm(arm)
        except ShoptalkError:
            continue
        return arm
    return None


def _cache_name(folder: Path) -> str:
    """A name for copies of the versions of a run, which no other run has."""
    return hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _baseline_arm(settings: ArmSettings, before: str | None, run: Run) -> Arm:
    name = settings.method or ""
    if name in BASELINES and BASELINES[name].module is None:
        raise UsageError(
            f"{name} is trained, not counted: it cannot be served beside a run",
            hint="train it as a run of its own, and serve that",
        )
    dataset = open_run_dataset(run)
    recommender = make_baseline(name, run_split(run, dataset), dataset.catalogue, run.recipe.seed)
    return Arm(settings, before, TrainedRun(run, dataset, recommender), recommender, name)


def try_arm(arm: Arm) -> None:
    """Make sure that an arm answers with finite scores.

    Raises
    ------
    ModelError
        If it does not.
    """
    if not arm.items:
        raise ModelError("it has no items", where=arm.settings.folder)
    histories = [History("", ()), History("", tuple(arm.items[:2]))]
    if arm.scores_all:
        scores = arm.recommender.score_all(histories)
        if scores.shape != (2, len(arm.items)) or not np.isfinite(scores).all():
            raise ModelError("its scores are not finite", where=arm.settings.folder, hint="train again")
        return
    allowed = np.zeros(len(arm.items), dtype=np.bool_)
    allowed[:5] = True
    ranked, _ = arm.rank_one(histories[1], 2, allowed)
    if not np.isfinite(ranked.scores).all():
        raise ModelError("its scores are not finite", where=arm.settings.folder, hint="train again")


def purchase_counts(dataset: Dataset) -> tuple[dict[str, float], dict[str, float]]:
    """How often each item of a dataset was bought, and when first; items without a known time are left out there."""
    rows = dataset.rows
    counts = np.bincount(rows.code, minlength=len(rows.item_ids))
    first = np.full(len(rows.item_ids), np.inf)
    np.minimum.at(first, rows.code, rows.time)
    known = np.isfinite(first) & (first > EARLIEST)
    return (
        dict(zip(rows.item_ids, counts.astype(float).tolist(), strict=True)),
        {rows.item_ids[index]: float(first[index]) for index in np.flatnonzero(known).tolist()},
    )
