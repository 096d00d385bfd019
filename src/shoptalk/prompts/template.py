"""Templates as strict data: an unknown slot or a missing value is an error."""

import string
from dataclasses import dataclass

from shoptalk.errors import PromptError


@dataclass(frozen=True, slots=True)
class Template:
    """Text with ``$slots``."""

    name: str
    text: str

    @property
    def slots(self) -> list[str]:
        """The names of the slots, in the order of the text."""
        return string.Template(self.text).get_identifiers()

    def render(self, **values: str) -> str:
        """Fill every slot; values are not interpreted, so that a ``$`` in a title stays a ``$``.

        Raises
        ------
        PromptError
            When a slot has no value, a value has no slot, or a ``$`` begins no name.
        """
        template, slots = string.Template(self.text), set(self.slots)
        if missing := slots - values.keys():
            raise PromptError(f"template {self.name!r} needs {sorted(missing)}")
        if unknown := values.keys() - slots:
            raise PromptError(f"template {self.name!r} has no slot for {sorted(unknown)}")
        try:
            return template.substitute(values)
        except ValueError as error:
            raise PromptError(f"template {self.name!r}: {error}", hint="write $$ for a dollar sign") from error
