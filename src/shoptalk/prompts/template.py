"""Templates as strict data: an unknown slot or a missing value is an error."""

import string
from dataclasses import dataclass

from shoptalk.errors import PromptError


@dataclass(frozen=True, slots=True)
class Template:
    """Text with ``$slots``."""

    name: str
    text: str

    def render(self, **values: str) -> str:
        """Fill every slot; values are not interpreted, so that a ``$`` in a title stays a ``$``.

        Raises
        ------
        PromptError
            When a slot has no value, or a value has no slot.
        """
        template = string.Template(self.text)
        slots = set(template.get_identifiers())
        if missing := slots - values.keys():
            raise PromptError(f"template {self.name!r} needs {sorted(missing)}")
        if unknown := values.keys() - slots:
            raise PromptError(f"template {self.name!r} has no slot for {sorted(unknown)}")
        return template.substitute(values)
