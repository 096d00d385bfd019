"""Plugins: packages that add tasks, baselines, metrics, sources or audit checks by the entry-point group below.

An entry point names a module, whose import registers what it adds, or a function without arguments that does so.
Plugins are loaded when a table of names is first read, once in a process; importing shoptalk loads none.
"""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib.metadata import EntryPoint, entry_points
from threading import RLock
from typing import TypeVar

from shoptalk.errors import PluginError, UsageError

#: Group of entry points in the metadata of a package.
GROUP = "shoptalk.plugins"

V = TypeVar("V")


class _Loader:
    """Loads the plugins of the environment once; an error is raised again at every later use."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._started = False
        self._error: PluginError | None = None

    def load(self) -> None:
        """Load all plugins, unless that was done or is being done by this thread."""
        with self._lock:
            if not self._started:
                self._started = True
                try:
                    for entry_point in entry_points(group=GROUP):
                        _load(entry_point)
                except PluginError as error:
                    self._error = error
        if self._error is not None:
            raise self._error


def _load(entry_point: EntryPoint) -> None:
    try:
        target = entry_point.load()
        if callable(target):
            target()
    except Exception as error:
        package = entry_point.dist.name if entry_point.dist is not None else "an unknown package"
        raise PluginError(
            f"the plugin {entry_point.name!r} of {package} cannot be loaded: {type(error).__name__}: {error}",
            where=entry_point.value,
            hint=f"correct or uninstall {package}",
        ) from error


_loader = _Loader()


def load_plugins() -> None:
    """Load the plugins of the installed packages, where that was not done yet.

    Raises
    ------
    PluginError
        Naming the plugin that cannot be imported or registered, and its package.
    """
    _loader.load()


class Registry(MutableMapping[str, V]):
    """Entries by name, those of plugins included: reading it loads the plugins first.

    Examples
    --------
    >>> registry = Registry({"mean": sum})
    >>> registry.register("max", max)
    >>> list(registry)
    ['mean', 'max']
    """

    def __init__(self, entries: Mapping[str, V]) -> None:
        self._entries = dict(entries)

    def register(self, name: str, entry: V) -> None:
        """Add an entry of another package.

        Raises
        ------
        UsageError
            Where the name is taken.
        """
        if name in self._entries:
            raise UsageError(f"{name!r} is registered already", hint="give the new entry another name")
        self._entries[name] = entry

    def __getitem__(self, name: str) -> V:
        if name not in self._entries:
            load_plugins()
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._entries:
            load_plugins()
        return name in self._entries

    def __setitem__(self, name: str, entry: V) -> None:
        self._entries[name] = entry

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        load_plugins()
        return iter(self._entries)

    def __len__(self) -> int:
        load_plugins()
        return len(self._entries)
