"""URLs of databases in recipes and on the command line: environment variables in them, and texts without passwords."""

import os
import re
from urllib.parse import quote

from shoptalk.errors import UsageError

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
#: What follows the name of a user in a URL, up to the last ``@``: also a password that should have been escaped.
_PASSWORD = re.compile(r"(://[^\s/?#:@]*):(?!\d+[/?])\S*@")
_SECRET_PARAMETER = re.compile(r"((?:password|passfile|sslpassword|sslkey|token|secret)\s*=)[^&\s]+", re.IGNORECASE)


def fill_variables(url: str) -> str:
    """A URL with the values of the environment variables that it names as ``${NAME}``.

    Inside an address a value is escaped, so that a password may have any character; a variable at the beginning holds
    an address or a path, which is taken as it is.

    Raises
    ------
    UsageError
        For a variable that is not set.
    """

    def value(match: re.Match[str]) -> str:
        """The value of one variable."""
        found = os.environ.get(match[1])
        if not found:
            raise UsageError(
                f"the environment variable {match[1]} is not set",
                where=without_password(url),
                hint="set it, or export it",
            )
        return quote(found, safe="") if is_url(url[: match.start()]) else found

    return _VARIABLE.sub(value, url)


def without_password(text: str) -> str:
    """A text in which the passwords of URLs are replaced by ``***``; names of environment variables stay."""

    def hidden(match: re.Match[str]) -> str:
        password = match[0][len(match[1]) + 1 : -1]
        return match[0] if _VARIABLE.fullmatch(password) else f"{match[1]}:***@"

    return _SECRET_PARAMETER.sub(_hide_parameter, _PASSWORD.sub(hidden, text))


def has_password(url: str) -> bool:
    """Whether a URL contains a secret itself, rather than the name of an environment variable."""
    return without_password(url) != url


def is_url(text: str) -> bool:
    """Whether a text is a URL, and no path."""
    return "://" in text


def _hide_parameter(match: re.Match[str]) -> str:
    value = match[0][len(match[1]) :]
    return match[0] if _VARIABLE.fullmatch(value) else f"{match[1]}***"
