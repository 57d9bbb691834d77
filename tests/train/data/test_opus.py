"""Ogg Opus recordings in training and classification."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from edge_runtime import EmotionModel, Mfcc, read_audio
from edge_runtime.datasets.corpora import scan
from train.data.features import cached_features


@pytest.fixture
def opus_corpus(tmp_path, voice_clips):
    names = ("1001_DFA_ANG_HI", "1001_DFA_HAP_HI", "1002_DFA_NEU_XX", "1002_DFA_SAD_XX")
    for name, samples in zip(names, voice_clips):
        soundfile.write(tmp_path / f"{name}.ogg", samples, 16_000, format="OGG", subtype="OPUS")
    return tmp_path


def test_clips_are_found_and_read(opus_corpus, voice_clips):
    clips = scan([opus_corpus])
    assert [clip.label for clip in clips] == ["angry", "happy", "neutral", "sad"]
    assert {clip.speaker for clip in clips} == {"cremad/1001", "cremad/1002"}
    for clip, samples in zip(clips, voice_clips):
        decoded = read_audio(clip.path)
        assert abs(len(decoded) - len(samples)) <= 960  # a packet of 60 ms
        n = min(len(decoded), len(samples))
        assert np.corrcoef(decoded[:n], samples[:n])[0, 1] > 0.9


def test_training_features_equal_those_of_the_samples(opus_corpus, tmp_path):
    clip = scan([opus_corpus])[0]
    frames = cached_features(clip.path, Mfcc(), tmp_path / "cache")[0]
    np.testing.assert_array_equal(frames, Mfcc()(read_audio(clip.path)))


def test_clip_is_classified(opus_corpus):
    model = EmotionModel.load()
    path = scan([opus_corpus])[0].path
    assert model.classify(path) == model.classify(read_audio(path))
