"""Tokenizers: the one that is trained here, and what all of them must do."""

from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.errors import ModelError
from shoptalk.models.chat_template import DATE_FILE
from shoptalk.models.tokenizer import Tokenizer, load_tokenizer
from shoptalk.schema import ITEM_OPENS
from tests.words import TITLES, tokenizer

TOKENIZER = tokenizer()


@given(st.text(max_size=40))
def test_every_text_comes_back(text: str) -> None:
    plain = " ".join(text.encode("utf-8", "ignore").decode().split())
    if not any(token in plain for token in TOKENIZER.control):
        assert TOKENIZER.decode(TOKENIZER.encode(plain)).strip() == plain.strip()


def test_training_again_gives_the_same() -> None:
    assert [TOKENIZER.encode(title) for title in TITLES] == [tokenizer().encode(title) for title in TITLES]


def test_a_chat_ends_where_the_assistant_begins() -> None:
    assert TOKENIZER.chat("What next?") == "<|user|>\nWhat next?<|end|>\n<|assistant|>\n"


def test_control_tokens_are_known() -> None:
    assert {"<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"} <= set(TOKENIZER.control)


def test_item_tokens_are_one_token_each_and_survive_saving(tmp_path: Path) -> None:
    tokens = tokenizer()
    names = ["B00", "B 01", "täg|x", "a<|b"]
    first = tokens.add_names(ITEM_OPENS, names)[0]
    tokens.save(tmp_path)
    for each in (tokens, load_tokenizer(str(tmp_path))):
        ids = [each.encode(f"<|item_{name}|>") for name in names]
        assert ids == [[first + index] for index in range(len(names))]
        assert not any("<|item_" in text for text in each.control)


def test_an_item_twice_is_refused() -> None:
    tokens = tokenizer()
    with pytest.raises(ModelError, match="1 of 2"):
        tokens.add_names(ITEM_OPENS, ["a", "a"])


DATED = "Today is {{ strftime_now('%d %B %Y') }}.\n{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
TURNS = (
    "{% for message in messages %}{{ '<turn>' + message['role'] + '\n' + message['content'] | trim + '</turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<turn>assistant\n' }}{% endif %}"
)


def templated(template: str, *marks: str) -> Tokenizer:
    tokens = tokenizer()
    tokens.hugging_face.add_tokens(list(marks), special_tokens=True)
    tokens.hugging_face.chat_template = template
    return tokens


def another_day(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime(2031, 5, 17)

    monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Clock)


def test_a_frozen_date_stays_on_every_day_and_after_reloading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = templated(DATED)
    tokens.freeze_date(date(2024, 2, 29))
    before = tokens.chat("What next?")
    assert before.startswith("Today is 29 February 2024.")
    tokens.freeze_date(date(2025, 1, 1))  # of a run that goes on from this one
    tokens.save(tmp_path)
    another_day(monkeypatch)
    assert tokens.chat("What next?") == before
    assert load_tokenizer(str(tmp_path)).chat("What next?") == before


@pytest.mark.parametrize("form", ["%A, %d %B %Y", "%Y-%m-%d", "%-d/%-m", "%H:%M", "100 %% on %j", "%b %y", "plain"])
def test_a_frozen_clock_writes_dates_as_any_clock(form: str) -> None:
    tokens = templated(f"A {{{{ strftime_now('{form}') }}}} {{% if strftime_now is defined %}}B{{% endif %}}")
    tokens.freeze_date(date(2024, 2, 3))
    assert tokens.chat("") == datetime(2024, 2, 3).strftime(f"A {form} B")


def test_a_date_is_saved_only_where_a_template_writes_one(tmp_path: Path) -> None:
    templated(TURNS).save(tmp_path)
    assert not (tmp_path / DATE_FILE).exists()


@pytest.mark.parametrize("content", ["", "[]", '{"date": "yesterday"}', '{"date": 5}'])
def test_a_damaged_date_is_refused(tmp_path: Path, content: str) -> None:
    tokenizer().save(tmp_path)
    (tmp_path / DATE_FILE).write_text(content)
    with pytest.raises(ModelError, match="date of the prompts is damaged"):
        load_tokenizer(str(tmp_path))


@pytest.mark.parametrize(
    ("template", "marks", "expected"),
    [
        (TURNS, ["<turn>", "</turn>"], "</turn>"),
        (TURNS.replace("'</turn>", "' </turn>"), ["<turn>", "</turn>"], " </turn>"),  # a space belongs to the ending
        (TURNS.replace("'</turn>\n'", "eos_token"), ["<turn>"], "<|end|>"),
        ("{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}", [], "<|end|>"),
    ],
)
def test_the_template_says_what_closes_an_answer(template: str, marks: list[str], expected: str) -> None:
    assert templated(template, *marks).chat_end == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('no') }}", "cannot be filled in"),
        ("{{ messages[0]['content'] }}", "does not show what the assistant says"),
        ("{% for %}", "cannot be filled in"),
    ],
)
def test_a_template_that_closes_nothing_is_refused(template: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        _ = templated(template).chat_end
