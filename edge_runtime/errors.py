"""The errors that leave the public functions. `EdgeSerError` is the root of them all."""


class EdgeSerError(Exception):
    """Anything that edge-ser refuses: catch this one to catch them all."""


class AudioError(EdgeSerError):
    """An audio file, a stream or an array of samples that cannot be used."""


class ModelError(EdgeSerError):
    """A model file that is missing, damaged, foreign or too new."""


class ConfigError(EdgeSerError, ValueError):
    """An argument or a setting outside its range."""


def reason(error: Exception) -> str:
    """What the system says went wrong, without the path and number that an OSError adds."""
    return getattr(error, "strerror", None) or str(error)


def shortened(text: str, longest: int = 100) -> str:
    """The beginning of a text, where it is longer than that."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def brief(value: object) -> str:
    """`value` for an error of one line, of a hundred characters at most."""
    try:
        return shortened(repr(value))
    except ValueError:  # a number of thousands of digits
        return f"a huge {type(value).__name__}"


def one_line(error: Exception) -> str:
    """What an error of another library says, without its line breaks."""
    return shortened(" ".join(str(error).split()), 300)
