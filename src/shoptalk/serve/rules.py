"""Business rules: a TOML file that says what is hidden, boosted, pinned or limited; read again when it changes."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shoptalk.config_errors import Origin, explain
from shoptalk.errors import RulesError, ShoptalkError
from shoptalk.serve.catalogue import Bools, LiveCatalogue

Scores = NDArray[np.float64]
#: Items whose spread of scores is the unit of a boost.
SPREAD = 100
#: Largest file, in bytes, and most rules.
LARGEST, MOST_RULES = 1_000_000, 200


class Strict(BaseModel):
    """No unknown key, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Where(Strict):
    """Which products a rule is about: those that meet every condition. Without a condition, all."""

    items: tuple[str, ...] = Field((), description="ids of products")
    categories: tuple[str, ...] = Field((), description="at least one of these categories")
    brands: tuple[str, ...] = Field((), description="one of these brands")
    title_contains: tuple[str, ...] = Field((), description="the title contains one of these texts, whatever the case")
    price_from: float | None = Field(None, description="lowest price")
    price_to: float | None = Field(None, description="highest price")
    new: bool | None = Field(None, description="whether no run was trained with the product")

    def mask(self, catalogue: LiveCatalogue) -> Bools:
        """(I,) the products that meet every condition. Names that no product has match nothing."""
        masks = [np.ones(len(catalogue), dtype=np.bool_)]
        if self.items:
            masks.append(catalogue.mask(self.items))
        for names, groups in ((self.categories, catalogue.categories), (self.brands, catalogue.brands)):
            if names:
                mask = np.zeros(len(catalogue), dtype=np.bool_)
                for name in names:
                    mask[groups.members.get(name.casefold(), np.empty(0, dtype=np.int64))] = True
                masks.append(mask)
        if self.title_contains:
            texts = [text.casefold() for text in self.title_contains]
            titles = (catalogue.items[item].title.casefold() for item in catalogue.ids)
            masks.append(np.array([any(text in title for text in texts) for title in titles], dtype=np.bool_))
        if self.price_from is not None:
            masks.append(catalogue.prices >= self.price_from)
        if self.price_to is not None:
            masks.append(catalogue.prices <= self.price_to)
        if self.new is not None:
            masks.append(catalogue.mask(catalogue.new) == self.new)
        return np.logical_and.reduce(masks)


