"""The loss on the answer or on the whole prompt, and rows that are mixed in."""

from pathlib import Path

import numpy as np
import pytest

from shoptalk.errors import PromptError, RecipeError
from shoptalk.evaluation.parroting import parroting_metrics
from shoptalk.progress import silent
from shoptalk.prompts.advice import has_reason
from shoptalk.prompts.encode import IGNORE
from shoptalk.recipe import Prompt, parse_recipe
from shoptalk.recommend.titles import generate_titles
from shoptalk.schema import Split
from shoptalk.tasks import check_recipe
from shoptalk.training.loop import fine_tune
from shoptalk.training.training_data import make_training_data
from tests.words import CATALOGUE, eval_data, prompt_builder, small_model

PROMPT = {"task": "generate_reason", "style": "alpaca", "persona": True, "history": 2}
TRAINING = {"checkpoint_seconds": 1e9, "batch_tokens": 1024, "learning_rate": 1e-2, "patience": 0, "trackers": ()}

#: How lines of a prompt begin, "I have bought ..." and "My name is ..." among them; an answer begins with a title.
PROMPT_BEGINS = ("I", "My", "#")


def recipe(**training: object) -> object:
    data = {"source": "table", "interactions": "purchases.csv"}
    settings = {**TRAINING, "epochs": 2, **training}
    return parse_recipe({"data": data, "prompt": PROMPT, "training": settings, "evaluation": {"generate": 4}})


def set_up(count: int = 200, **training: object) -> tuple:
    """The recipe, a small model, its prompts and its training data."""
    model, prompts = small_model(1, layers=1), prompt_builder(Prompt.model_validate(PROMPT), CATALOGUE)
    settings = recipe(**training)
    split = Split((), eval_data(count), eval_data(16, 1), ())
    data = make_training_data(settings, split, split.train_cases, split.validation, (), prompts, prompts, model)
    return settings, model, prompts, data


@pytest.mark.parametrize(("loss_on", "parrots"), [("all", True), ("answer", False)])
def test_with_the_loss_on_the_prompt_the_model_writes_prompts(tmp_path: Path, loss_on: str, parrots: bool) -> None:
    """System C's failure with its 200 rows, and its cure: everything but the loss is equal."""
    settings, model, prompts, data = set_up(loss_on=loss_on)
    prompts.longest_answer = 60
    fine_tune(model, data, settings.training, 1, tmp_path, resume=False, progress=silent)
    cases = eval_data(12, 2)
    texts = generate_titles(model, prompts, [case.history for case in cases])
    asked = ["\n".join(message.text for message in prompts.ask(case.history)) for case in cases]
    answers, users = [prompts.answer(case).text for case in cases], [case.history.user_id for case in cases]
    malformed = parroting_metrics(texts, asked, answers, users, has_reason, resamples=100)["text_malformed_share"]
    if parrots:
        assert malformed.value > 0.9
        assert np.mean([text.startswith(PROMPT_BEGINS) for text in texts]) > 0.9
    else:
        assert malformed.value < 0.1
        assert not any(text.startswith(PROMPT_BEGINS) for text in texts)
        assert np.mean([", because you have bought" in text or ", which is" in text for text in texts]) > 0.9


def test_the_labels_are_the_answer_or_all_tokens() -> None:
    answer, everything = (set_up(4, loss_on=loss_on)[3] for loss_on in ("answer", "all"))
    assert np.array_equal(answer.train.ids, everything.train.ids)
    assert np.array_equal(everything.train.labels, everything.train.ids)
    assert np.array_equal(everything.validation.labels, everything.validation.ids)
    assert 0 < np.mean(answer.train.labels != IGNORE) < 0.5


def test_rows_are_mixed_in_at_a_ratio(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(
        "\n".join(f'{{"instruction": "Say {number}", "output": "{number}"}}' for number in range(20))
    )
    extra = {"extra": (str(tmp_path / "rows.json"),)}
    alone, mixed, every = (set_up(4, **more)[3].train for more in ({}, {**extra, "extra_ratio": 2.5}, extra))
    assert (len(alone), len(mixed), len(every)) == (4, 4 + 10, 4 + 20)
    assert np.array_equal(mixed.ids[: len(alone.ids)], alone.ids)
    tokens = [set(map(tuple, np.split(part.ids, part.ends[:-1]))) for part in (mixed, every)]
    assert len(tokens[0]) == 14  # drawn without replacement
    assert tokens[0] < tokens[1]
    assert mixed.take(np.array([], dtype=np.int64)).ids.size == 0
    with pytest.raises(PromptError, match="has 20 rows, and training.extra_ratio = 6 needs 24"):
        set_up(4, **extra, extra_ratio=6.0)


def test_recipes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"extra_ratio needs training\.extra"):
        recipe(extra_ratio=1.0)
    settings = recipe(loss_on="all")
    items = settings.model_copy(update={"prompt": Prompt(task="next_item", style="bare")})
    with pytest.raises(RecipeError, match='cannot use training.loss_on = "all"'):
        check_recipe(items)
