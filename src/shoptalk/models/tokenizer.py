"""One face for any Hugging Face tokenizer, and the byte-level BPE that the nano model trains on the shop's own text."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, pre_tokenizers, trainers
from transformers import AddedToken, AutoTokenizer, PreTrainedTokenizerFast

from shoptalk.errors import ModelError
from shoptalk.schema import ITEM_OPENS, TOKEN_CLOSES, USER_OPENS

PAD, END = "<|pad|>", "<|end|>"
#: The chat format of the nano model, for the style `chat`.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
#: In a saved tokenizer's folder: the date that its chat template writes.
DATE_FILE = "chat_date.json"
#: Stands for an answer while a chat template is asked how it closes one; no template has it in its own text.
ANSWER_MARKER = "x0answer0x"


class Tokenizer:
    """What prompts need of a tokenizer (`shoptalk.prompts.encode.Tokenizer`), over any Hugging Face fast or slow one.

    Attributes
    ----------
    start
        Ids that every text begins with: the begin-of-text token, where the tokenizer itself would put one.
    end
        The text of the end token, which closes an answer where a prompt style has no mark of its own.
    date
        The date that a chat template writes with ``strftime_now``; None until `freeze_date`, which means today. A run
        freezes it, so that its prompts are the same on every day.
    """

    def __init__(self, hugging_face: Any) -> None:
        if hugging_face.eos_token is None:
            raise ModelError("the tokenizer has no end-of-text token", hint="choose another base model")
        self.hugging_face = hugging_face
        self.end: str = hugging_face.eos_token
        self.date: date | None = None
        with_start = hugging_face("a", add_special_tokens=True)["input_ids"]
        bos = hugging_face.bos_token_id
        self.start: Sequence[int] = [bos] if bos is not None and with_start[:1] == [bos] else []
        self.pad_id: int = (
            hugging_face.pad_token_id if hugging_face.pad_token_id is not None else hugging_face.eos_token_id
        )
        self._cached = lru_cache(maxsize=1 << 18)(self._encode)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens around it (remembered, because titles come again and again)."""
        return list(self._cached(text))

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The text of some ids, special tokens left out unless asked for."""
        skip = not special
        return str(self.hugging_face.decode(list(ids), skip_special_tokens=skip, clean_up_tokenization_spaces=False))

    def chat(self, question: str) -> str:
        """The question in the tokenizer's own chat template, up to where the assistant begins.

        Raises
        ------
        ModelError
            When the tokenizer has no chat template.
        """
        text = self._render([{"role": "user", "content": question}], add_generation_prompt=True)
        bos = self.hugging_face.bos_token
        return text.removeprefix(bos) if bos and self.start else text

    @cached_property
    def chat_end(self) -> str:
        """What closes an answer in the tokenizer's own chat template, up to and with its first control token.

        A template that writes no control token behind an answer has no mark of its own; then it is the end token.

        Raises
        ------
        ModelError
            When there is no chat template, or it does not show what the assistant says.
        """
        messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": ANSWER_MARKER}]
        text = self._render(messages, add_generation_prompt=False)
        _, found, after = text.rpartition(ANSWER_MARKER)
        if not found:
            raise ModelError(
                "the chat template does not show what the assistant says",
                hint='choose prompt.style "alpaca", "phi3" or "plain"',
            )
        marks = sorted((token for token in self.control if token.strip()), key=len, reverse=True)
        mark = re.search("|".join(map(re.escape, marks)), after)
        return after[: mark.end()] if mark else self.end

    def freeze_date(self, day: date) -> None:
        """From now on the chat template writes this date; one that was frozen before (by a base's own run) stays."""
        if self.date is None:
            self.date = day

    def _render(self, messages: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
        """Messages in the chat template, with the frozen date in place of the clock."""
        if not self.hugging_face.chat_template:
            raise ModelError(
                "this tokenizer has no chat template", hint='choose prompt.style "alpaca", "phi3" or "plain"'
            )
        try:
            template = str(self.hugging_face.get_chat_template())
            if self._writes_date:
                template = frozen_clock(self.date or date.today()) + template
            text = self.hugging_face.apply_chat_template(
                messages, chat_template=template, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        except Exception as error:  # a template is a program, which can fail in any way
            raise ModelError(
                f"the chat template cannot be filled in: {first_line(error)}",
                hint='choose prompt.style "alpaca", "phi3" or "plain"',
            ) from error
        return str(text)

    @property
    def _writes_date(self) -> bool:
        return "strftime_now" in str(self.hugging_face.chat_template)

    @property
    def control(self) -> list[str]:
        """Strings that become one control token each; those of items and users all begin alike and are left out."""
        added = [str(token) for token in self.hugging_face.get_added_vocab()]
        own = [*self.hugging_face.all_special_tokens, *added]
        return [token for token in own if not token.startswith((ITEM_OPENS, USER_OPENS))]

    def add_names(self, kind: str, names: Sequence[str]) -> int:
        """Make ``<|item_ID|>`` (or ``<|user_ID|>``) a token of its own for each id, in their order.

        Returns
        -------
        int
            The id of the first; the others follow it.

        Raises
        ------
        ModelError
            When two ids make the same token, or one is a token already: they could not be told apart.
        """
        first = len(self.hugging_face)
        tokens = [AddedToken(f"{kind}{name}{TOKEN_CLOSES}", special=True, normalized=False) for name in names]
        added = self.hugging_face.add_tokens(tokens, special_tokens=True)
        if added != len(names):
            raise ModelError(f"{len(names) - added} of {len(names)} ids have a token already", where=kind)
        self._cached.cache_clear()
        return first

    def names(self, first: int, count: int) -> list[str]:
        """The ids whose tokens `add_names` made, from their place in the vocabulary."""
        tokens = self.hugging_face.convert_ids_to_tokens(range(first, first + count))
        return [str(token)[len(ITEM_OPENS) : -len(TOKEN_CLOSES)] for token in tokens]

    @property
    def users(self) -> frozenset[str]:
        """The ids of the users that have a token."""
        added = map(str, self.hugging_face.get_added_vocab())
        return frozenset(one[len(USER_OPENS) : -len(TOKEN_CLOSES)] for one in added if one.startswith(USER_OPENS))

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files, and the date of its prompts where its chat template writes one."""
        self.hugging_face.save_pretrained(folder)
        if self._writes_date:
            day = self.date or date.today()
            (folder / DATE_FILE).write_text(json.dumps({"date": day.isoformat()}), encoding="utf-8")

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.hugging_face(text, add_special_tokens=False)["input_ids"])


def load_tokenizer(name: str) -> Tokenizer:
    """The tokenizer of a model, by name or path; code that comes with it is never run.

    Raises
    ------
    ModelError
        When there is none, or it cannot be read.
    """
    try:
        tokenizer = Tokenizer(AutoTokenizer.from_pretrained(name, trust_remote_code=False))
    except ModelError:
        raise
    except Exception as error:  # a broken folder fails in many ways inside the library
        raise ModelError(f"cannot load the tokenizer of {name!r}: {first_line(error)}", hint=LOADING_HINT) from error
    tokenizer.date = _saved_date(Path(name) / DATE_FILE)
    return tokenizer


def frozen_clock(day: date) -> str:
    """A Jinja macro that stands for ``strftime_now`` in the template behind it and says midnight of a given day.

    The library hands a template data only, no functions, so that the clock can only be replaced inside of it.
    """
    midnight = datetime(day.year, day.month, day.day)
    values = {f"%{letter}": midnight.strftime(f"%{letter}") for letter in "aAwdbBmyYHIpMSfjUWcxXGuV"}
    values |= {"%-d": str(day.day), "%-m": str(day.month), "%e": f"{day.day:2}", "%F": day.isoformat()}
    table = json.dumps([["%%", "\0"], *map(list, values.items()), ["\0", "%"]])
    return (
        "{%- macro strftime_now(format) -%}{%- set date = namespace(text=format) -%}"
        f"{{%- for mark, value in {table} -%}}"
        "{%- set date.text = date.text | replace(mark, value) -%}{%- endfor -%}"
        "{{- date.text -}}{%- endmacro -%}"
    )


def _saved_date(path: Path) -> date | None:
    """The date that a saved tokenizer's prompts have; None where none was saved."""
    try:
        return date.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["date"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            f"the date of the prompts is damaged: {first_line(error)}", where=str(path), hint="train again"
        ) from error


LOADING_HINT = (
    "give a folder with a model, or a name that Hugging Face knows; without a network only what is cached loads"
)


def first_line(error: Exception) -> str:
    """The first line of what an error says, without its long tail."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """A byte-level BPE tokenizer of at most ``size`` entries, trained on the shop's own texts; it knows every text."""
    core = FastTokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, END, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, eos_token=END, additional_special_tokens=list(ROLES)
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return Tokenizer(wrapped)
