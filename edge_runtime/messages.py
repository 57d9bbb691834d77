"""Values and foreign errors as parts of messages of one line."""

from __future__ import annotations


def system_reason(error: Exception) -> str:
    """What the system says went wrong, without the path and number that an OSError adds."""
    return getattr(error, "strerror", None) or str(error)


def shorten(text: str, longest: int = 100) -> str:
    """The beginning of a text, where it is longer than that."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def brief_repr(value: object) -> str:
    """`value` for an error of one line, of a hundred characters at most."""
    try:
        return shorten(repr(value))
    except ValueError:  # a number of thousands of digits
        return f"a huge {type(value).__name__}"


def shorten_error(error: Exception) -> str:
    """What an error of another library says, without its line breaks."""
    return shorten(" ".join(str(error).split()), 300)


def printable(text: str) -> str:
    """Text as a terminal can show it: in one line, and without what would steer the terminal.

    >>> printable("a\\nname \\x1b[31m")
    'a name \\\\x1b[31m'
    """
    line = " ".join(text.splitlines())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
