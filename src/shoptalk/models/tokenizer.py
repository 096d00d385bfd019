"""An interface to any Hugging Face tokenizer, and the byte-level BPE tokenizer that the nano model trains."""

import copy
import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as FastTokenizer

from shoptalk.errors import ModelError
from shoptalk.models.chat_template import CHAT_TEMPLATE, DATE_FILE, answer_end, read_date, render_chat, writes_date
from shoptalk.models.loading_errors import LOADING_HINT, first_line
from shoptalk.models.plain_tokenizer import PlainTokenizer
from shoptalk.models.tokenizer_file import edited, with_declared_ids, with_reserved_tokens
from shoptalk.schema import ITEM_OPENS, TOKEN_CLOSES, USER_OPENS

PAD, END = "<|pad|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")


class Tokenizer:
    """The interface `shoptalk.prompts.encode.Tokenizer` for any fast or slow tokenizer of Hugging Face.

    Attributes
    ----------
    start
        Ids that every text begins with: the begin-of-text token, where the tokenizer itself adds one.
    end
        The text of the end token, which closes an answer where a prompt style has no closing text.
    date
        The date that a chat template writes with ``strftime_now``; None for the current date. A run sets it by
        `freeze_date`, so that its prompts do not change from day to day.
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
        messages = [{"role": "user", "content": question}]
        text = render_chat(self.hugging_face, messages, self.date, add_generation_prompt=True)
        bos = self.hugging_face.bos_token
        return text.removeprefix(bos) if bos and self.start else text

    @cached_property
    def chat_end(self) -> str:
        """The text that closes an answer in the chat template, up to and with its first control token.

        Where the template writes no control token behind an answer, it is the end token.

        Raises
        ------
        ModelError
            When there is no chat template, or it does not write the messages of the assistant.
        """
        return answer_end(self.hugging_face, self.date, self.control) or self.end

    def freeze_date(self, day: date) -> None:
        """Set the date that the chat template writes, unless it was set before (by the run of the base model)."""
        if self.date is None:
            self.date = day

    @property
    def control(self) -> list[str]:
        """The texts of control tokens, without those of items and users."""
        added = [str(token) for token in self.hugging_face.get_added_vocab()]
        tokens = [*self.hugging_face.all_special_tokens, *added]
        return [token for token in tokens if not token.startswith((ITEM_OPENS, USER_OPENS))]

    @property
    def size(self) -> int:
        """The number of rows that a table of embeddings needs: the largest token id + 1.

        ``len(tokenizer)`` counts the tokens, which are fewer where ids are left out.
        """
        return max(self.hugging_face.get_vocab().values(), default=-1) + 1

    def add_names(self, kind: str, names: Sequence[str], *, reuse: bool = False) -> list[int]:
        """Add a token ``<|item_ID|>`` (or ``<|user_ID|>``) for each id.

        The tokenizer assigns the token ids, and it is checked that no other token has them. If the vocabulary leaves
        ids out, reserved tokens are added for these first: a tokenizer that numbers new tokens from its number of
        tokens on would assign ids that other tokens have.

        Parameters
        ----------
        kind
            The beginning of the tokens, such as ``<|item_``.
        names
            The ids of items or users.
        reuse
            Use existing tokens of these names, as in a model that was trained with them before.

        Returns
        -------
        list of int
            The token id of each name.

        Raises
        ------
        ModelError
            When two names make the same token, a name has a token already and ``reuse`` is false, or the tokenizer
            assigns an id that another token has.
        """
        if not names:
            return []
        before = self.hugging_face.get_vocab()
        if missing_ids := sorted(set(range(max(before.values(), default=-1) + 1)) - set(before.values())):
            self.hugging_face = with_reserved_tokens(self.hugging_face, missing_ids)
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
        new_tokens = [AddedToken(text, special=True, normalized=False) for text in texts if text not in before]
        self.hugging_face.add_tokens(new_tokens, special_tokens=True)
        self._cached.cache_clear()
        ids = [int(token) for token in self.hugging_face.convert_tokens_to_ids(texts)]
        used_ids = {number for text, number in before.items() if text not in set(texts)}
        if len(set(ids)) < len(ids) or used_ids & set(ids) or self.hugging_face.convert_ids_to_tokens(ids) != texts:
            raise ModelError(
                "the tokenizer gives new tokens ids that others have", where=kind, hint="choose another base model"
            )
        return ids

    def with_names(self, kind: str, names: Sequence[str], first: int) -> "Tokenizer":
        """A copy with tokens for more ids, numbered from ``first`` on; this tokenizer stays as it is.

        Raises
        ------
        ModelError
            When the tokenizer numbers them otherwise, as it does where an id has a token already.
        """
        tokens = [f"{kind}{name}{TOKEN_CLOSES}" for name in names]
        if isinstance(self.hugging_face, PlainTokenizer):
            extended = Tokenizer(self.hugging_face.with_tokens(tokens))
        else:
            extended = Tokenizer(copy.deepcopy(self.hugging_face))
            extended.add_names(kind, names)
        extended.date = self.date
        if extended.hugging_face.convert_tokens_to_ids(tokens) != list(range(first, first + len(tokens))):
            raise ModelError("the token ids of the new items do not follow those of the other items", where=kind)
        return extended

    def names(self, first: int, count: int) -> list[str]:
        """The ids of ``count`` items whose tokens `add_names` made, from the token id ``first`` on.

        Raises
        ------
        ModelError
            When one of these token ids is not that of an item, or a higher token id exists: the files of the tokenizer
            are not those of the training.
        """
        token_ids = range(first, first + count)
        tokens = [str(token) for token in self.hugging_face.convert_ids_to_tokens(token_ids)]
        wrong = [number for number, token in zip(token_ids, tokens, strict=True) if not token.startswith(ITEM_OPENS)]
        if wrong or self.hugging_face.convert_tokens_to_ids(tokens) != list(token_ids):
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
        """SHA-256 (hex) of the tokens of items and users with their token ids, by which changes are detected."""
        added = sorted((number, str(token)) for token, number in self.hugging_face.get_added_vocab().items())
        name_tokens = [pair for pair in added if pair[1].startswith((ITEM_OPENS, USER_OPENS))]
        return hashlib.sha256(json.dumps(name_tokens).encode()).hexdigest()

    def without(self, kind: str) -> "Tokenizer":
        """A tokenizer without the added tokens that begin with ``kind``; the same object where there are none.

        Raises
        ------
        ModelError
            When they cannot be removed.
        """
        if not any(str(token).startswith(kind) for token in self.hugging_face.get_added_vocab()):
            return self

        def remove(content: dict[str, Any]) -> None:
            content["added_tokens"] = [
                token for token in content["added_tokens"] if not token["content"].startswith(kind)
            ]

        return Tokenizer(edited(self.hugging_face, remove))

    @property
    def users(self) -> frozenset[str]:
        """The ids of the users that have a token."""
        tokens = [str(token) for token in self.hugging_face.get_added_vocab()]
        user_tokens = [token for token in tokens if token.startswith(USER_OPENS)]
        return frozenset(token[len(USER_OPENS) : -len(TOKEN_CLOSES)] for token in user_tokens)

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files, and the date of its prompts where its chat template writes one."""
        self.hugging_face.save_pretrained(folder)
        if writes_date(self.hugging_face):
            day = self.date or date.today()
            (folder / DATE_FILE).write_text(json.dumps({"date": day.isoformat()}), encoding="utf-8")

    def _encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a text, for the cache of `encode`."""
        return tuple(self.hugging_face(text, add_special_tokens=False)["input_ids"])


def load_plain_tokenizer(folder: Path) -> Tokenizer:
    """Load a saved tokenizer without importing transformers; it has no chat template, and no names can be added.

    Raises
    ------
    ModelError
        When it is missing, cannot be read, or its added tokens do not have the ids that its file declares.
    """
    try:
        return Tokenizer(with_declared_ids(PlainTokenizer(folder), folder))
    except ModelError:
        raise
    except Exception as error:  # the tokenizers library raises `Exception` itself
        raise ModelError(f"cannot load the tokenizer: {first_line(error)}", where=str(folder)) from error


def load_tokenizer(name: str) -> Tokenizer:
    """Load the tokenizer of a model by name or path; code in its folder is never run.

    Raises
    ------
    ModelError
        When it is missing, cannot be read, or its added tokens do not have the ids that its file declares.
    """
    from transformers import AutoTokenizer

    try:
        hugging_face = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        tokenizer = Tokenizer(with_declared_ids(hugging_face, Path(name)))
    except ModelError:
        raise
    except Exception as error:  # a broken folder fails in many ways inside the library
        raise ModelError(f"cannot load the tokenizer of {name!r}: {first_line(error)}", hint=LOADING_HINT) from error
    tokenizer.date = read_date(Path(name) / DATE_FILE)
    return tokenizer


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """A byte-level BPE tokenizer of at most ``size`` entries, trained on the given texts; it can encode any text."""
    from transformers import PreTrainedTokenizerFast

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
