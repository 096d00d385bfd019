"""The section ``[sweep]`` of a recipe: which configurations are tried, and by what the best of them is chosen."""

import itertools
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

#: Sections whose settings are the same for all trials, and why.
FIXED = {
    "data": "every trial must be judged on the same cases",
    "split": "every trial must be judged on the same cases",
    "candidates": "every trial must be judged on the same cases",
    "evaluation": "every trial must be judged in the same way",
    "seed": "choosing among seeds is choosing luck",
    "name": "it is no setting",
    "sweep": "a sweep has no sweeps",
}
#: Settings that change what a loss is counted in or over, so that two losses cannot be compared.
KINDS_OF_LOSS = ("prompt.task", "prompt.answer", "prompt.padding", "model.base", "model.vocabulary")
#: Most configurations of a grid.
MOST = 1000


class Section(BaseModel):
    """A part of a recipe: strict (no unknown key, no silent conversion) and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Range(Section):
    """Values from ``low`` to ``high``; whole numbers where both ends are."""

    low: Annotated[int | float, Field(allow_inf_nan=False)]
    high: Annotated[int | float, Field(allow_inf_nan=False)]
    log: bool = Field(False, description="drawn evenly over orders of magnitude")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, and {self.low:g} is not below {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range begins above 0")
        return self

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def ends(self) -> tuple[int | float, ...]:
        """Values that show whether the others are allowed: the ends and, of whole numbers, the second."""
        return tuple(dict.fromkeys([self.low, self.low + 1, self.high])) if self.whole else (self.low, self.high)


def _is_value(value: Any) -> Any:
    listed = isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    if not listed and not isinstance(value, (bool, int, float, str)):
        raise ValueError("a setting's value is text, a number, true, false, or a list of texts")
    return value


Value = Annotated[Any, AfterValidator(_is_value)]
Choices = Annotated[
    Annotated[tuple[Value, ...], Tag("values")] | Annotated[Range, Tag("range")],
    Discriminator(lambda value: "range" if isinstance(value, (dict, Range)) else "values"),
]
Point = dict[str, Value]


class Sweep(Section):
    """What is tried: all combinations, or some that are drawn, or those that are listed."""

    method: Literal["grid", "random", "tpe"] = Field(
        "grid", description="all combinations, some drawn at random, or drawn where earlier ones were good (TPE)"
    )
    trials: Annotated[int, Field(ge=1)] = Field(20, description="random, tpe: how many configurations are tried")
    metric: Literal["validation_loss", "ndcg@10", "accuracy"] = Field(
        "validation_loss", description="figure of the validation cases by which the best configuration is chosen"
    )
    prune: bool = Field(False, description="stop a trial that is worse than the median of those before it")
    space: dict[str, Choices] = Field({}, description="section.key = [values] or {low, high, log}")
    configurations: tuple[Point, ...] = Field((), description="grid: section.key = value, one table for each")

    @field_validator("space", mode="before")
    @classmethod
    def _flat_space(cls, value: Any) -> Any:
        flat = _flat(value)
        for key, choices in flat.items() if isinstance(flat, dict) else ():
            if not isinstance(choices, (tuple, dict, Range)):
                raise ValueError(f"{key} needs a list of values, or {{low = .., high = ..}}")
        return flat

    @field_validator("configurations", mode="before")
    @classmethod
    def _flat_configurations(cls, value: Any) -> Any:
        return tuple(_flat(point) for point in value) if isinstance(value, tuple) else value

    @model_validator(mode="after")
    def _can_be_tried(self) -> Self:
        if bool(self.space) == bool(self.configurations):
            raise ValueError("name what is tried in either [sweep.space] or [[sweep.configurations]]")
        if self.configurations and self.method != "grid":
            raise ValueError('[[sweep.configurations]] needs method = "grid"')
        for key in self.keys:
            _check_key(key)
        for key, choices in self.space.items():
            if isinstance(choices, Range) and self.method == "grid":
                raise ValueError(f'a grid needs the values of {key} listed; a range needs method = "tpe" or "random"')
            if not isinstance(choices, Range) and (not choices or len(set(choices)) < len(choices)):
                raise ValueError(f"{key} needs at least one value, and each only once")
        if self.method == "grid" and self.size > MOST:
            raise ValueError(f'this grid has {self.size:,} configurations; draw some with method = "tpe" or "random"')
        return self

    @model_validator(mode="after")
    def _compares_like_with_like(self) -> Self:
        by_loss = self.metric == "validation_loss"
        mixed = [key for key in KINDS_OF_LOSS if key in self.keys]
        mixed += ["training.choice_epochs"] if by_loss and "training.choice_epochs" in self.keys else []
        if mixed and (by_loss or self.prune):
            instead = "another metric" if by_loss else self.metric
            raise ValueError(
                f"losses under different {', '.join(mixed)} cannot be compared; choose by {instead}, with prune = false"
            )
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """Every setting that varies, as ``section.key``."""
        return tuple(dict.fromkeys(key for point in [self.space, *self.configurations] for key in point))

    @property
    def size(self) -> int:
        """How many configurations are tried."""
        if self.method != "grid":
            return self.trials
        return len(self.configurations) or math.prod(len(values) for values in self._values().values())

    def points(self) -> Iterator[Point]:
        """The configurations of a grid; of a space with ranges, the combinations of values and ends of ranges."""
        if self.configurations:
            yield from self.configurations
        else:
            values = self._values()
            yield from (dict(zip(values, point, strict=True)) for point in itertools.product(*values.values()))

    def _values(self) -> dict[str, tuple[Value, ...]]:
        return {key: choices.ends() if isinstance(choices, Range) else choices for key, choices in self.space.items()}


def _flat(value: Any) -> Any:
    """``lora.r = 8``, which TOML reads as a table in a table, as ``"lora.r" = 8``."""
    if not isinstance(value, dict):
        return value
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        nested = isinstance(inner, dict) and "." not in key
        flat |= {f"{key}.{name}": setting for name, setting in inner.items()} if nested else {key: inner}
    return flat


def _check_key(key: str) -> None:
    section, _, name = key.partition(".")
    if section in FIXED:
        raise ValueError(f"{key} cannot vary: {FIXED[section]}")
    if not section or not name or "." in name:
        raise ValueError(f"{key} is no setting: write section.key")
