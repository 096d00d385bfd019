"""``shoptalk models``: the base models at hand, and preparing one."""

from typing import TYPE_CHECKING, Annotated

import typer

from shoptalk.cli.options import Json, print_json

if TYPE_CHECKING:
    from shoptalk.results.models import ModelsResult

app = typer.Typer(help="List the base models at hand with what they need, or prepare one.")


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: Json = False) -> None:
    """List the base models at hand: nano, prepared models, and causal models in the cache of the Hugging Face hub.

    Memory is that of training and scoring in fp32 on a CPU with default batches, without the libraries (0.6 GB).

    Example: `shoptalk models`
    """
    if context.invoked_subcommand is not None:
        return
    from shoptalk.results import as_json as to_json
    from shoptalk.stages.models import list_models

    result = list_models()
    if as_json:
        print_json(to_json(result))
    else:
        show_models(result)


@app.command(name="add", no_args_is_help=True)
def add(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A GGUF file, a folder with a model, or a name of the hub.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Its name; default: that of the file, in lower case.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Prepare a base model, which recipes then name as `model.base`.

    It is written to the folder of prepared models: $SHOPTALK_MODELS, or ~/.cache/shoptalk/models.

    Example: `shoptalk models add SmolLM2-135M-Instruct.Q4_1.gguf --name smollm2-135m-instruct`
    """
    from shoptalk.results import as_json as to_json
    from shoptalk.stages.models import add_model

    added = add_model(source, name)
    if as_json:
        print_json(to_json(added))
    elif added.added:
        print(f'prepared in {added.seconds:.0f} s: model.base = "{added.name}" ({added.path})')
    else:
        print(f'prepared before: model.base = "{added.name}" ({added.path})')


def show_models(result: "ModelsResult") -> None:
    """Print the models as a table, then the folders that cannot be read."""
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    sizes = Table(Column("model.base", overflow="fold"), "parameters", "layers", "width", "vocabulary", "licence")
    memory = Table(
        Column("model.base", overflow="fold"),
        "full",
        "LoRA",
        "QLoRA",
        "scoring",
        title="memory in GB",
        title_justify="left",
    )
    for model in result.models:
        counts = [f"{model.parameters / 1e6:,.1f} M", str(model.layers), f"{model.width:,}", f"{model.vocabulary:,}"]
        sizes.add_row(model.name, *counts, model.licence or "")
        needs = (model.memory.full, model.memory.lora, model.memory.qlora, model.memory.inference)
        memory.add_row(model.name, *(f"{need / 1e9:.1f}" for need in needs))
    console.print(sizes)
    console.print(memory)
    console.print(f"prepared models: {result.folder}", highlight=False, markup=False)
    for line in result.unreadable:
        console.print(f"cannot be read: {line}", highlight=False, markup=False)