class Rule(Strict):
    """One rule: a name, one action, and the products that it is about."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    where: Where = Where()
    hide: Literal[True] | None = Field(None, description="never recommend these products")
    boost: Annotated[float, Field(ge=-10, le=10)] | None = Field(
        None, description="add so many standard deviations of the 100 best scores; below 0 to demote"
    )
    pin: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="put the best of these products at this place, from 1"
    )
    at_most: Annotated[int, Field(ge=1, le=1000)] | None = Field(None, description="at most so many of each group")
    per: Literal["category", "brand", "list"] = Field("list", description="at_most: the group")
    minimum_stock: Annotated[int, Field(ge=1)] | None = Field(
        None, description="hide products of which fewer are in stock; those without a number are not hidden"
    )
    days_after_purchase: Annotated[float, Field(gt=0)] | None = Field(
        None, description="do not recommend a product again for so many days after its purchase"
    )

    @model_validator(mode="after")
    def _has_one_action(self) -> Self:
        given = [name for name in ACTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            said = " and ".join(given) if given else "none"
            raise ValueError(f"a rule needs exactly one of {', '.join(ACTIONS)}, and this one has {said}")
        if self.per != "list" and self.at_most is None:
            raise ValueError("per belongs to at_most")
        return self

    @property
    def action(self) -> str:
        """Its action, the name of the key."""
        return next(name for name in ACTIONS if getattr(self, name) is not None)


#: The keys of which a rule has one.
ACTIONS = ("hide", "boost", "pin", "at_most", "minimum_stock", "days_after_purchase")


class RuleFile(Strict):
    """The content of a file of rules."""

    rule: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [rule.name for rule in self.rule]
        if len(names) > MOST_RULES:
            raise ValueError(f"at most {MOST_RULES} rules")
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules are named {duplicates[0]!r}")
        return self


def read_rules(path: Path) -> tuple[Rule, ...]:
    """The rules of a file.

    Raises
    ------
    RulesError
        With the line, where one is known.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise RulesError("the file is too large for rules", where=str(path))
        text = raw.decode("utf-8")
        content = _as_tuples(tomllib.loads(text))
    except OSError as error:
        raise RulesError(f"cannot be read: {(error.strerror or 'error').lower()}", where=str(path)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RulesError(f"this is not TOML: {error}", where=str(path)) from error
    try:
        return RuleFile.model_validate(content).rule
    except ValidationError as error:
        explained: ShoptalkError = explain(error, RuleFile, Origin(str(path), text))
        raise RulesError(explained.message, where=explained.where, hint=explained.hint) from error


def _as_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_tuples(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return tuple(_as_tuples(entry) for entry in value)
    return value


@dataclass(frozen=True)
class RuleEffect:
    """What a rule did to one list: the action, and the products of the list that it moved, or kept out of it."""

    rule: str
    action: str
    items: tuple[str, ...]


@dataclass
class Ranking:
    """A list that rules have acted on: indices of products, their scores, and the effects."""

    best: list[int]
    scores: Scores
    effects: list[RuleEffect] = field(default_factory=list)


class RuleSet:
    """Rules bound to a catalogue, with the products of each rule as masks.

    Parameters
    ----------
    rules
        In the order of the file.
    catalogue
        The products.
    """

    def __init__(self, rules: Sequence[Rule], catalogue: LiveCatalogue) -> None:
        self.rules, self._catalogue = tuple(rules), catalogue
        self._where = [rule.where.mask(catalogue) for rule in self.rules]
        self._hidden = [self._kept_out(rule, mask) for rule, mask in zip(self.rules, self._where, strict=True)]

    def _kept_out(self, rule: Rule, where: Bools) -> Bools | None:
        """(I,) what a rule keeps out of every list; None for other rules."""
        if rule.hide:
            return where
        if rule.minimum_stock is not None:
            return where & (self._catalogue.stock < rule.minimum_stock)
        return None

    @property
    def needs_purchases(self) -> bool:
        """Whether a rule looks at the times of purchases."""
        return any(rule.days_after_purchase is not None for rule in self.rules)

    def apply(
        self,
        scores: Scores,
        allowed: Bools,
        count: int,
        purchases: Mapping[str, float],
        now: float,
        *,
        seen: int | None = None,
    ) -> Ranking:
        """The ``count`` best products under the rules.

        Parameters
        ----------
        scores
            (I,) scores; minus infinity where there is none.
        allowed
            (I,) what may be recommended without the rules.
        purchases
            When each product was last bought, in seconds since 1970.
        now
            Seconds since 1970.
        seen
            The first places that effects are about, if the list is longer than what is shown.
        """
        scores = np.where(allowed, scores, -np.inf)
        if not self.rules:
            return Ranking(_best(scores, count), scores)
        seen = count if seen is None else seen
        plain = set(_best(scores, seen))
        effects: list[RuleEffect] = []
        for rule, hidden in zip(self.rules, self._hidden, strict=True):
            out = self._recent(rule, purchases, now) if rule.days_after_purchase is not None else hidden
            if out is not None:
                gone = [position for position in plain if out[position]]
                scores = np.where(out, -np.inf, scores)
                self._note(effects, rule, gone)
        scores = self._boosted(scores, seen, effects)
        best = self._limited(scores, count, effects, seen)
        self._pin(best, scores, count, effects)
        return Ranking(best, scores, effects)

    def _recent(self, rule: Rule, purchases: Mapping[str, float], now: float) -> Bools:
        since = now - (rule.days_after_purchase or 0) * 86_400
        where = self._where[self.rules.index(rule)]
        return where & self._catalogue.mask(item for item, time in purchases.items() if time >= since)

    def _boosted(self, scores: Scores, count: int, effects: list[RuleEffect]) -> Scores:
        """Scores with all boosts, whose unit is the standard deviation of the best scores."""
        best = scores[_best(scores, SPREAD)]
        unit = float(np.std(best)) if len(best) else 0.0
        before = set(_best(scores, count))
        for rule, where in zip(self.rules, self._where, strict=True):
            if rule.boost is not None:
                scores = scores + np.where(where, rule.boost * (unit or 1.0), 0.0)
                after = set(_best(scores, count))
                moved = [position for position in sorted(before | after) if where[position]]
                self._note(effects, rule, moved)
                before = after
        return scores

    def _limited(self, scores: Scores, count: int, effects: list[RuleEffect], seen: int) -> list[int]:
        """The best products of which no group has more than a rule allows."""
        limits = [(rule, where) for rule, where in zip(self.rules, self._where, strict=True) if rule.at_most]
        if not limits:
            return _best(scores, count)
        order = np.argsort(-scores, kind="stable")
        order = order[np.isfinite(scores[order])]
        taken: list[int] = []
        used: dict[tuple[str, int], int] = {}
        left_out: dict[str, list[int]] = {}
        for position in order.tolist():
            if len(taken) == count:
                break
            keys = [(rule, key) for rule, where in limits if where[position] and (key := self._group(rule, position))]
            full = next((rule for rule, key in keys if used.get(key, 0) >= (rule.at_most or 0)), None)
            if full is not None:
                left_out.setdefault(full.name, []).append(position)
                continue
            taken.append(position)
            for _, key in keys:
                used[key] = used.get(key, 0) + 1
        for rule, _ in limits:
            self._note(effects, rule, left_out.get(rule.name, [])[:seen])
        return taken

    def _group(self, rule: Rule, position: int) -> tuple[str, int] | None:
        """The group that a product counts in; None if it has no category, or brand."""
        if rule.per == "list":
            return rule.name, 0
        groups = self._catalogue.categories if rule.per == "category" else self._catalogue.brands
        code = int(groups.codes[position])
        return None if code < 0 else (rule.name, code)

    def _pin(self, best: list[int], scores: Scores, count: int, effects: list[RuleEffect]) -> None:
        """Move the best product of every pinning rule to its place, the first places first."""
        pins = [(rule, where) for rule, where in zip(self.rules, self._where, strict=True) if rule.pin]
        for rule, where in sorted(pins, key=lambda pair: pair[0].pin or 0):
            top = _best(np.where(where, scores, -np.inf), 1)
            if not top or rule.pin is None or rule.pin > count:
                continue
            if top[0] in best:
                best.remove(top[0])
            best.insert(rule.pin - 1, top[0])
            del best[count:]
            self._note(effects, rule, top)

    def _note(self, effects: list[RuleEffect], rule: Rule, positions: Sequence[int]) -> None:
        if positions:
            ids = self._catalogue.ids
            effects.append(RuleEffect(rule.name, rule.action, tuple(ids[position] for position in positions)))


def _best(scores: Scores, count: int) -> list[int]:
    """Indices of the best finite scores; equal ones in catalogue order."""
    count = min(count, len(scores))
    if count <= 0:
        return []
    threshold = np.partition(scores, len(scores) - count)[len(scores) - count]
    chosen = np.flatnonzero(scores >= threshold)
    chosen = chosen[np.isfinite(scores[chosen])]
    return [int(position) for position in chosen[np.lexsort((chosen, -scores[chosen]))][:count]]
