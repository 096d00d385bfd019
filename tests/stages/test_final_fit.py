"""What the final fit sees: the same users and purchases for the model and for every baseline."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from shoptalk.baselines import baseline_names, make_baseline
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.progress import silent
from shoptalk.recipe import Recipe, read_recipe
from shoptalk.schema import EvalExample, History, Split
from shoptalk.stages.model_setup import set_up
from shoptalk.stages.sasrec import sasrec_recipe
from tests.baselines.test_registry import parameters

METHODS = ("leave-one-out", "by-user", "by-time", "by-time-per-user")
TASKS = ("multiple_choice", "generate_title", "pointwise", "next_item", "generate_ids", "generate_reason")
#: They learn from no purchase: one is fixed, the other knows the words of the catalogue.
WITHOUT_PURCHASES = {"chance", "tfidf"}
#: It learns from questions and not from histories.
FROM_QUESTIONS = {"options_only"}
Make = Callable[..., tuple[Recipe, Dataset]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """The recipe of a task and the dataset of a way of splitting, prepared once each."""
    folder = tmp_path_factory.mktemp("fit")
    write_sample(folder, users=60, items=40)

    def make(method: str, *more: str) -> tuple[Recipe, Dataset]:
        common = [f"split.method={method}", "split.history=0", "split.fractions=[0.6,0.2,0.2]", "model.width=32",
                  "model.layers=1", "model.vocabulary=300", "items.dimensions=8", "training.pretrain_epochs=0",
                  "training.choice_epochs=0", "data.min_history=3", "prompt.max_tokens=1024"]  # fmt: skip
        recipe = read_recipe(folder / "recipe.toml", [*common, *more])
        if not (folder / method).exists():
            prepare(recipe, folder / method)
        return recipe, open_dataset(folder / method)

    return make


def counts(split: Split) -> tuple[int, int, int]:
    """Users, purchases and questions."""
    return len(split.train), sum(len(history.items) for history in split.train), len(split.train_cases)


def known_before_the_test(dataset: Dataset, *, refit: bool) -> tuple[int, int]:
    """Users and purchases that may be learned from, counted from the rows of the split's table."""
    rows = dataset.rows
    parts = [0, 1] if refit else [0]  # places in schema.PARTS: train, validation
    users = purchases = 0
    for start, end in zip(rows.start.tolist(), rows.end.tolist(), strict=True):
        learned = [position for position in range(start, end) if rows.part[position] in parts]
        users += bool(learned)
        purchases += learned[-1] - start + 1 if learned else 0  # and what a validation case shows before its target
    return users, purchases


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_the_final_fit_sees_training_and_with_refit_validation(made: Make, method: str, refit: bool) -> None:
    _, dataset = made(method)
    split = replace(dataset.split(), refit=refit)
    final = split.for_final_fit()
    users, purchases, questions = counts(final)
    assert (users, purchases) == known_before_the_test(dataset, refit=refit)
    assert questions == len(split.train_cases) + (len(split.validation) if refit else 0)
    assert len(split.validation) > 0
    assert len(final.validation) == (0 if refit else len(split.validation))
    before = counts(split)
    assert (counts(final) > before) == refit


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", METHODS)
def test_the_model_of_every_task_sees_it(made: Make, method: str, task: str, refit: bool) -> None:
    style = ["prompt.style=bare"] if task == "next_item" else ["prompt.style=alpaca"]
    recipe, dataset = made(method, f"prompt.task={task}", *style)
    expected = replace(dataset.split(), refit=refit).for_final_fit()
    setup = set_up(recipe, dataset, silent, refit=refit)
    users, purchases, questions = counts(expected)
    assert counts(setup.split) == (users, purchases, questions)
    answers = {
        "next_item": purchases - users,  # every purchase of a history but its first is a target
        "generate_ids": purchases - users,  # a list is asked for after every purchase but the last
        "pointwise": 2 * questions,  # the right option is liked, another is not
    }
    learned = int((setup.data.train.labels >= 0).sum()) if task == "next_item" else len(setup.data.train)
    assert learned == answers.get(task, questions)
    assert (len(setup.data.validation) == 0) == refit


