"""Recipe: one experiment, a TOML file read into strict, frozen models.

An unknown key is an error that names its nearest match; every error names the file and, where it can, the line.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import Field, ValidationError, field_validator, model_validator

from shoptalk.config_errors import explain, line_of
from shoptalk.constants import DEFAULT_K
from shoptalk.errors import RecipeError
from shoptalk.registry import BASELINES
from shoptalk.sweep_config import MOST, Section, Sweep

Source = Literal["amazon2014", "amazon2018", "amazon2023", "kaggle-books", "movielens", "table"]
Cleaning = Literal["raw", "unescape", "words", "asymmetric"]
KeptColumn = Literal["brand", "categories", "description", "price"]
TextField = Literal["token", "title", "brand", "categories", "description", "review"]
Tracker = Literal["tensorboard", "mlflow"]
ItemTask = Literal["next", "next_title", "title_of", "item_of"]
Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


#: Words of ``data.time_format`` for numbers -> how many make a second; and the word for days since 1900, as in Excel.
TIME_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
SPREADSHEET_DAYS = "excel-days"
#: Directives of strptime that are understood, with at least one of them.
_TIME_PATTERN = re.compile(r"(?=.*%[^%])(?:[^%]|%-?[dmyHIMSj]|%[aAbBYpfzZ%])+", re.DOTALL)


class Data(Section):
    """Where the purchases come from, and which of them are kept."""

    source: Source
    reviews: str | None = Field(None, description="file of reviews or ratings; of `table`: the same as interactions")
    interactions: str | None = Field(None, description="file of interactions (source `table`)")
    items: str | None = Field(None, description="file of products; without one, items are known by their ids")
    columns: dict[str, str | Positive] = Field(
        {}, description="our name = the file's name, or its number from 1 where the file has no header (source `table`)"
    )
    time_format: str | None = Field(
        None, description="how timestamps are written: a strptime pattern, a unit or excel-days (source `table`)"
    )
    max_bad_lines: Share = Field(0.001, description="share of malformed lines past which preparing stops")
    verified: bool = Field(True, description="keep verified purchases only, where the source says which are")
    duplicates: Literal["first", "keep"] = Field("first", description="several reviews of one item by one user")
    min_rating: float | None = Field(None, description="drop ratings below this")
    user_core: Natural = Field(0, description="k-core: least interactions of a user")
    item_core: Natural = Field(0, description="k-core: least interactions of an item")
    min_history: Natural = Field(0, description="least items of a user")
    min_categories: Natural = Field(0, description="least categories that a user's items span")
    cleaning: Cleaning = Field("unescape", description="how titles are cleaned")
    unbought: Literal["drop", "keep"] = Field("drop", description="products that nobody bought, in the catalogue")
    seed: Natural | None = Field(None, description="seed of the split and the options; without one, the recipe's")
    keep: tuple[KeptColumn, ...] = Field((), description="what else is kept of an item, to filter recommendations by")

    @field_validator("time_format")
    @classmethod
    def _is_time_format(cls, value: str | None) -> str | None:
        words = (*TIME_UNITS, SPREADSHEET_DAYS)
        if value is None or value in words or _TIME_PATTERN.fullmatch(value):
            return value
        raise ValueError(f"{value!r} is no pattern such as %d/%m/%Y, and none of {', '.join(words)}")

    @model_validator(mode="after")
    def _has_file(self) -> Self:
        if (self.reviews is None) == (self.interactions is None):
            raise ValueError("name exactly one of `reviews` and `interactions`")
        return self

    @property
    def purchases(self) -> str:
        """The file of reviews or interactions, whichever is named."""
        return self.reviews or self.interactions or ""


class SplitSection(Section):
    """What is learned from and what is predicted."""

    method: Literal["leave-one-out", "by-user", "by-time", "by-time-per-user"] = "leave-one-out"
    fractions: tuple[Share, Share, Share] = Field((0.8, 0.1, 0.1), description="train, validation, test")
    history: Natural = Field(
        0, description="by-user: the first n items are the history, the next is the answer; 0: all but the last"
    )
    ties: Literal["source", "random", "set"] = Field("source", description="the order of purchases of one moment")
    cold: Share = Field(0.0, description="share of the items that are withheld from all but the test (leave-one-out)")

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        if abs(sum(self.fractions) - 1) > 1e-9:
            raise ValueError(f"fractions must sum to 1, not {sum(self.fractions):g}")
        if self.cold and self.method != "leave-one-out":
            raise ValueError('cold needs method = "leave-one-out"')
        return self


class CandidatesSection(Section):
    """The options of each test case, drawn once."""

    options: Annotated[int, Field(ge=2, le=26)] = Field(4, description="the right one and its distractors")
    negatives: Literal["uniform", "popularity", "same-category", "similar-title"] = "uniform"


class Prompt(Section):
    """How a history is told."""

    task: str = Field("multiple_choice", description="what is asked: see docs/guide/recipes.md for the tasks")
    style: Literal["alpaca", "phi3", "chat", "plain", "bare"] = "alpaca"
    answer: Literal["title", "letter"] = Field(
        "title", description="multiple_choice: what is answered, the title or its letter"
    )
    fields: tuple[TextField, ...] = Field(
        ("title",), description="what is said of an item, and what its embedding is made of", min_length=1
    )
    user: bool = Field(False, description="tell who it is, too, by a token for each user of the training")
    padding: Literal["repeat", "token", "none"] = Field(
        "repeat",
        description="generate_ids: fewer than ten are filled up by repeating them, by a token of their own, or not",
    )
    history: Positive = Field(50, description="most items of a history that are told, the latest")
    field_tokens: Positive = Field(96, description="longest title, brand, description ... in a prompt or answer")
    max_tokens: Annotated[int, Field(ge=32)] = Field(512, description="longest prompt with its answer")


class Model(Section):
    """The language model."""

    base: str = Field("nano", description="`nano`, or any Hugging Face causal model by name or path")
    tuning: Literal["full", "lora", "qlora"] = "full"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    width: Annotated[int, Field(ge=32, multiple_of=32)] = Field(256, description="nano: size of a hidden state")
    layers: Positive = Field(4, description="nano")
    vocabulary: Annotated[int, Field(ge=300, le=65536)] = Field(4096, description="nano: entries of its tokenizer")
    dropout: Share = Field(0.0, description="nano: of the embeddings, and of what each layer adds")


class Lora(Section):
    """Low-rank adapters, for `tuning = "lora"` and `"qlora"`."""

    r: Positive = 16
    alpha: Positive = 32
    dropout: Share = 0.05
    targets: tuple[str, ...] = Field((), description="names of the layers; empty: all linear layers")


class Items(Section):
    """Item tokens, for a task that predicts them."""

    encoder: str = Field(
        "lsa",
        description="`lsa`, `minilm`, any sentence-transformers model by name or path; `none`: ids alone (SASRec)",
    )
    dimensions: Annotated[int, Field(ge=2)] = Field(256, description="lsa: of its vectors")
    dropout: Share = Field(0.3, description="share of the items that go without their learned part in a step")
    negatives: Natural = Field(0, description="drawn for each step; 0: the softmax is over the whole catalogue")
    transition_text: bool = Field(
        False, description="add a transition-text scorer to the model, mixed by weights that validation chooses"
    )
    cold_start_items: bool = Field(
        False,
        description="raise cold-start items until they are found as often as others (needs transition_text, refit)",
    )
    second_stage: Literal["off", "auto"] = Field(
        "off", description="re-rank the best items of the model and other sources; `auto`: where validation gains by it"
    )
    tasks: tuple[ItemTask, ...] = Field(("next",), description="what is learned", min_length=1)


class Training(Section):
    """How the model learns."""

    epochs: Natural = Field(5, description="epochs on the examples; 0 trains nothing, for zero-shot scoring")
    targets: Literal["last", "every"] = Field(
        "every", description="examples of a training user: the last purchase, or each"
    )
    batch_tokens: Annotated[int, Field(ge=32)] = Field(4096, description="tokens per step")
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-3
    warmup: Share = Field(0.05, description="share of the steps")
    patience: Natural = Field(
        2, description="epochs without a better validation loss before stopping; 0: never stop early"
    )
    pretrain_epochs: Natural = Field(0, description="epochs on the catalogue's own titles before the examples")
    choice_epochs: Natural = Field(0, description="epochs on telling the right option from the others, at the end")
    refit: bool = Field(False, description="then train anew with the validation purchases, for the best epochs")
    gradient_checkpointing: bool = False
    checkpoint_seconds: Annotated[float, Field(ge=0)] = Field(300.0, description="least time between two checkpoints")
    overfit: bool = Field(False, description="train on a few examples until they are learned, as a check of the set-up")
    extra: tuple[str, ...] = Field((), description="files of instruction / input / output rows to train on as well")
    trackers: tuple[Tracker, ...] = Field(("tensorboard",), description="what is told of losses besides log.jsonl")


class Evaluation(Section):
    """How good it is, honestly."""

    scoring: Literal["sum", "mean"] = Field("sum", description="of an option: log-probability of its tokens")
    resamples: Annotated[int, Field(ge=100)] = Field(1000, description="bootstrap over users")
    generate: Natural = Field(0, description="test users for whom the exact title is generated")
    baselines: tuple[str, ...] = ("chance", "popularity", "tfidf", "cooccurrence", "options_only")
    k: Positive = DEFAULT_K

    @field_validator("baselines")
    @classmethod
    def _knows_baselines(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in BASELINES:
                near = difflib.get_close_matches(name, BASELINES, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(BASELINES)}"
                raise ValueError(f"unknown baseline {name} ({hint})")
        return names


class Recipe(Section):
    """One experiment."""

    name: str = ""
    seed: Natural = 1
    data: Data
    split: SplitSection = SplitSection()
    candidates: CandidatesSection | None = Field(None, description="without it, no options are drawn")
    prompt: Prompt = Prompt()
    model: Model = Model()
    lora: Lora = Lora()
    items: Items = Items()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    sweep: Sweep | None = Field(None, description="for `shoptalk sweep`; every other command leaves it aside")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.items.transition_text and self.items.encoder == "none":
            raise ValueError("items.transition_text needs words: items.encoder must not be `none`")
        if self.items.cold_start_items and not (self.items.transition_text and self.training.refit):
            raise ValueError("items.cold_start_items needs items.transition_text and training.refit")
        if self.items.second_stage != "off" and self.items.cold_start_items:
            raise ValueError("items.second_stage and items.cold_start_items exclude each other")
        return self

    @property
    def data_seed(self) -> int:
        """The seed of the split and of the options; training has its own, so that several seeds share a dataset."""
        return self.seed if self.data.seed is None else self.data.seed

    def at(self, point: Mapping[str, Any]) -> "Recipe":
        """The recipe of one configuration of the sweep, which has no sweep itself.

        Raises
        ------
        RecipeError
            For settings that make no recipe.
        """
        content = _without_none(self.model_dump(exclude={"sweep"}))
        for key, value in point.items():
            section, name = key.split(".")
            content.setdefault(section, {})[name] = value
        recipe = parse_recipe(content)
        if missing := set(recipe.prompt.fields) - set(self.prompt.fields):
            raise RecipeError(f"prompt.fields needs {', '.join(sorted(missing))} in the recipe's own [prompt] as well")
        return recipe

    def to_toml(self) -> str:
        """The recipe, fully resolved, as TOML that reads back to the same recipe."""
        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))


#: Raises a `RecipeError` for a recipe that its task cannot use, or that a sweep's metric (if any) cannot judge.
Check = Callable[["Recipe", str | None], None]


def _unchecked(recipe: Recipe, metric: str | None) -> None:
    """Accept any recipe: one that was checked when its run began."""


def read_recipe(
    path: Path, overrides: Sequence[str] = (), seed: int | None = None, *, check: Check = _unchecked
) -> Recipe:
    """Read a recipe, with ``section.key=value`` settings laid over it.

    ``check`` raises a `RecipeError` for a recipe that its task cannot use (see `shoptalk.tasks.load_recipe`).

    Raises
    ------
    RecipeError
        With file and line, and the nearest known key for an unknown one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (
            "is not UTF-8 text"
            if isinstance(error, UnicodeDecodeError)
            else (error.strerror or "cannot be read").lower()
        )
        raise RecipeError(
            f"the recipe cannot be read: {reason}", where=str(path), hint="see recipes/ for examples"
        ) from error
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        raise RecipeError(f"not valid TOML: {error}", where=f"{path}:{line[1]}" if line else str(path)) from error
    for override in overrides:
        _lay_over(content, override)
    if seed is not None:
        content["seed"] = seed
    return parse_recipe(content, text, str(path), check=check)


