"""Styles of prompts, which turn the messages of an example into one text: alpaca, phi3, chat, plain, bare.

A style makes segments of the messages: messages whose concatenated texts are the text that the model reads. Segments of
the assistant are learned, others are not. Several user messages are lines of one input.
"""

from collections.abc import Sequence
from typing import Protocol

from shoptalk.errors import PromptError
from shoptalk.prompts.template import Template
from shoptalk.schema import Message

ALPACA = Template(
    "alpaca",
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n$instruction\n\n### Input:\n$input\n\n### Response:\n",
)
ALPACA_NO_INPUT = Template(
    "alpaca without input",
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n$instruction\n\n### Response:\n",
)
PHI3_END = "<|end|>"
PHI3 = Template("phi3", f"<|user|>\n$question{PHI3_END}\n<|assistant|>\n")


class Chat(Protocol):
    """The parts of a tokenizer that styles use; ``end`` is the text of the end token."""

    end: str

    @property
    def chat_end(self) -> str:
        """The text that closes an answer in the chat template."""
        ...

    @property
    def control(self) -> Sequence[str]:
        """The texts of control tokens."""
        ...

    def chat(self, question: str) -> str:
        """The question in the chat template, up to the start of the answer."""
        ...


def segments(style: str, messages: Sequence[Message], tokenizer: Chat) -> list[Message]:
    """The messages as consecutive segments of text.

    Parameters
    ----------
    style
        ``alpaca``, ``phi3``, ``chat``, ``plain`` or ``bare`` (only the user and assistant messages).
    messages
        At most one system message (the instruction), then user messages (lines of the input) and assistant messages.
    tokenizer
        Supplies the texts that close an answer, and the chat template for the style ``chat``.

    Raises
    ------
    PromptError
        For an unknown style.
    """
    if style == "plain":
        return _plain(messages)
    if style == "bare":
        return [message for message in messages if message.text and message.role != "system"]
    user_texts = [message.text for message in messages if message.role == "user"]
    instructions = [message.text for message in messages if message.role == "system"]
    answers = [message for message in messages if message.role == "assistant"]
    prompt = Message("user", _prompt(style, "\n".join(instructions), "\n".join(user_texts), tokenizer))
    if not answers:
        return [prompt]
    return [prompt, *answers, Message("assistant", _closing(style, tokenizer))]


def _closing(style: str, tokenizer: Chat) -> str:
    """The text that closes an answer: that of the style, if the tokenizer has it as a token, or the end token."""
    if style == "chat":
        return tokenizer.chat_end
    return PHI3_END if style == "phi3" and PHI3_END in tokenizer.control else tokenizer.end


def _prompt(style: str, instruction: str, lines: str, tokenizer: Chat) -> str:
    """Instruction and input as one text, up to the start of the answer."""
    if style == "alpaca":
        if lines:
            return ALPACA.render(instruction=instruction, input=lines)
        return ALPACA_NO_INPUT.render(instruction=instruction)
    question = f"{instruction}\n{lines}" if instruction and lines else instruction or lines
    if style == "phi3":
        return PHI3.render(question=question)
    if style == "chat":
        return tokenizer.chat(question)
    raise PromptError(f"unknown style {style!r}", hint="styles: alpaca, phi3, chat, plain")


def _plain(messages: Sequence[Message]) -> list[Message]:
    """A line per message. The line break has the role of the message, so that the end of an answer is learned."""
    return [segment for message in messages for segment in (message, Message(message.role, "\n"))]
