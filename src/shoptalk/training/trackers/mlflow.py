"""MLflow: a run with the recipe as parameters and the losses as metrics.

The records are in ``mlflow.db`` (SQLite) in the folder of the run or of the sweep, or where the environment variable
``MLFLOW_TRACKING_URI`` points. MLflow no longer opens its older store of plain files. Nothing is sent over the network
unless the variable names a server; MLflow's telemetry is switched off.
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

#: The environment variable with the address of the store.
STORE_VARIABLE = "MLFLOW_TRACKING_URI"
#: In a run's folder: the file with the id of its MLflow run.
RUN_FILE = "mlflow.json"
#: Most parameters that MLflow accepts in a batch, and most characters of a value.
MOST_PARAMETERS, LONGEST_VALUE = 100, 500


class Tracker:
    """Writes an MLflow run of the experiment named as the recipe; the methods are those of the protocol `Tracker`."""

    def __init__(self, recipe: Recipe) -> None:
        for module in ("mlflow", "sqlalchemy", "alembic"):
            require(module, "mlflow")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self._recipe = recipe
        self._first_run: Path | None = None

    def start(self, run: Path, step: int) -> None:
        """Begin an MLflow run, or continue the one that an interrupted training left open.

        Raises
        ------
        RunError
            When the store cannot be opened.
        """
        run = run.resolve()
        self._first_run = self._first_run or run  # a second training, in a folder inside the first, uses its store
        self._store = os.environ.get(STORE_VARIABLE) or local_store(self._first_run)
        with self._errors():
            self._client, experiment = _open(self._store, self._recipe.name or "shoptalk", self._first_run)
            open_run = _open_run(self._client, run / RUN_FILE)
            if open_run is not None and step:
                self._run_id = open_run
                return
            if open_run is not None:
                self._client.set_terminated(open_run, status="KILLED")
            name = str(run.relative_to(self._first_run.parent))
            self._run_id = self._client.create_run(experiment, run_name=name).info.run_id
            write_json(run / RUN_FILE, {"run_id": self._run_id})
            self._log_recipe()

    def log(self, event: str, step: int, values: Mapping[str, Any]) -> None:
        """Add the event's numbers."""
        from mlflow.entities import Metric

        milliseconds = int(time.time() * 1000)
        metrics = [
            Metric(name.replace("@", "_at_"), value, milliseconds, step)
            for name, value in numbers(event, values).items()
        ]
        with self._errors():
            self._client.log_batch(self._run_id, metrics=metrics)

    def end(self, *, finished: bool) -> None:
        """Set the status of the run."""
        with self._errors():
            self._client.set_terminated(self._run_id, status="FINISHED" if finished else "FAILED")

    def _log_recipe(self) -> None:
        """Log every setting of the recipe as a parameter ``section.key``."""
        from mlflow.entities import Param

        parameters = []
        for section, content in self._recipe.model_dump(exclude={"sweep"}, exclude_none=True).items():
            settings = content if isinstance(content, dict) else {"": content}
            parameters += [
                Param(f"{section}.{key}".rstrip("."), str(value)[:LONGEST_VALUE]) for key, value in settings.items()
            ]
        for start in range(0, len(parameters), MOST_PARAMETERS):
            self._client.log_batch(self._run_id, params=parameters[start : start + MOST_PARAMETERS])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise errors of MLflow as `RunError`."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            hint = f"correct {STORE_VARIABLE}, or remove mlflow from training.trackers"
            raise RunError(f"MLflow: {error}", where=self._store, hint=hint) from error


def local_store(folder: Path) -> str:
    """The address of the store in a folder."""
    return f"sqlite:///{folder.resolve() / 'mlflow.db'}"


def _open(store: str, name: str, folder: Path) -> tuple[Any, str]:
    """A client of the store, and the id of the experiment ``name``, which is created where it is missing.

    ``folder`` is the one in which a new experiment keeps its artifacts.
    """
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=store)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client, client.create_experiment(name, artifact_location=(folder / "artifacts").as_uri())
        except MlflowException:  # another process has just created it
            if (experiment := client.get_experiment_by_name(name)) is None:
                raise
    return client, experiment.experiment_id


def _open_run(client: Any, path: Path) -> str | None:
    """The id of the run that an interrupted training left open; None where there is none."""
    try:
        run = client.get_run(json.loads(path.read_text(encoding="utf-8"))["run_id"])
    except Exception:  # the file is missing, damaged, or of another store: a new run is begun
        return None
    return str(run.info.run_id) if run.info.status == "RUNNING" else None
