"""The page ``docs/reference/commands.md``, made from the commands' own help texts."""

import inspect
import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from typer import Context, Typer
from typer.models import ArgumentInfo, CommandInfo, OptionInfo, TyperInfo

from shoptalk.cli.main import COMMANDS, make_app

HEAD = """# Command line

This page is made from the help texts of the commands by `make reference`, and a test compares the two.
`shoptalk COMMAND --help` prints the same on a terminal.

Every command prints its result on standard output, and progress and logs on standard error. With `--json` it prints one
JSON object ([keys](files.md)). Exit codes:

| code | meaning |
|---|---|
| 0 | done |
| 2 | bad input: one line says what is wrong, where, and what to do |
| 3 | `shoptalk audit` has a finding of severity `fail` |
| 5 | `shoptalk refresh` has refused the new version; the old one stays |
| 70 | a bug of shoptalk |
| 130 | interrupted; finished work is kept |
"""
#: Placeholders for the values of options without a metavar.
_VALUES = {int: "INTEGER", float: "NUMBER", str: "TEXT"}


def commands_page() -> str:
    """The page as Markdown."""
    app = make_app()
    by_name = {info.name: info for info in app.registered_commands}
    groups = {info.name: info for info in app.registered_groups}
    parts = [HEAD]
    for name in COMMANDS:
        if name in groups:
            parts += _group(name, groups[name].typer_instance)
        else:
            parts.append(_command(name, by_name[name]))
    return "\n".join(parts)


def _group(name: str, app: Typer | None) -> list[str]:
    """The sections of the commands of a group, and before them that of the group, if it does something by itself."""
    if app is None:
        return []
    sections = [_command(f"{name} {info.name}", info) for info in app.registered_commands]
    group = app.registered_callback
    return [_command(name, group), *sections] if group is not None and group.invoke_without_command else sections


def _command(name: str, info: CommandInfo | TyperInfo) -> str:
    """The section of one command: its help, its usage and a table of its arguments and options."""
    assert info.callback is not None
    parameters = list(_parameters(info.callback))
    rows = "\n".join(f"| {shown} | {meaning} | {default} |" for _, shown, meaning, default in parameters)
    usage = " ".join(["shoptalk", name, *(part for part, *_ in parameters if part), "[OPTIONS]"])
    table = f"| argument or option | meaning | default |\n|---|---|---|\n{rows}\n"
    return f"## shoptalk {name}\n\n{inspect.getdoc(info.callback)}\n\n```text\n{usage}\n```\n\n{table}"


def _parameters(callback: Callable[..., Any]) -> Iterator[tuple[str, str, str, str]]:
    """Of each parameter: its part of the usage line, how it is written, its meaning and its default."""
    hints = get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        if hints[name] is Context:
            continue
        assert get_origin(hints[name]) is Annotated
        kind, info = get_args(hints[name])[:2]
        required = parameter.default is inspect.Parameter.empty
        default = "required" if required else _default(parameter.default)
        meaning = str(info.help or "").replace("|", "\\|")
        if isinstance(info, ArgumentInfo):
            metavar = (info.metavar or name.upper()).strip("[]")
            several = " ..." if _is_list(kind) else ""
            usage = f"{metavar}{several}" if required else f"[{metavar}{several}]"
            yield usage, f"`{metavar}`", meaning, default
        elif isinstance(info, OptionInfo):
            written = _option(name, kind, info)
            yield (written if required else ""), ", ".join(f"`{part}`" for part in _forms(written)), meaning, default


def _forms(written: str) -> list[str]:
    """The ways to write an option, each with its value."""
    options, _, value = written.partition(" ")
    return [f"{option} {value}".strip().replace("|", "\\|") for option in options.split("/")]


def _option(name: str, kind: Any, info: OptionInfo) -> str:
    declared = (info.default, *(info.param_decls or ()))  # within Annotated, the first name is taken as the default
    names = [text for text in declared if isinstance(text, str) and text.startswith("-")]
    return f"{'/'.join(names) or '--' + name.replace('_', '-')} {_value(kind, info)}".strip()


def _value(kind: Any, info: OptionInfo) -> str:
    """The placeholder of an option's value; empty for a switch."""
    if info.metavar:
        return info.metavar
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    kinds = (
        [inner for inner in get_args(kind) if inner is not type(None)] if _is_union(kind) or _is_list(kind) else [kind]
    )
    return "" if kinds[0] is bool else _VALUES.get(kinds[0], "PATH")


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in {Union, types.UnionType}


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is list


def _default(value: Any) -> str:
    return "" if value in (None, False) or value == [] else f"`{value}`"
