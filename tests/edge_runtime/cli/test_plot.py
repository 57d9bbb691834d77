"""The picture of a timeline."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from edge_runtime import ConfigError, EdgeSerError, EmotionModel, TimelineStream
from edge_runtime.cli.plot import (
    MAX_COLUMNS,
    MAX_DRAWN_STEPS,
    ColumnReducer,
    Sheet,
    check_suffix,
    colours,
    extremes,
    load_pyplot,
)
from edge_runtime.inference.prediction import NO_SPEECH, UNCERTAIN
from edge_runtime.streaming.segments import Segment

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def model():
    return EmotionModel.load()


def sheet_of(model, samples, chunks=1, mfcc=False):
    sheet = Sheet(model, 16_000, "a recording", mfcc=mfcc)
    stream = TimelineStream(model, on_step=sheet.add_step)
    for part in np.array_split(samples, chunks):
        sheet.push(part)
        for segment in stream.push(part):
            sheet.add(segment)
    for segment in stream.flush():
        sheet.add(segment)
    return sheet


@pytest.mark.parametrize("name, begins", [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_picture_has_every_label(model, voice_clips, tmp_path, name, begins):
    samples = np.concatenate([np.r_[clip, np.zeros(16_000, "f")] for clip in voice_clips])
    path = tmp_path / name
    path.write_bytes(b"an older picture")
    sheet_of(model, samples, 7).save(path)
    content = path.read_bytes()
    assert content.startswith(begins) and len(content) > 10_000
    assert [file.name for file in tmp_path.iterdir()] == [name]
    if name == "a.svg":
        panels = ("waveform", "speech", "probability", "arousal")
        for text in (*model.labels, "a recording", "seconds", "no speech", *panels):
            assert text.encode() in content  # as a comment beside the glyphs, or as text
        assert b"MFCC" not in content


def test_mfcc_panel_is_optional(model, voice_clips, tmp_path):
    sheet_of(model, voice_clips[0], 3, mfcc=True).save(tmp_path / "a.svg")
    assert "<!-- MFCC -->" in (tmp_path / "a.svg").read_text()


def test_legend_names_the_answers_that_occur(model, voice_clips, tmp_path):
    """Pauses and uncertain segments are in the legend only if there are any."""

    def text(*answers):
        sheet = Sheet(model, 16_000, "a recording")
        sheet.push(voice_clips[0])
        for k, label in enumerate(answers):
            step = Segment(k, k + 1, label, 0.7, dict.fromkeys(model.labels, 0.25))
            sheet.add_step(step)
            sheet.add(step)
        sheet.save(tmp_path / "a.svg")
        return (tmp_path / "a.svg").read_text()

    everything = text("sad", UNCERTAIN, NO_SPEECH)
    assert "<!-- no speech -->" in everything and "<!-- uncertain -->" in everything
    one = text("sad", "angry")
    assert "<!-- no speech -->" not in one and "<!-- uncertain -->" not in one


@pytest.mark.parametrize("rows", [1, 999, 2 * MAX_COLUMNS + 1, 9 * MAX_COLUMNS + 17])
def test_columns_keep_extremes_and_mean(rows):
    values = np.random.default_rng(0).standard_normal((rows, 1)).astype(np.float32)
    envelope, means = ColumnReducer(extremes), ColumnReducer(lambda rows: rows.mean(axis=1))
    for part in np.array_split(values, 11):
        envelope.add(np.concatenate([part, part], axis=1))
        means.add(part)
    table = envelope.table()
    assert len(table) <= MAX_COLUMNS + 1
    assert (table[:, 0].min(), table[:, 1].max()) == (values.min(), values.max())
    per = means.rows_per_column
    expected = values[: rows // per * per].reshape(-1, per).mean(axis=1)
    np.testing.assert_allclose(means.table()[: len(expected), 0], expected, atol=1e-5)


@pytest.mark.slow
def test_long_recording_has_axis_in_minutes(model, voice_clips, tmp_path):
    pause = np.zeros(40 * 16_000, np.float32)
    samples = np.concatenate([pause, voice_clips[0], pause, pause, pause])
    sheet_of(model, samples).save(tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert all(f"<!-- {time} -->" in text for time in ("0:00", "0:30", "2:30", "minutes:seconds"))


def test_arousal_has_a_panel(model, voice_clips, tmp_path):
    sheet = Sheet(model, 16_000, "a recording")
    sheet.push(voice_clips[0])
    shares = dict.fromkeys(model.labels, 0.25)
    sheet.add_step(Segment(0.0, 1.0, model.labels[0], 0.7, shares, 0.75))
    sheet.add_step(Segment(1.0, 2.0, NO_SPEECH, 0.25, shares))
    sheet.save(tmp_path / "a.svg")
    assert "<!-- arousal -->" in (tmp_path / "a.svg").read_text()
    times, arousal = sheet.arousal_line()
    assert times.tolist() == [0.0, 1.0, 1.0, 2.0]
    np.testing.assert_equal(arousal, [0.75, 0.75, np.nan, np.nan])


@pytest.mark.slow
def test_silence_is_labelled_no_speech(model, tmp_path):
    sheet_of(model, np.zeros(32_000, np.float32)).save(tmp_path / "a.svg")
    assert "<!-- no speech -->" in (tmp_path / "a.svg").read_text()


def test_dollars_in_name_are_not_a_formula(model, voice_clips, tmp_path):
    sheet = Sheet(model, 16_000, r"a$\frac{$.wav")
    sheet.push(voice_clips[0])
    sheet.add_step(Segment(0.0, 1.0, model.labels[0], 0.7, dict.fromkeys(model.labels, 0.25)))
    sheet.save(tmp_path / "a.svg")
    assert r"a$\frac{$.wav" in (tmp_path / "a.svg").read_text()


def test_no_samples_is_an_error(model, tmp_path):
    with pytest.raises(ConfigError, match="nothing to draw"):
        Sheet(model, 16_000, "").save(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_long_line_is_averaged_and_breaks_at_pauses(model):
    sheet = Sheet(model, 16_000, "")
    rng = np.random.default_rng(0)
    sad = rng.uniform(size=10 * MAX_DRAWN_STEPS)
    for k, value in enumerate(sad):
        rest = {label: (1 - value) / 3 for label in model.labels}
        label = NO_SPEECH if k < 10 else "sad"
        sheet.add_step(Segment(k, k + 1, label, value, rest | {"sad": value}))
    times, line = sheet.probability_line("sad")
    assert len(times) == 2 * MAX_DRAWN_STEPS and np.isnan(line[:2]).all()
    np.testing.assert_allclose(line[2::2], sad.reshape(-1, 10).mean(axis=1)[1:])


def test_each_label_has_its_own_colour():
    palette = colours(("angry", "bored", "happy", "calm"))
    assert len(set(palette.values())) == 4
    assert palette["angry"] == colours(("sad", "angry"))["angry"]


def test_unsupported_suffix_and_missing_matplotlib(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match=r"ends in \.png, \.svg, \.pdf"):
        check_suffix(tmp_path / "a.gif")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EdgeSerError, match=r"pip install 'edge-ser\[plot\]'"):
        load_pyplot()
