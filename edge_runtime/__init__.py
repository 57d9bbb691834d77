"""Speech emotion recognition for small devices: MFCC in numpy, an LSTM on onnxruntime.

Names are imported at their first use, so that `edge-ser --help` need not wait for numpy.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audio import read_audio as read_audio
    from .batch import Answer as Answer
    from .batch import classify_many as classify_many
    from .config import MfccConfig as MfccConfig
    from .delta import delta as delta
    from .emotion_stream import EmotionStream as EmotionStream
    from .emotion_stream import StreamEvent as StreamEvent
    from .errors import AudioError as AudioError
    from .errors import ConfigError as ConfigError
    from .errors import EdgeSerError as EdgeSerError
    from .errors import ModelError as ModelError
    from .limits import AudioLimits as AudioLimits
    from .listen import ListenConfig as ListenConfig
    from .listen import Listener as Listener
    from .listen import ListenEvent as ListenEvent
    from .mfcc import Mfcc as Mfcc
    from .mfcc import mfcc as mfcc
    from .model import EmotionModel as EmotionModel
    from .prediction import Prediction as Prediction
    from .profile import SpeakerProfile as SpeakerProfile
    from .segments import Segment as Segment
    from .stream import MfccStream as MfccStream
    from .timeline import TimelineStream as TimelineStream

__version__ = "0.1.0"

# onnxruntime's packages for Linux, from 1.29 on, keep a log of the models that are loaded in the
# user's cache and send it to their maker. It looks at this when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_MODULE_OF = {
    "Answer": "batch",
    "AudioError": "errors",
    "AudioLimits": "limits",
    "ConfigError": "errors",
    "EdgeSerError": "errors",
    "EmotionModel": "model",
    "EmotionStream": "emotion_stream",
    "ListenConfig": "listen",
    "ListenEvent": "listen",
    "Listener": "listen",
    "Mfcc": "mfcc",
    "MfccConfig": "config",
    "MfccStream": "stream",
    "ModelError": "errors",
    "Prediction": "prediction",
    "Segment": "segments",
    "SpeakerProfile": "profile",
    "StreamEvent": "emotion_stream",
    "TimelineStream": "timeline",
    "classify_many": "batch",
    "delta": "delta",
    "mfcc": "mfcc",
    "read_audio": "audio",
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


class _Package(types.ModuleType):
    """Importing the submodules `mfcc` and `delta` would hide the functions of these names."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("mfcc", "delta") and isinstance(value, types.ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
