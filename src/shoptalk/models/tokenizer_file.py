"""The file ``tokenizer.json``: loading with the ids that it declares, and edited copies of a tokenizer."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shoptalk.errors import ModelError

TOKENIZER_FILE = "tokenizer.json"
#: Files of a tokenizer's folder that the library reads.
_SUFFIXES = {".json", ".jinja", ".txt", ".model"}


def with_declared_ids(hugging_face: Any, folder: Path) -> Any:
    """The tokenizer with the ids that ``tokenizer.json`` in its folder declares for added tokens.

    While the tokenizers library reads the file, it numbers added tokens itself. After ids that no token has, they would
    get other ids than the rows of the model's embeddings.

    Raises
    ------
    ModelError
        When the library gives a token another id even where reserved tokens fill the missing ids.
    """
    path = folder / TOKENIZER_FILE
    if not path.is_file():
        return hugging_face
    content = json.loads(path.read_text(encoding="utf-8"))
    declared = {str(entry["content"]): int(entry["id"]) for entry in content.get("added_tokens") or ()}
    if not _changed_ids(hugging_face, declared):
        return hugging_face
    from transformers import AutoTokenizer

    vocabulary = content["model"].get("vocab")
    used = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary or ()))
    with TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for file in folder.iterdir():
            if file.is_file() and file.suffix in _SUFFIXES:
                shutil.copy(file, copy)
        _reserve(content, sorted(set(range(max(declared.values()))) - {*declared.values(), *used}))
        (copy / TOKENIZER_FILE).write_text(json.dumps(content), encoding="utf-8")
        reloaded = AutoTokenizer.from_pretrained(copy, trust_remote_code=False)
    if changed := _changed_ids(reloaded, declared):
        token, number = changed[0]
        raise ModelError(
            f"token {token!r} has the id {declared[token]} in the file and is loaded as {number}",
            where=str(path),
            hint="number the added tokens without gaps",
        )
    return reloaded


def _changed_ids(hugging_face: Any, declared: Mapping[str, int]) -> list[tuple[str, int]]:
    """Tokens that have another id than declared, with the id that they have."""
    tokens = list(declared)
    ids = hugging_face.convert_tokens_to_ids(tokens)
    return [(token, number) for token, number in zip(tokens, ids, strict=True) if number != declared[token]]


def with_reserved_tokens(hugging_face: Any, missing_ids: Sequence[int]) -> Any:
    """The tokenizer with a reserved token for each id that its vocabulary leaves out.

    Raises
    ------
    ModelError
        When the vocabulary cannot be extended, or another token gets another id.
    """
    extended = edited(hugging_face, lambda content: _reserve(content, missing_ids))
    before, after = hugging_face.get_vocab(), extended.get_vocab()
    if any(after.get(token) != number for token, number in before.items()):
        raise ModelError("the tokenizer leaves out ids, which cannot be reserved", hint="choose another base model")
    return extended


def _reserve(content: dict[str, Any], missing_ids: Sequence[int]) -> None:
    """Add a token that no text contains for each of some ids to the content of a ``tokenizer.json``."""
    vocabulary = content["model"].get("vocab")
    if not isinstance(vocabulary, dict):
        raise ModelError("the tokenizer leaves out ids, which cannot be reserved", hint="choose another base model")
    vocabulary.update({f"<|reserved_{number}|>": number for number in missing_ids})


def edited(hugging_face: Any, edit: Callable[[dict[str, Any]], None]) -> Any:
    """A copy of the tokenizer with an edited ``tokenizer.json``; its other files stay the same.

    Raises
    ------
    ModelError
        For a slow tokenizer, which has no such file.
    """
    if not getattr(hugging_face, "is_fast", False):
        raise ModelError("the tokens of a slow tokenizer cannot be renumbered", hint="choose another base model")
    from transformers import AutoTokenizer

    with TemporaryDirectory() as temporary:
        hugging_face.save_pretrained(temporary)
        path = Path(temporary) / TOKENIZER_FILE
        content = json.loads(path.read_text(encoding="utf-8"))
        edit(content)
        path.write_text(json.dumps(content), encoding="utf-8")
        return AutoTokenizer.from_pretrained(temporary, trust_remote_code=False)
