"""Sanitizing of texts of users and sellers: what could act as structure of a prompt is removed or broken up."""

import re
from collections.abc import Iterable

#: Markers of chat formats, with their replacements.
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
#: ``B) ...`` at the start of a line, also after quotes, brackets or bullets: it looks like an option.
_OPTION = re.compile(r"(^|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029])([\W_]*[A-Za-z])(?:\s*[).:\]])+(?=\s|$)")
#: Control and format characters, line and paragraph separators; surrogates cannot be encoded. The joiners U+200C and
#: U+200D are kept: they are part of the spelling of Persian and Indic words, and of composed emoji.
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\ufeff\ud800-\udfff]+")


class PromptSanitizer:
    """Sanitizes text; the same text has the same result in histories, options and answers.

    Parameters
    ----------
    control
        Texts of the tokenizer's control tokens (``</s>``, ``<|im_end|>`` ...).
    """

    def __init__(self, control: Iterable[str] = ()) -> None:
        tokens = sorted({token for token in control if token.strip()}, key=len, reverse=True)
        self._tokens = re.compile("|".join(map(re.escape, tokens))) if tokens else None

    def __call__(self, text: str) -> str:
        """One line of text without anything that a prompt or a tokenizer reads as structure."""
        text = _OPTION.sub(r"\1\2 ", text)
        text = _INVISIBLE.sub(" ", text)
        for _ in range(_ROUNDS):
            clean = self._replace_markers(text)
            if clean == text:
                break
            text = clean
        return " ".join(_OPTION.sub(r"\1\2 ", " ".join(text.split())).split())

    def _replace_markers(self, text: str) -> str:
        """Replace all markers of chat formats and control tokens once."""
        for pattern, replacement in _CONTROL:
            text = pattern.sub(replacement, text)
        if self._tokens:
            text = self._tokens.sub(_split_token, text)
        return text


#: Replacing a marker may form another (``<<s>s>``). Each round shortens or splits the text, so few rounds suffice.
_ROUNDS = 8


def _split_token(match: re.Match[str]) -> str:
    """The matched control token with a space after its first character."""
    token = match[0]
    return f"{token[0]} {token[1:]}" if len(token) > 1 else " "
