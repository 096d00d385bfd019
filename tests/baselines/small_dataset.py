"""A dataset that is small enough to compute expected values by hand."""

from collections.abc import Sequence

from shoptalk.schema import Candidates, Catalogue, EvalExample, History, Item, Split

TITLES = {
    "lip1": "red lipstick",
    "lip2": "blue lipstick",
    "hair1": "hair dryer",
    "hair2": "hair brush",
    "soap": "plain soap",
}
CATALOGUE: Catalogue = {item_id: Item(item_id, title) for item_id, title in TITLES.items()}
TRAIN = (
    History("t1", ("lip1", "soap")),
    History("t2", ("lip1", "soap", "hair1")),
    History("t3", ("soap", "hair2")),
)


def options(*items: str, titles: Sequence[str] | None = None) -> Candidates:
    """Candidates with the titles of the catalogue, or with other titles."""
    return Candidates(items, tuple(titles) if titles else tuple(TITLES.get(item, "unheard of") for item in items))


def case(user: str, history: Sequence[str], items: Sequence[str], answer: int) -> EvalExample:
    """A case with options; the target is the right one."""
    return EvalExample(History(user, tuple(history)), (items[answer],), options(*items), answer)


def split(
    train: Sequence[History] = TRAIN, train_cases: Sequence[EvalExample] = (), validation: Sequence[EvalExample] = ()
) -> Split:
    """A split without test cases, for which the final fit includes the validation cases."""
    return Split(train, train_cases, validation, (), refit=True)
