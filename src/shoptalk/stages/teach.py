"""Teach: a teacher model writes the answers of the training rows."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shoptalk.data.dataset import Dataset, check_fit
from shoptalk.errors import RecipeError, TeacherError
from shoptalk.files import write_text
from shoptalk.progress import Notify, Progress
from shoptalk.prompts.teacher import TaughtAnswer, as_rows, teacher_messages
from shoptalk.recipe import Recipe, Teacher
from shoptalk.results import TeachResult
from shoptalk.schema import EvalExample
from shoptalk.stages.teacher_answers import AnswerCheck
from shoptalk.stages.teacher_cache import AnswerCache, request_key
from shoptalk.stages.teacher_client import Failed, ask, make_client, most_tokens, parameters
from shoptalk.tasks import check_recipe, get_task

#: Failures in a row, without an answer in between, after which no more requests are sent.
MOST_FAILURES = 10
#: Characters per token in estimates.
_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """A training case with its request."""

    case: EvalExample
    lines: tuple[str, ...]
    request: str
    listed: tuple[str, ...]
    sent: dict[str, Any]
    key: str


@dataclass(slots=True)
class _Spending:
    """Tokens that are spent or reserved, against the budget."""

    teacher: Teacher
    read: int
    written: int
    stopped: str | None = None

    def reserve(self, read: int, written: int) -> bool:
        """Reserve the most that a request can cost; False where the budget does not suffice."""
        teacher = self.teacher
        if self.read + self.written + read + written > teacher.budget_tokens:
            self.stopped = "budget_tokens"
        elif teacher.budget_cost is not None and self.cost(read, written) > teacher.budget_cost:
            self.stopped = "budget_cost"
        if self.stopped is None:
            self.add(read, written)
        return self.stopped is None

    def add(self, read: int, written: int) -> None:
        """Add tokens, or take them back where they are negative."""
        self.read, self.written = self.read + read, self.written + written

    def cost(self, read: int = 0, written: int = 0) -> float:
        """The price of what is spent or reserved, and of more tokens."""
        return price(self.teacher, self.read + read, self.written + written)


@dataclass(slots=True)
class _Asked:
    """What became of the requests of this command."""

    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    in_a_row: int = 0
    error: TeacherError | None = None


def teach(
    recipe: Recipe, dataset: Dataset, out: Path, cache: Path | None, progress: Progress, *, dry_run: bool = False
) -> TeachResult:
    """Ask the teacher of a recipe for the answers of all training rows, and write the accepted ones.

    Answers are kept in a cache as soon as they arrive; a repeated command sends only requests without an answer.

    Parameters
    ----------
    out
        The file of answers, which ``training.answers`` names.
    cache
        The file of the cache; by default beside ``out``.
    dry_run
        Count rows, tokens and cost; send and write nothing.

    Raises
    ------
    RecipeError
        For a recipe without a section ``[teacher]``, or whose task learns no answers of a teacher.
    TeacherError
        When the teacher refuses all requests or does not answer; answers until then are kept.
    """
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"answers": None})})
    teacher = _teacher(recipe)
    check_fit(recipe, dataset)
    rows = training_rows(recipe, teacher, dataset)
    cache = cache or out.with_name(out.name + ".cache.sqlite")
    if dry_run:
        return _dry_run(teacher, rows, cache)
    client = make_client(teacher)  # first, because a missing key or library is reported before anything is written
    with AnswerCache(cache) as answers:
        waiting = {row.key: row.sent for row in rows if answers.get(row.key) is None}
        spending = _Spending(teacher, *answers.spent())
        total = len(waiting)
        asked = _Asked()
        requests = _within(waiting, spending)

        def notify(done: int, of: int) -> None:
            progress("teacher", done, of, f"{spending.cost():.4f} spent or reserved")

        asyncio.run(_ask_all(client, teacher, requests, total, answers, spending, asked, notify))
        result, accepted = _judge(dataset, rows, answers, spending, asked, total, out)
    write_text(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in as_rows(accepted)))
    return result


def _teacher(recipe: Recipe) -> Teacher:
    """The section ``[teacher]`` of a recipe that can use one."""
    check_recipe(recipe)
    if recipe.teacher is None:
        raise RecipeError("the recipe has no section [teacher]", hint="see docs/guide/teacher.md")
    if not get_task(recipe.prompt.task).learns_answers:
        raise RecipeError(f'prompt.task = "{recipe.prompt.task}" learns no answers of a teacher: use generate_reason')
    return recipe.teacher


def training_rows(recipe: Recipe, teacher: Teacher, dataset: Dataset) -> list[Row]:
    """The training cases of a recipe with their requests; the products of a list are drawn by the seed."""
    task = get_task(recipe.prompt.task)
    builder = task.prompts(recipe.prompt, dataset.catalogue)
    items = list(dataset.catalogue)
    rows = []
    for number, case in enumerate(task.train_cases(dataset.split(recipe.training.targets), recipe)):
        rng = np.random.default_rng((recipe.seed, number))
        listed = _listed(case, items, teacher.options, rng)
        instruction, *history = [message.text for message in builder.ask(case.history)]
        messages = teacher_messages(history, instruction, [builder.title(item) for item in listed])
        sent = parameters(teacher, messages)
        rows.append(Row(case, tuple(history), instruction, listed, sent, request_key(teacher.url, sent)))
    if not rows:
        raise TeacherError("the dataset has no training rows", where=str(dataset.folder))
    return rows


def _listed(case: EvalExample, items: Sequence[str], count: int, rng: np.random.Generator) -> tuple[str, ...]:
    """The next purchase and others that the user does not have, shuffled."""
    excluded = {*case.history.items, *case.targets}
    others: list[str] = []
    for index in rng.permutation(len(items)).tolist():
        if len(others) == count - 1:
            break
        if items[index] not in excluded:
            others.append(items[index])
    listed = [case.targets[0], *others]
    return tuple(listed[index] for index in rng.permutation(len(listed)))


def _within(waiting: Mapping[str, dict[str, Any]], spending: _Spending) -> Iterator[tuple[str, dict[str, Any]]]:
    """Requests until the budget does not suffice for one; the most that each can cost is reserved."""
    for key, sent in waiting.items():
        if not spending.reserve(*most_tokens(sent)):
            return
        yield key, sent


async def _ask_all(
    client: Any,
    teacher: Teacher,
    requests: Iterator[tuple[str, dict[str, Any]]],
    total: int,
    answers: AnswerCache,
    spending: _Spending,
    asked: _Asked,
    notify: Notify,
) -> None:
    """Send the requests with ``teacher.concurrency`` workers; each takes the next after it has kept its answer.

    After an error no more requests are sent, but the answers under way are awaited and kept.
    """

    async def send(key: str, sent: dict[str, Any]) -> None:
        """Send one request and keep its answer, or count its failure."""
        try:
            answer = await ask(client, teacher, sent)
        except Failed as failure:
            asked.failed[failure.kind] += 1
            asked.in_a_row += 1
            if asked.in_a_row >= MOST_FAILURES:
                raise TeacherError(
                    f"{asked.in_a_row} requests in a row failed, the last one: {failure.message}",
                    where=teacher.url,
                    hint="answers are kept; repeat the command later",
                ) from None
        else:
            answers.put(key, answer)
            read, written = most_tokens(sent)
            spending.add(answer.input_tokens - read, answer.output_tokens - written)
            asked.answered, asked.in_a_row = asked.answered + 1, 0

    async def work() -> None:
        """Send requests until there are no more, or one has ended the command."""
        for key, sent in requests:
            try:
                await send(key, sent)
            except TeacherError as error:
                asked.error = asked.error or error
            if asked.error is not None:
                return
            notify(asked.answered + asked.failed.total(), total)

    async with client:
        await asyncio.gather(*(work() for _ in range(teacher.concurrency)))
    if asked.error is not None:
        raise asked.error


def _judge(
    dataset: Dataset,
    rows: Sequence[Row],
    answers: AnswerCache,
    spending: _Spending,
    asked: _Asked,
    waiting: int,
    out: Path,
) -> tuple[TeachResult, list[TaughtAnswer]]:
    """Check all answers and count."""
    check = AnswerCheck({item.item_id: item.title for item in dataset.catalogue.values()})
    accepted: list[TaughtAnswer] = []
    refused: Counter[str] = Counter()
    agreeing = 0
    for row in rows:
        answer = answers.get(row.key)
        if answer is None:
            continue
        judged = check.check(answer, row.case, row.lines, row.request, row.listed)
        if isinstance(judged, str):
            refused[judged] += 1
        else:
            accepted.append(judged)
            agreeing += judged.item in row.case.targets
    read, written = answers.spent()
    requests = len({row.key for row in rows})
    result = TeachResult(
        file=str(out),
        rows=len(rows),
        requests=requests,
        cached=requests - waiting,
        asked=asked.answered,
        left=waiting - asked.answered,
        accepted=len(accepted),
        refused=dict(refused.most_common()),
        failed=dict(asked.failed.most_common()),
        agreement=agreeing / len(accepted) if accepted else None,
        input_tokens=read,
        output_tokens=written,
        cost=price(spending.teacher, read, written),
        stopped=spending.stopped,
    )
    return result, accepted


def _dry_run(teacher: Teacher, rows: Sequence[Row], cache: Path) -> TeachResult:
    """What the requests without an answer would cost, estimated."""
    requests = {row.key: row.sent for row in rows}
    waiting = requests
    if cache.exists():
        with AnswerCache(cache) as answers:
            waiting = {key: sent for key, sent in requests.items() if answers.get(key) is None}
    characters = sum(len(message["content"]) for sent in waiting.values() for message in sent["messages"])
    read, written = -(-characters // _CHARACTERS), len(waiting) * teacher.max_answer_tokens
    counts: dict[str, Any] = {"rows": len(rows), "requests": len(requests), "left": len(waiting)}
    cost = price(teacher, read, written)
    over = read + written > teacher.budget_tokens
    stopped = "budget_tokens" if over else None
    if stopped is None and teacher.budget_cost is not None and cost > teacher.budget_cost:
        stopped = "budget_cost"
    return TeachResult(
        file=None, **counts, cached=len(requests) - len(waiting), asked=0, accepted=0, refused={}, failed={},
        agreement=None, input_tokens=read, output_tokens=written, cost=cost, stopped=stopped,
    )  # fmt: skip


def price(teacher: Teacher, read: int, written: int) -> float:
    """The price of input and output tokens."""
    return (read * teacher.input_price + written * teacher.output_price) / 1e6
