"""Speech emotion recognition for small devices: MFCC in numpy, an LSTM on onnxruntime.

Names are imported at their first use, so that `edge-ser --help` need not wait for numpy.
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

# onnxruntime's packages for Linux, from 1.29 on, keep a log of the models that are loaded in the
# user's cache and send it to their maker. It looks at this when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_MODULE_OF = {
    "BatchResult": "batch",
    "AudioError": "errors",
    "AudioLimits": "audio.limits",
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
