"""The exceptions of the public functions; `EdgeSerError` is the base class of all."""


class EdgeSerError(Exception):
    """Base class of all errors that edge-ser raises on purpose."""


class AudioError(EdgeSerError):
    """An audio file, a stream or an array of samples that cannot be used."""


class ModelError(EdgeSerError):
    """A model file that is missing, damaged, too new, or was not exported by edge-ser."""


class ConfigError(EdgeSerError, ValueError):
    """An argument or a setting that is out of range."""
