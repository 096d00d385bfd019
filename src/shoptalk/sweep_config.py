"""The section ``[sweep]`` of a recipe: the configurations to try, and the metric that chooses the best one."""

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

#: Sections and settings that are the same for all trials, with the reason.
FIXED = {
    "data": "every trial must be judged on the same cases",
    "split": "every trial must be judged on the same cases",
    "candidates": "every trial must be judged on the same cases",
    "evaluation": "every trial must be judged in the same way",
    "seed": "the best of several seeds is best by chance",
    "name": "it is not a setting",
    "sweep": "a sweep cannot contain a sweep",
}
#: Settings that change the unit or the cases of a loss, so that two losses cannot be compared.
KINDS_OF_LOSS = ("prompt.task", "prompt.answer", "prompt.padding", "model.base", "model.vocabulary")
#: Largest number of configurations of a grid.
MOST = 1000


class Section(BaseModel):
    """A part of a recipe: strict (no unknown key, no silent conversion) and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Range(Section):
    """Values from ``low`` to ``high``; integers if both ends are."""

    low: Annotated[int | float, Field(allow_inf_nan=False)]
    high: Annotated[int | float, Field(allow_inf_nan=False)]
    log: bool = Field(False, description="whether values are drawn uniformly on a logarithmic scale")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, and {self.low:g} is not below {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError("low must be above 0 in a logarithmic range")
        return self

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def ends(self) -> tuple[int | float, ...]:
        """Values that are checked before a sweep begins: both ends and, of integers, the one after ``low``."""
        return tuple(dict.fromkeys([self.low, self.low + 1, self.high])) if self.whole else (self.low, self.high)


def _is_value(value: Any) -> Any:
    is_list = isinstance(value, tuple) and all(isinstance(element, str) for element in value)
    if not is_list and not isinstance(value, (bool, int, float, str)):
        raise ValueError("a setting's value is text, a number, true, false, or a list of texts")
    return value


Value = Annotated[Any, AfterValidator(_is_value)]
Choices = Annotated[
    Annotated[tuple[Value, ...], Tag("values")] | Annotated[Range, Tag("range")],
    Discriminator(lambda value: "range" if isinstance(value, (dict, Range)) else "values"),
]
Point = dict[str, Value]


class Sweep(Section):
    """The configurations of a sweep: all combinations of a space, some drawn from it, or a list."""

    method: Literal["grid", "random", "tpe"] = Field(
        "grid", description="all combinations, random draws, or a tree-structured Parzen estimator (Optuna)"
    )
    trials: Annotated[int, Field(ge=1)] = Field(20, description="random, tpe: number of configurations")
    metric: Literal["validation_loss", "ndcg@10", "accuracy"] = Field(
        "validation_loss", description="metric on validation cases that chooses the best configuration"
    )
    prune: bool = Field(False, description="stop a trial that is worse than the median of earlier trials")
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
    def _is_valid(self) -> Self:
        if bool(self.space) == bool(self.configurations):
            raise ValueError("list the configurations in either [sweep.space] or [[sweep.configurations]]")
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
    def _losses_are_comparable(self) -> Self:
        by_loss = self.metric == "validation_loss"
        incomparable = [key for key in KINDS_OF_LOSS if key in self.keys]
        incomparable += ["training.choice_epochs"] if by_loss and "training.choice_epochs" in self.keys else []
        if incomparable and (by_loss or self.prune):
            metric = "another metric" if by_loss else self.metric
            raise ValueError(
                f"losses under different {', '.join(incomparable)} cannot be compared; choose by {metric}, "
                "with prune = false"
            )
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """Every setting that varies, as ``section.key``."""
        return tuple(dict.fromkeys(key for point in [self.space, *self.configurations] for key in point))

    @property
    def size(self) -> int:
        """Number of configurations that are tried."""
        if self.method != "grid":
            return self.trials
        return len(self.configurations) or math.prod(len(values) for values in self._values().values())

    def points(self) -> Iterator[Point]:
        """The configurations of a grid, or, if the space has ranges, all combinations of values and ends of ranges."""
        if self.configurations:
            yield from self.configurations
        else:
            values = self._values()
            yield from (dict(zip(values, point, strict=True)) for point in itertools.product(*values.values()))

    def _values(self) -> dict[str, tuple[Value, ...]]:
        return {key: choices.ends() if isinstance(choices, Range) else choices for key, choices in self.space.items()}


def _flat(value: Any) -> Any:
    """Turn ``lora.r = 8``, which TOML reads as nested tables, into ``"lora.r" = 8``."""
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
        raise ValueError(f"{key} is not a setting: write section.key")
