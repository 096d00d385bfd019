"""A ``tokenizer.json`` read by the tokenizers library alone, which takes a hundredth of the time of transformers."""

import copy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers import Tokenizer as FastTokenizer

from shoptalk.models.tokenizer_file import TOKENIZER_FILE

TOKENIZER_CONFIG = "tokenizer_config.json"


class PlainTokenizer:
    """The parts of the interface of ``PreTrainedTokenizerFast`` that `shoptalk.models.tokenizer.Tokenizer` reads.

    It encodes, and has no chat template.

    Parameters
    ----------
    folder
        The folder of a saved tokenizer.

    Raises
    ------
    OSError, ValueError, KeyError
        When a file is missing or damaged. The tokenizers library raises `Exception` itself.
    """

    def __init__(self, folder: Path) -> None:
        self._core = FastTokenizer.from_file(str(folder / TOKENIZER_FILE))
        config = json.loads((folder / TOKENIZER_CONFIG).read_text(encoding="utf-8"))
        names = ("bos_token", "eos_token", "pad_token")
        self.bos_token, self.eos_token, self.pad_token = (_text(config.get(name)) for name in names)
        extra = map(_text, config.get("extra_special_tokens") or ())
        self.all_special_tokens = [token for token in (self.bos_token, self.eos_token, self.pad_token, *extra) if token]

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        """The token ids of a text."""
        return {"input_ids": self._core.encode(text, add_special_tokens=add_special_tokens).ids}

    def with_tokens(self, tokens: Iterable[str]) -> "PlainTokenizer":
        """A copy with more special tokens."""
        extended = copy.copy(self)
        extended._core = FastTokenizer.from_str(self._core.to_str())
        extended._core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in tokens])
        return extended

    @property
    def bos_token_id(self) -> int | None:
        """The id of the begin-of-text token."""
        return None if self.bos_token is None else self._core.token_to_id(self.bos_token)

    @property
    def eos_token_id(self) -> int | None:
        """The id of the end-of-text token."""
        return None if self.eos_token is None else self._core.token_to_id(self.eos_token)

    @property
    def pad_token_id(self) -> int | None:
        """The id of the padding token."""
        return None if self.pad_token is None else self._core.token_to_id(self.pad_token)

    def get_vocab(self) -> dict[str, int]:
        """Token -> id, with the added tokens."""
        return self._core.get_vocab(with_added_tokens=True)

    def get_added_vocab(self) -> dict[str, int]:
        """Added token -> id."""
        return {str(token.content): number for number, token in self._core.get_added_tokens_decoder().items()}

    def convert_ids_to_tokens(self, ids: Iterable[int]) -> list[str | None]:
        """The tokens with some ids; None for an id that no token has."""
        return [self._core.id_to_token(number) for number in ids]

    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int | None]:
        """The ids of tokens; None for an unknown token."""
        return [self._core.token_to_id(token) for token in tokens]


def _text(token: Any) -> str | None:
    """The text of a token in ``tokenizer_config.json``, where it is a text or an object with a content."""
    return None if token is None else str(token["content"] if isinstance(token, dict) else token)