def test_choosing_among_options_is_learned_from_validation_questions_too(made: Make) -> None:
    recipe, dataset = made("by-user", "prompt.task=generate_title", "training.choice_epochs=1")
    split = dataset.split("last")
    sizes = {}
    for refit in (False, True):
        choices = set_up(recipe, dataset, silent, refit=refit).data.choices
        assert choices is not None
        sizes[refit] = len(choices.questions)
    assert sizes == {
        False: len(split.train_cases),
        True: len(split.train_cases) + len(split.validation),
    }


@pytest.mark.parametrize("method", METHODS)
def test_sasrec_sees_it(made: Make, method: str) -> None:
    recipe, dataset = made(method, "training.refit=true", "prompt.task=next_item", "prompt.style=bare")
    setup = set_up(sasrec_recipe(recipe), dataset, silent, refit=True)
    assert sasrec_recipe(recipe).training.refit
    assert counts(setup.split) == counts(replace(dataset.split(), refit=True).for_final_fit())


class LoggedSequence(Sequence[Any]):
    """A sequence that writes down when it is read from its beginning to its end."""

    def __init__(self, name: str, values: Sequence[Any], log: list[tuple[str, int, int]]) -> None:
        self._name, self._values, self._log = name, values, log

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def __iter__(self) -> Iterator[Any]:
        yield from self._values
        items = sum(len(value.items) if isinstance(value, History) else 1 for value in self._values)
        self._log.append((self._name, len(self._values), items))


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("name", parameters(baseline_names()))
@pytest.mark.parametrize("method", METHODS)
def test_every_baseline_sees_it(
    made: Make, method: str, name: str, refit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, dataset = made(method)
    split = replace(dataset.split(), refit=refit)
    users, purchases, questions = counts(split.for_final_fit())
    log: list[tuple[str, int, int]] = []
    final_fit = Split.for_final_fit

    def watched(kind: str, part: Split) -> Split:
        train: Sequence[History] = LoggedSequence(f"{kind} histories", part.train, log)
        cases: Sequence[EvalExample] = LoggedSequence(f"{kind} questions", part.train_cases, log)
        return replace(part, train=train, train_cases=cases)

    monkeypatch.setattr(Split, "for_final_fit", lambda _: watched("final", final_fit(split)))
    make_baseline(name, watched("selection", split), dataset.catalogue, 1)
    final = [entry for entry in log if entry[0].startswith("final")]
    if name in WITHOUT_PURCHASES:
        assert log == []
        return
    assert log[-1] == final[-1]  # the last that is read is what the final fit sees
    if name in FROM_QUESTIONS:
        assert set(final) == {("final questions", questions, questions)}
    else:
        assert ("final histories", users, purchases) in final
        assert set(final) <= {("final histories", users, purchases), ("final questions", questions, questions)}
    if split.refit:
        assert not any(entry[0].startswith("selection") for entry in log[log.index(final[0]) :])


def test_several_validation_cases_of_a_user_are_one_history() -> None:
    train = [History("a", ("1", "2")), History("b", ("3",))]
    cases = [
        EvalExample(History("a", ("1", "2")), ("4",)),
        EvalExample(History("a", ("1", "2", "4")), ("5", "6")),
        EvalExample(History("c", ("6",)), ("7",)),
    ]
    final = Split(train, cases[:1], cases, [], refit=True).for_final_fit()
    assert [(one.user_id, "".join(one.items)) for one in final.train] == [("a", "12456"), ("b", "3"), ("c", "67")]
    assert [*final.train_cases] == [final.train_cases[position] for position in range(4)] == [cases[0], *cases]
    assert final.train_cases[-1] is cases[-1]
    assert list(final.train_cases[1:3]) == cases[:2]
    with pytest.raises(IndexError):
        final.train_cases[4]
    assert final.for_final_fit().train == final.train  # nothing is added twice


def test_reviews_stay_at_their_purchases() -> None:
    train = [History("a", ("1", "2"), ("good", "bad"))]
    cases = [EvalExample(History("a", ("1", "2"), ("good", "bad")), ("3",), target_reviews=("fine",))]
    final = Split(train, [], cases, [], refit=True).for_final_fit()
    assert final.train == [History("a", ("1", "2", "3"), ("good", "bad", "fine"))]


def test_without_refit_nothing_of_validation_is_learned() -> None:
    split = Split([History("a", ("1",))], [], [EvalExample(History("a", ("1",)), ("2",))], [])
    assert not split.refit
    assert split.for_final_fit() is split
