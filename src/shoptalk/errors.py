"""Every error a user can meet.

::

    ShoptalkError          exit code 2, one clear line, never a traceback
    ├── UsageError         a command, option or argument that does not fit
    ├── RecipeError        a recipe that cannot be read or understood
    ├── SourceError        a file of raw data that cannot be read
    │   └── BadLines       more malformed lines than the recipe allows
    ├── DatasetError       a dataset folder that is missing, damaged or does not fit
    ├── PromptError        a template, field or example that cannot be rendered
    ├── ModelError         a base model, tokenizer or adapter that cannot be loaded or trained
    │   └── Diverged       a training whose loss is no longer a number
    ├── RunError           a run folder that is missing, damaged or does not fit
    ├── PredictionsError   a file of predictions that cannot be scored
    ├── StorageError       a disk that is full or a folder that cannot be written
    ├── TeacherError       a teacher model that cannot be asked
    ├── DatabaseError      a database that cannot be opened, read or written
    ├── RecordError        an event, product or other record that cannot be stored
    ├── RulesError         a file of business rules that cannot be read or understood
    ├── MissingExtra       a part of shoptalk that is not installed
    └── PluginError        a plugin that cannot be imported or registered
"""

from importlib.util import find_spec


class ShoptalkError(Exception):
    """Something a user did, or gave, that shoptalk cannot work with.

    Parameters
    ----------
    message
        What is wrong, in one sentence.
    where
        The file, with its line where one is known (``reviews.json:17``).
    hint
        What to do about it.
    """

    kind = "error"

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        """One line: where, what, and what to do."""
        line = f"{self.where}: {self.message}" if self.where else self.message
        line = f"{line} ({self.hint})" if self.hint else line
        return " ".join(line.split())

    def as_dict(self) -> dict[str, str | None]:
        """The error as ``--json`` prints it."""
        return {"kind": self.kind, "message": self.message, "where": self.where, "hint": self.hint}


class UsageError(ShoptalkError):
    """A command, option or argument that does not fit."""

    kind = "usage"


class RecipeError(ShoptalkError):
    """A recipe that cannot be read or understood."""

    kind = "recipe"


class SourceError(ShoptalkError):
    """A file of raw data that cannot be read."""

    kind = "source"


class BadLines(SourceError):
    """More malformed lines than the recipe allows."""

    kind = "bad_lines"


class DatasetError(ShoptalkError):
    """A dataset folder that is missing, damaged or does not fit."""

    kind = "dataset"


class PromptError(ShoptalkError):
    """A template, field or example that cannot be rendered."""

    kind = "prompt"


class ModelError(ShoptalkError):
    """A base model, tokenizer or adapter that cannot be loaded or trained."""

    kind = "model"


class Diverged(ModelError):
    """A training whose loss is no longer a number."""

    kind = "diverged"


class RunError(ShoptalkError):
    """A run folder that is missing, damaged or does not fit."""

    kind = "run"


class PredictionsError(ShoptalkError):
    """A file of predictions that cannot be scored."""

    kind = "predictions"


class StorageError(ShoptalkError):
    """A disk that is full or a folder that cannot be written."""

    kind = "storage"


class TeacherError(ShoptalkError):
    """A teacher model that cannot be asked, or whose answers cannot be kept."""

    kind = "teacher"


class DatabaseError(ShoptalkError):
    """A database that cannot be opened, read or written."""

    kind = "database"


class RecordError(ShoptalkError):
    """An event, a product or another record that cannot be stored."""

    kind = "record"


class RulesError(ShoptalkError):
    """A file of business rules that cannot be read or understood."""

    kind = "rules"


class MissingExtra(ShoptalkError):
    """A part of shoptalk that is not installed."""

    kind = "missing_extra"


class PluginError(ShoptalkError):
    """A plugin that cannot be imported or registered."""

    kind = "plugin"


def require(module: str, extra: str) -> None:
    """Fail where the part is first needed, with the command that repairs it.

    Raises
    ------
    MissingExtra
        When ``module`` cannot be imported.
    """
    if find_spec(module) is None:
        raise MissingExtra(f"{module} is not installed", hint=f"run: pip install 'shoptalk[{extra}]'")
