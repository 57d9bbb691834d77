"""Speech emotion recognition for small devices: MFCC in numpy, an LSTM on onnxruntime.

Names are imported at their first use (PEP 562), so that `edge-ser --help` does not load numpy.

Example:
    >>> from edge_runtime import EmotionModel
    >>> model = EmotionModel.load()
    >>> model.classify("samples/sad/1013_ITH_SAD_XX.wav").label in {*model.labels, "uncertain"}
    True
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audio.limits import AudioLimits as AudioLimits
    from .audio.read import read_audio as read_audio
    from .batch import BatchResult as BatchResult
    from .batch import classify_many as classify_many
    from .errors import AudioError as AudioError
    from .errors import ConfigError as ConfigError
    from .errors import EdgeSerError as EdgeSerError
    from .errors import ModelError as ModelError
    from .features.config import MfccConfig as MfccConfig
    from .features.delta import delta as delta
    from .features.mfcc import Mfcc as Mfcc
    from .features.mfcc import mfcc as mfcc
    from .features.stream import MfccStream as MfccStream
    from .inference.card import ModelCard as ModelCard
    from .inference.prediction import Prediction as Prediction
    from .inference.profile import SpeakerProfile as SpeakerProfile
    from .model import EmotionModel as EmotionModel
    from .streaming.listen_events import ListenConfig as ListenConfig
    from .streaming.listen_events import ListenEvent as ListenEvent
    from .streaming.listener import Listener as Listener
    from .streaming.segments import Segment as Segment
    from .streaming.stream import EmotionStream as EmotionStream
    from .streaming.stream import StreamEvent as StreamEvent
    from .streaming.timeline import TimelineStream as TimelineStream

__version__ = "0.1.0"

# From 1.29 on, onnxruntime's packages for Linux log the models that are loaded in the user's cache
# and send the log to their vendor. onnxruntime reads this variable when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_MODULE_OF = {
    "AudioError": "errors",
    "AudioLimits": "audio.limits",
    "BatchResult": "batch",
    "ConfigError": "errors",
    "EdgeSerError": "errors",
    "EmotionModel": "model",
    "EmotionStream": "streaming.stream",
    "ListenConfig": "streaming.listen_events",
    "ListenEvent": "streaming.listen_events",
    "Listener": "streaming.listener",
    "Mfcc": "features.mfcc",
    "MfccConfig": "features.config",
    "MfccStream": "features.stream",
    "ModelCard": "inference.card",
    "ModelError": "errors",
    "Prediction": "inference.prediction",
    "Segment": "streaming.segments",
    "SpeakerProfile": "inference.profile",
    "StreamEvent": "streaming.stream",
    "TimelineStream": "streaming.timeline",
    "classify_many": "batch",
    "delta": "features.delta",
    "mfcc": "features.mfcc",
    "read_audio": "audio.read",
}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_MODULE_OF[name]}", __name__)
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
