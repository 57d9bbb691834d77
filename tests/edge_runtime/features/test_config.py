"""The settings of the front end and the errors about invalid ones."""

from __future__ import annotations

import json

import pytest

from edge_runtime import ConfigError, Mfcc, MfccConfig

INVALID = [
    ({"hop_length": 0}, "hop_length=0 must be an integer from 1 to 2147483648"),
    ({"n_fft": 512.0}, "n_fft=512.0 must be"),
    ({"win_length": 600}, "win_length=600 must be at most n_fft=512"),
    ({"pad_mode": "wrap"}, "pad_mode='wrap' must be one of constant"),
    ({"dct_type": 4}, "dct_type=4 must be 1, 2 or 3"),
    ({"lifter": -1}, "lifter=-1 must be a number of 0 or more"),
    ({"amin": 0}, "amin=0 must be a number above 0"),
    ({"top_db": -1.0}, "top_db=-1.0 must be a number of 0 or more, or None"),
    ({"norm": "area"}, "norm='area' must be 'slaney'"),
    ({"n_mfcc": 41}, "n_mfcc=41 must be at most n_mels=40"),
    ({"fmin": 100.0, "fmax": 50.0}, "fmax=50.0 must be a number above fmin=100.0"),
    ({"sample_rate": True}, "sample_rate=True must be"),
    ({"window": ("taylor", 10**6)}, "window=('taylor', 1000000) must be a name"),
]


@pytest.mark.parametrize(
    ("setting", "message"), INVALID, ids=[next(iter(setting)) for setting, _ in INVALID]
)
def test_invalid_setting_names_the_range(setting, message):
    with pytest.raises(ConfigError) as error:
        MfccConfig(**setting)
    assert message in str(error.value)
    assert isinstance(error.value, ValueError)


def test_unknown_window_is_an_error():
    for name in ("hunn", "hanning"):
        with pytest.raises(ConfigError, match=f"window='{name}'"):
            Mfcc(MfccConfig(window=name))


def test_json_round_trip():
    config = MfccConfig(window=("kaiser", 8.0), top_db=80.0)
    assert MfccConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(ConfigError, match="MFCC settings: missing key n_fft"):
        MfccConfig.from_dict({k: v for k, v in config.to_dict().items() if k != "n_fft"})
    with pytest.raises(ConfigError, match="MFCC settings: unknown key hop"):
        MfccConfig.from_dict({**config.to_dict(), "hop": 1})
    with pytest.raises(ConfigError, match=r"MFCC settings: expected an object, got \[\]"):
        MfccConfig.from_dict([])
    with pytest.raises(ConfigError, match="winlen=0 must be a number above 0 seconds"):
        MfccConfig.python_speech_features(winlen=0)
