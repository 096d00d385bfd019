"""Text of users and sellers is only ever text: what could act as structure of a prompt is taken apart."""

import re
from collections.abc import Iterable

#: Marks that chat formats use as structure, with what is left of them.
_CONTROL = (
    (re.compile(r"<\|"), "< |"),
    (re.compile(r"\|>"), "| >"),
    (re.compile(r"<<(/?SYS)>>", re.I), r"\1"),
    (re.compile(r"\[(/?INST)\]", re.I), r"\1"),
    (
        re.compile(
            r"<(/?(?:s|unk|pad|bos|eos|mask|cls|sep|endoftext|im_start|im_end|start_of_turn|end_of_turn))>", re.I
        ),
        r"\1",
    ),
    (re.compile(r"#{2,}"), "#"),
)
#: ``B) ...`` at the start of a line, also after quotes, brackets or bullets, would read like an option.
_OPTION = re.compile(r"(^|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029])([\W_]*[A-Za-z])(?:\s*[).:\]])+(?=\s|$)")
#: Control and format characters, line and paragraph separators; surrogates cannot be encoded. The joiners U+200C and
#: U+200D stay: they are part of the spelling of Persian and Indic words, and of emoji made of several.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\ufeff\ud800-\udfff]+")


class PromptSanitizer:
    """Makes text harmless; the same text always comes out the same, in history, options and answers.

    Parameters
    ----------
    control
        Strings that the tokenizer at hand treats as single control tokens (``</s>``, ``<|im_end|>`` ...).
    """

    def __init__(self, control: Iterable[str] = ()) -> None:
        tokens = sorted({token for token in control if token.strip()}, key=len, reverse=True)
        self._tokens = re.compile("|".join(map(re.escape, tokens))) if tokens else None

    def __call__(self, text: str) -> str:
        """One line of text without anything that a prompt or a tokenizer reads as structure."""
        text = _OPTION.sub(r"\1\2 ", text)
        text = _UNSEEN.sub(" ", text)
        for _ in range(_ROUNDS):
            clean = self._once(text)
            if clean == text:
                break
            text = clean
        return " ".join(_OPTION.sub(r"\1\2 ", " ".join(text.split())).split())

    def _once(self, text: str) -> str:
        for pattern, rest in _CONTROL:
            text = pattern.sub(rest, text)
        if self._tokens:
            text = self._tokens.sub(_apart, text)
        return text


#: Taking one mark apart may put another together (``<<s>s>``); each round shortens or splits, so few are needed.
_ROUNDS = 8


def _apart(match: re.Match[str]) -> str:
    token = match[0]
    return f"{token[0]} {token[1:]}" if len(token) > 1 else " "
