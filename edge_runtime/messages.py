"""Format values and foreign errors for messages of one line."""

from __future__ import annotations


def system_reason(error: Exception) -> str:
    """Return the reason of an OSError without its path and number; of other errors their text."""
    reason: str | None = getattr(error, "strerror", None)
    return reason or str(error)


def shorten(text: str, max_length: int = 100) -> str:
    """Cut a text to `max_length` characters, the last of them an ellipsis."""
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def brief_repr(value: object) -> str:
    """Return the repr of a value, cut to 100 characters."""
    try:
        return shorten(repr(value))
    except ValueError:  # an integer of thousands of digits
        return f"a huge {type(value).__name__}"


def shorten_error(error: Exception) -> str:
    """Return the text of an error of another library in one line, cut to 300 characters."""
    return shorten(" ".join(str(error).split()), 300)


def printable(text: str) -> str:
    r"""Escape a text for a terminal: one line, without control characters.

    Example:
        >>> printable("a\nname \x1b[31m")
        'a name \\x1b[31m'
    """
    line = " ".join(text.splitlines())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def count_of(number: int, noun: str) -> str:
    """Return a number and its noun, with an s unless the number is 1.

    Example:
        >>> count_of(1, "shard"), count_of(2000, "shard")
        ('1 shard', '2,000 shards')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def missing_package(user: str, package: str, extra: str) -> str:
    """Return the message for a package that is not installed.

    Args:
        user: The option or the command that requires it.
        package: The package.
        extra: The extra of edge-ser that installs it.

    Example:
        >>> missing_package("--plot", "matplotlib", "plot")
        "--plot requires the package matplotlib; run `pip install 'edge-ser[plot]'`"
    """
    return f"{user} requires the package {package}; run `pip install 'edge-ser[{extra}]'`"


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds with one decimal; hours only if needed.

    Example:
        >>> clock(59.96), clock(3725.5)
        ('1:00.0', '1:02:05.5')
    """
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{front}:{rest / 10:04.1f}"
