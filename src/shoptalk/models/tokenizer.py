"""An interface to any Hugging Face tokenizer, and the byte-level BPE tokenizer that the nano model trains."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
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
        """Token ids of a text, without special tokens around it (cached, because titles are encoded many times)."""
        return list(self._cached(text))

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The text of some ids, without special tokens by default."""
        skip = not special
        return str(self.hugging_face.decode(list(ids), skip_special_tokens=skip, clean_up_tokenization_spaces=False))

    def chat(self, question: str) -> str:
        """The question in the tokenizer's own chat template, up to the start of the answer.

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
        _, marker, after = text.rpartition(ANSWER_MARKER)
        if not marker:
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
        tokens = [*self.hugging_face.all_special_tokens, *added]
        return [token for token in tokens if not token.startswith((ITEM_OPENS, USER_OPENS))]

    @property
    def size(self) -> int:
        """The largest token id plus one: the rows that a table of embeddings needs.

        ``len(tokenizer)`` counts the tokens, which is less where ids are left out.
        """
        return max(self.hugging_face.get_vocab().values(), default=-1) + 1

    def add_names(self, kind: str, names: Sequence[str], *, reuse: bool = False) -> list[int]:
        """Make ``<|item_ID|>`` (or ``<|user_ID|>``) a token of its own for each id.

        The ids are those that the tokenizer gives, and they are checked: every new token has an id that no other token
        has. Where the vocabulary leaves ids out, reserved tokens take these first, because a tokenizer may otherwise
        count up from its number of tokens into ids that are taken.

        Parameters
        ----------
        reuse
            Whether a token that is there already is taken for that of the same name, as in a model that was trained on
            these names before.

        Returns
        -------
        list of int
            The token id of each name, in their order.

        Raises
        ------
        ModelError
            When two ids make the same token, one is a token already and ``reuse`` is false, or the tokenizer gives an
            id that is taken: they could not be told apart.
        """
        if not names:
            return []
        before = self.hugging_face.get_vocab()
        if holes := sorted(set(range(max(before.values(), default=-1) + 1)) - set(before.values())):
            self.hugging_face = _with_reserved(self.hugging_face, holes)
            before = self.hugging_face.get_vocab()
        texts = [f"{kind}{name}{TOKEN_CLOSES}" for name in names]
        existing = sum(text in before for text in texts)
        if (duplicates := len(texts) - len(set(texts))) or (existing and not reuse):
            raise ModelError(
                f"{duplicates or existing} of {len(names)} ids have a token already",
                where=kind,
                hint="give each id once"
                if duplicates
                else "name the run's own model folder, or its base, as model.base",
            )
        new = [AddedToken(text, special=True, normalized=False) for text in texts if text not in before]
        self.hugging_face.add_tokens(new, special_tokens=True)
        self._cached.cache_clear()
        ids = [int(token) for token in self.hugging_face.convert_tokens_to_ids(texts)]
        taken = {number for text, number in before.items() if text not in set(texts)}
        if len(set(ids)) < len(ids) or taken & set(ids) or self.hugging_face.convert_ids_to_tokens(ids) != texts:
            raise ModelError(
                "the tokenizer gives new tokens ids that others have", where=kind, hint="choose another base model"
            )
        return ids

    def names(self, first: int, count: int) -> list[str]:
        """The ids of ``count`` items whose tokens `add_names` made, from their first place in the vocabulary.

        Raises
        ------
        ModelError
            When another token than an item's stands in one of these places, or an id above them belongs to a word: the
            tokenizer's files are not those that the model was trained with.
        """
        indices = range(first, first + count)
        tokens = [str(token) for token in self.hugging_face.convert_ids_to_tokens(indices)]
        wrong = [index for index, token in zip(indices, tokens, strict=True) if not token.startswith(ITEM_OPENS)]
        if wrong or self.hugging_face.convert_tokens_to_ids(tokens) != list(indices):
            raise ModelError(
                f"token {wrong[0]} is {tokens[wrong[0] - first]!r} and not an item's"
                if wrong
                else "items share tokens",
                hint="the tokenizer's files were changed after training; train again",
            )
        if self.size != first + count:
            raise ModelError(
                f"the last item has the token id {first + count - 1}, and the largest id is {self.size - 1}",
                hint="the tokenizer's files were changed after training; train again",
            )
        return [token[len(ITEM_OPENS) : -len(TOKEN_CLOSES)] for token in tokens]

    def names_digest(self) -> str:
        """SHA-256 (hex) of the tokens of items and users with their ids, to notice that they changed."""
        added = sorted((number, str(token)) for token, number in self.hugging_face.get_added_vocab().items())
        named = [pair for pair in added if pair[1].startswith((ITEM_OPENS, USER_OPENS))]
        return hashlib.sha256(json.dumps(named).encode()).hexdigest()

    def without(self, kind: str) -> "Tokenizer":
        """The tokenizer as it was before tokens of this kind were added; itself where there are none.

        Raises
        ------
        ModelError
            When they cannot be taken out.
        """
        if not any(str(token).startswith(kind) for token in self.hugging_face.get_added_vocab()):
            return self

        def remove(content: dict[str, Any]) -> None:
            content["added_tokens"] = [one for one in content["added_tokens"] if not one["content"].startswith(kind)]

        return Tokenizer(_edited(self.hugging_face, remove))

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
        When there is none, it cannot be read, or its added tokens do not have the ids that its file says.
    """
    try:
        tokenizer = Tokenizer(_as_declared(AutoTokenizer.from_pretrained(name, trust_remote_code=False), Path(name)))
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


