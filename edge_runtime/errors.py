"""The errors that leave the public functions. `EdgeSerError` is the root of them all."""


class EdgeSerError(Exception):
    """Anything that edge-ser refuses: catch this one to catch them all."""


class AudioError(EdgeSerError):
    """An audio file, a stream or an array of samples that cannot be used."""


class ModelError(EdgeSerError):
    """A model file that is missing, damaged, foreign or too new."""


class ConfigError(EdgeSerError, ValueError):
    """An argument or a setting outside its range."""
