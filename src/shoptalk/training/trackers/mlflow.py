"""MLflow: a run with the recipe as parameters and the losses as metrics.

The records are in ``mlflow.db`` (SQLite) in the run's folder, for a sweep in the sweep's, or where the variable
``MLFLOW_TRACKING_URI`` says. MLflow has given up its older store of plain files, and refuses to open it. Nothing is
sent anywhere unless the variable says so: MLflow's own telemetry is switched off.
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shoptalk.errors import RunError, require
from shoptalk.files import write_json
from shoptalk.recipe import Recipe
from shoptalk.training.trackers import numbers

#: The variable that names the store, and the file of a run's folder that names its run there.
STORE, NAME = "MLFLOW_TRACKING_URI", "mlflow.json"
#: Most parameters that MLflow takes at a time, and the most characters of one.
MOST, LONGEST = 100, 500


class Tracker:
    """Writes a run of the experiment named as the recipe; see the protocol for what the methods mean."""

    def __init__(self, recipe: Recipe) -> None:
        for module in ("mlflow", "sqlalchemy", "alembic"):
            require(module, "mlflow")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self._recipe = recipe
        self._home: Path | None = None

    def start(self, run: Path, step: int) -> None:
        """Begin a run, or go on with the one that an interrupted training left.

        Raises
        ------
        RunError
            When the store cannot be opened.
        """
        run = run.resolve()
        self._home = self._home or run  # a second training, inside the first one's folder, is kept in the same store
        self._store = os.environ.get(STORE) or local_store(self._home)
        with self._errors():
            self._client, experiment = _open(self._store, self._recipe.name or "shoptalk", self._home)
            left = _left(self._client, run / NAME)
            if left is not None and step:
                self._run = left
                return
            if left is not None:
                self._client.set_terminated(left, status="KILLED")
            name = str(run.relative_to(self._home.parent))
            self._run = self._client.create_run(experiment, run_name=name).info.run_id
            write_json(run / NAME, {"run_id": self._run})
            self._log_recipe()

    def log(self, event: str, step: int, values: Mapping[str, Any]) -> None:
        """Add the event's numbers."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        entries = [
            Metric(name.replace("@", "_at_"), value, now, step) for name, value in numbers(event, values).items()
        ]
        with self._errors():
            self._client.log_batch(self._run, metrics=entries)

    def end(self, *, finished: bool) -> None:
        """Say how the training ended."""
        with self._errors():
            self._client.set_terminated(self._run, status="FINISHED" if finished else "FAILED")

    def _log_recipe(self) -> None:
        """Every setting as a parameter, named as in a recipe."""
        from mlflow.entities import Param

        entries = []
        for section, value in self._recipe.model_dump(exclude={"sweep"}, exclude_none=True).items():
            inside = value if isinstance(value, dict) else {"": value}
            entries += [Param(f"{section}.{key}".rstrip("."), str(one)[:LONGEST]) for key, one in inside.items()]
        for start in range(0, len(entries), MOST):
            self._client.log_batch(self._run, params=entries[start : start + MOST])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            raise RunError(f"MLflow: {error}", where=self._store, hint=f"mend {STORE}, or leave mlflow out") from error


def local_store(folder: Path) -> str:
    """The address of the records in a folder."""
    return f"sqlite:///{folder.resolve() / 'mlflow.db'}"


def _open(store: str, name: str, home: Path) -> tuple[Any, str]:
    """A client of the store, and the id of the experiment, made where it is missing."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=store)
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client, client.create_experiment(name, artifact_location=(home / "artifacts").as_uri())
        except MlflowException:  # another process was faster
            if (found := client.get_experiment_by_name(name)) is None:
                raise
    return client, found.experiment_id


def _left(client: Any, path: Path) -> str | None:
    """The run that an interrupted training left open; None where there is none."""
    try:
        left = client.get_run(json.loads(path.read_text(encoding="utf-8"))["run_id"])
    except Exception:  # no such file, damaged, or of another store: then a new run is begun
        return None
    return str(left.info.run_id) if left.info.status == "RUNNING" else None