def _as_declared(hugging_face: Any, folder: Path) -> Any:
    """The tokenizer with the ids that its folder's ``tokenizer.json`` gives to added tokens.

    The tokenizers library numbers added tokens itself while it reads the file: behind ids that are left out they would
    get other ids than those that the model's rows belong to.
    """
    path = folder / TOKENIZER_FILE
    if not path.is_file():
        return hugging_face
    content = json.loads(path.read_text(encoding="utf-8"))
    declared = {str(entry["content"]): int(entry["id"]) for entry in content.get("added_tokens") or ()}
    if not _moved(hugging_face, declared):
        return hugging_face
    model = content["model"].get("vocab")
    taken = {*declared.values(), *(model.values() if isinstance(model, dict) else range(len(model or ())))}
    with TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for file in folder.iterdir():
            if file.is_file() and file.suffix in {".json", ".jinja", ".txt", ".model"}:
                shutil.copy(file, copy)
        _reserve(content, sorted(set(range(max(declared.values()))) - taken))
        (copy / TOKENIZER_FILE).write_text(json.dumps(content), encoding="utf-8")
        reloaded = AutoTokenizer.from_pretrained(copy, trust_remote_code=False)
    if moved := _moved(reloaded, declared):
        token, number = moved[0]
        raise ModelError(
            f"token {token!r} has the id {declared[token]} in the file and is loaded as {number}",
            where=str(path),
            hint="number the added tokens without gaps",
        )
    return reloaded


def _moved(hugging_face: Any, declared: Mapping[str, int]) -> list[tuple[str, int]]:
    """Tokens that have another id than declared, with the id that they have."""
    tokens = list(declared)
    ids = hugging_face.convert_tokens_to_ids(tokens)
    return [(token, number) for token, number in zip(tokens, ids, strict=True) if number != declared[token]]


def _with_reserved(hugging_face: Any, holes: Sequence[int]) -> Any:
    """The tokenizer with a reserved token for each id that its vocabulary leaves out."""
    edited = _edited(hugging_face, lambda content: _reserve(content, holes))
    before, vocabulary = hugging_face.get_vocab(), edited.get_vocab()
    if any(vocabulary.get(token) != number for token, number in before.items()):
        raise ModelError("the tokenizer leaves out ids, which cannot be reserved", hint="choose another base model")
    return edited


def _reserve(content: dict[str, Any], holes: Sequence[int]) -> None:
    """Put a token that no text contains at each of some ids, in the content of a ``tokenizer.json``."""
    vocabulary = content["model"].get("vocab")
    if not isinstance(vocabulary, dict):
        raise ModelError("the tokenizer leaves out ids, which cannot be reserved", hint="choose another base model")
    vocabulary.update({f"<|reserved_{number}|>": number for number in holes})


def _edited(hugging_face: Any, edit: Callable[[dict[str, Any]], None]) -> Any:
    """The tokenizer with an edited ``tokenizer.json``; what is not in that file stays."""
    if not getattr(hugging_face, "is_fast", False):
        raise ModelError("the tokens of a slow tokenizer cannot be renumbered", hint="choose another base model")
    with TemporaryDirectory() as temporary:
        hugging_face.save_pretrained(temporary)
        path = Path(temporary) / TOKENIZER_FILE
        content = json.loads(path.read_text(encoding="utf-8"))
        edit(content)
        path.write_text(json.dumps(content), encoding="utf-8")
        return AutoTokenizer.from_pretrained(temporary, trust_remote_code=False)


TOKENIZER_FILE = "tokenizer.json"
LOADING_HINT = (
    "give a folder with a model, or a name that Hugging Face knows; without a network only what is cached loads"
)


def first_line(error: Exception) -> str:
    """The first line of an error message, at most 300 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """A byte-level BPE tokenizer of at most ``size`` entries, trained on the given texts; it can encode any text."""
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