def with_settings(recipe: Recipe, overrides: Sequence[str], seed: int | None, only: str) -> Recipe:
    """A recipe with settings of one section, and the seed, laid over it.

    Raises
    ------
    RecipeError
        For a setting of another section, which would not be what the recipe's run was made with.
    """
    content = _without_none(recipe.model_dump())
    for override in overrides:
        if not override.startswith(f"{only}."):
            raise RecipeError(f"only settings of [{only}] can be changed here, not {override}")
        _lay_over(content, override)
    if seed is not None:
        content["data"]["seed"] = recipe.data_seed  # the dataset stays what it is
        content["seed"] = seed
    return parse_recipe(content)


def parse_recipe(
    content: dict[str, Any], text: str = "", where: str = "recipe", *, check: Check = _unchecked
) -> Recipe:
    """Make a recipe of parsed TOML; ``text`` and ``where`` let errors name the line."""
    try:
        recipe = Recipe.model_validate(_as_tuples(content))
    except ValidationError as error:
        message, line, hint = explain(error, Recipe, text)
        raise RecipeError(message, where=f"{where}:{line}" if line else where, hint=hint) from error
    try:
        check(recipe, None)
    except RecipeError as error:
        line = line_of(text, _named_keys(error.message, recipe)) if text else None
        raise RecipeError(error.message, where=f"{where}:{line}" if line else where, hint=error.hint) from error
    _check_sweep(recipe, text, where, check)
    return recipe


