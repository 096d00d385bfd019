"""A run's folder: the resolved recipe, ``run.json``, and the paths of its parts."""

import json
import os
import platform
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from shoptalk.errors import RunError
from shoptalk.files import JsonObject, read_json, write_json, write_text
from shoptalk.recipe import Recipe, read_recipe
from shoptalk.system import package_versions, peak_memory, python_version
from shoptalk.versions import current_folder


@dataclass(frozen=True, slots=True)
class Run:
    """An opened run folder; ``info`` is the content of ``run.json``."""

    folder: Path
    recipe: Recipe
    info: dict[str, Any]

    @property
    def model(self) -> Path:
        """Folder of the trained model."""
        return self.folder / "model"

    @property
    def dataset(self) -> Path:
        """Folder of the dataset: inside the run's folder, as recorded, or inside the folder of the sweep.

        The first and the last are found even if the folder of the run or sweep was moved. If there is none of them, the
        recorded path.
        """
        inside, recorded = self.folder / "dataset", Path(self.info["dataset"])
        sweep_paths = [parent / "dataset" for parent in self.folder.resolve().parents[:2]]
        return next((path for path in (inside, recorded, *sweep_paths) if (path / "dataset.json").exists()), recorded)

    @property
    def version(self) -> str:
        """The name of the version of a run that this is (see `shoptalk.versions`); empty for a run's own folder."""
        return str(self.info.get("version", ""))

    @property
    def prompt_date(self) -> date | None:
        """The day on which the run began; chat templates that contain a date use this one.

        Raises
        ------
        RunError
            If ``run.json`` holds no valid date.
        """
        try:
            return date.fromisoformat(self.info["date"]) if "date" in self.info else None
        except (TypeError, ValueError) as error:
            raise RunError(f"damaged: {error}", where=str(self.folder / "run.json"), hint="train again") from error

    @property
    def trained(self) -> bool:
        """Whether training has ended and the saved model was verified."""
        return bool(self.info.get("trained")) and self.model.is_dir()

    @property
    def ranking_method(self) -> str:
        """What ranks for this run: ``model``, or another method that was better on validation users."""
        choice = self.info.get("training", {}).get("ranking") or {}
        return str(choice.get("chosen", "model"))

    def check_model(self) -> None:
        """Make sure that all files of the saved model are there, and may be read.

        Without one of them, a run would rank by what is left.

        Raises
        ------
        RunError
            If one is missing, or may not be read.
        """
        for name in self.info.get("files", []):
            if not (self.model / str(name)).is_file():
                raise RunError(
                    f"{str(name)[:200]} is missing",
                    where=str(self.model),
                    hint="copy the whole folder of the run again, or train again",
                )
        for path in self.model.rglob("*"):
            if not os.access(path, os.R_OK):
                raise RunError(
                    "this user may not read it", where=str(path), hint=f"as its owner: chmod -R a+rX {self.folder}"
                )

    def note(self, **values: Any) -> "Run":
        """Add values to ``run.json``, and return the run with them."""
        info = {**self.info, **values, "peak_memory_bytes": max(peak_memory(), self.info.get("peak_memory_bytes", 0))}
        write_json(self.folder / "run.json", info)
        return Run(self.folder, self.recipe, info)


def create_run(folder: Path, recipe: Recipe, dataset: Path, fingerprint: str) -> Run:
    """Create a run in a new or empty folder. A folder that holds only the run's data counts as empty.

    Raises
    ------
    RunError
        If the folder holds anything else, so that nothing is overwritten.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError("this is a file, not a folder", where=str(folder))
    if folder.is_dir() and any(
        path.name not in {"dataset", "raw"} and not path.name.startswith(".") for path in folder.iterdir()
    ):
        is_run = (folder / "run.json").exists()
        raise RunError(
            "this folder already holds a run" if is_run else "this folder is not empty",
            where=str(folder),
            hint="continue it with --resume, remove it, or choose another --out" if is_run else "choose another --out",
        )
    write_text(folder / "recipe.toml", recipe.to_toml())
    info = {
        "dataset": str(dataset.resolve()),
        "fingerprint": fingerprint,
        "seed": recipe.seed,
        "date": date.today().isoformat(),
        "packages": package_versions(),
        "machine": {
            "python": python_version(),
            "system": platform.platform(),
            "processor": platform.machine(),
        },
        "trained": False,
    }
    return Run(folder, recipe, {}).note(**info)


def open_run(folder: Path) -> Run:
    """Open the current version of a run: its folder, or the latest one that ``shoptalk refresh`` has taken up.

    Raises
    ------
    RunError
        If it is not a run, or is damaged.
    """
    folder = current_folder(folder)
    path = folder / "run.json"
    info = read_json(path, error=RunError, hint="train again")
    if info is None:
        raise RunError("not a run", where=str(folder), hint="make one with shoptalk train or shoptalk run")
    if not isinstance(info.get("dataset"), str) or not isinstance(info.get("fingerprint"), str):
        raise RunError("damaged: dataset and fingerprint must be text", where=str(path), hint="train again")
    return Run(folder, read_recipe(folder / "recipe.toml"), info)


def read_log(run: Path) -> list[JsonObject]:
    """All events of a training (``log.jsonl``); lines that are not valid JSON, as after a crash, are left out."""
    path = run / "log.jsonl"
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events
