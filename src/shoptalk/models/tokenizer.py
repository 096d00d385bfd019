"""One face for any Hugging Face tokenizer, and the byte-level BPE that the nano model trains on the shop's own text."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
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


class Tokenizer:
    """What prompts need of a tokenizer (`shoptalk.prompts.encode.Tokenizer`), over any Hugging Face fast or slow one.

    Attributes
    ----------
    start
        Ids that every text begins with: the begin-of-text token, where the tokenizer itself would put one.
    end
        The text of the end token, which closes an answer.
    """

    def __init__(self, hugging_face: Any) -> None:
        if hugging_face.eos_token is None:
            raise ModelError("the tokenizer has no end-of-text token", hint="choose another base model")
        self.hugging_face = hugging_face
        self.end: str = hugging_face.eos_token
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
        if not self.hugging_face.chat_template:
            raise ModelError(
                "this tokenizer has no chat template", hint='choose prompt.style "alpaca", "phi3" or "plain"'
            )
        text = str(
            self.hugging_face.apply_chat_template(
                [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
            )
        )
        bos = self.hugging_face.bos_token
        return text.removeprefix(bos) if bos and self.start else text

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
        """Write the tokenizer's files."""
        self.hugging_face.save_pretrained(folder)

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
        return Tokenizer(AutoTokenizer.from_pretrained(name, trust_remote_code=False))
    except ModelError:
        raise
    except Exception as error:  # a broken folder fails in many ways inside the library
        raise ModelError(f"cannot load the tokenizer of {name!r}: {first_line(error)}", hint=LOADING_HINT) from error


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