def _named_keys(message: str, recipe: Recipe) -> list[str]:
    """The setting that a message speaks of last, as keys; the task where it names none."""
    named = [key.split(".") for key in re.findall(r"[a-z]+\.[a-z_]+", message)]
    known = [keys for keys in named if keys[0] in type(recipe).model_fields]
    return known[-1] if known else ["prompt", "task"]


def _check_sweep(recipe: Recipe, text: str, where: str, check: Check) -> None:
    """Every configuration of a sweep must be a recipe, before any of them is tried."""
    if recipe.sweep is None:
        return
    for point in islice(recipe.sweep.points(), MOST):
        try:
            check(recipe.at(point), recipe.sweep.metric)
        except RecipeError as error:
            named = [key for part in (2, 1) for key in point if ".".join(key.split(".")[:part]) in error.message]
            line = line_of(text, ["sweep", "configurations" if recipe.sweep.configurations else "space", *named[:1]])
            tried = ", ".join(f"{key} = {value}" for key, value in point.items())
            raise RecipeError(
                f"the sweep cannot try {tried}: {error.message.removeprefix('the recipe: ')}",
                where=f"{where}:{line}" if line else where,
                hint=error.hint,
            ) from error


def resolve(path: str) -> Path:
    """A path of a recipe, with ``${SHOPTALK_DATA}`` filled in (the folder ``data`` where it is not set)."""
    whole = Path(path.replace("${SHOPTALK_DATA}", os.environ.get("SHOPTALK_DATA") or "data"))
    try:
        return whole.expanduser()
    except RuntimeError:  # "~name.csv" is a file, where there is no user of that name
        return whole


def _lay_over(content: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(parts) > 2:
        raise RecipeError(f"cannot understand --set {override}", hint="write --set section.key=value")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    table = content
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise RecipeError(f"--set {override}: {part} is not a section")
    table[parts[-1]] = parsed


def _as_tuples(value: Any) -> Any:
    """TOML arrays as tuples, and whole numbers kept: strict models want the exact type."""
    if isinstance(value, dict):
        return {key: _as_tuples(inner) for key, inner in value.items()}
    return tuple(_as_tuples(inner) for inner in value) if isinstance(value, list) else value


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return value
