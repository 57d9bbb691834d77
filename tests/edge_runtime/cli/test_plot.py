"""The sheet of a timeline: what is drawn is what was heard."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from edge_runtime import ConfigError, EdgeSerError, EmotionModel, TimelineStream
from edge_runtime.cli.plot import (
    COLUMNS,
    DRAWN_STEPS,
    Sheet,
    _Columns,
    _extremes,
    check_plot,
    colours,
)
from edge_runtime.inference.prediction import NO_SPEECH
from edge_runtime.streaming.segments import Segment

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def model():
    return EmotionModel.load()


def heard(model, samples, pieces=1):
    sheet = Sheet(model, 16_000, "a recording")
    stream = TimelineStream(model, watch=sheet.add_step)
    for part in np.array_split(samples, pieces):
        sheet.hear(part)
        for segment in stream.push(part):
            sheet.add(segment)
    for segment in stream.flush():
        sheet.add(segment)
    return sheet


@pytest.mark.parametrize("name, begins", [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_a_sheet_is_a_picture_with_every_label(model, voice_clips, tmp_path, name, begins):
    samples = np.concatenate([np.r_[clip, np.zeros(16_000, "f")] for clip in voice_clips])
    path = tmp_path / name
    path.write_bytes(b"an older picture")
    heard(model, samples, 7).save(path)
    content = path.read_bytes()
    assert content.startswith(begins) and len(content) > 10_000
    assert [file.name for file in tmp_path.iterdir()] == [name]
    if name == "a.svg":
        for text in (*model.labels, "a recording", "seconds", "MFCC", "waveform"):
            assert text.encode() in content  # as a comment beside the glyphs, or as text


@pytest.mark.parametrize("rows", [1, 999, 2 * COLUMNS + 1, 9 * COLUMNS + 17])
def test_columns_keep_the_extremes_and_the_mean(rows):
    values = np.random.default_rng(0).standard_normal((rows, 1)).astype(np.float32)
    extremes, means = _Columns(_extremes), _Columns(lambda columns: columns.mean(axis=1))
    for part in np.array_split(values, 11):
        extremes.add(np.concatenate([part, part], axis=1))
        means.add(part)
    table = extremes.table()
    assert len(table) <= COLUMNS + 1
    assert (table[:, 0].min(), table[:, 1].max()) == (values.min(), values.max())
    per = means._per
    expected = values[: rows // per * per].reshape(-1, per).mean(axis=1)
    np.testing.assert_allclose(means.table()[: len(expected), 0], expected, atol=1e-5)


def test_a_long_recording_has_times_as_the_text_has_them(model, voice_clips, tmp_path):
    pause = np.zeros(40 * 16_000, np.float32)
    samples = np.concatenate([pause, voice_clips[0], pause, pause, pause])
    heard(model, samples).save(tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert all(f"<!-- {time} -->" in text for time in ("0:00", "0:30", "2:30", "minutes:seconds"))


def test_where_nobody_speaks_the_sheet_says_so(model, tmp_path):
    heard(model, np.zeros(32_000, np.float32)).save(tmp_path / "a.svg")
    assert "<!-- no speech -->" in (tmp_path / "a.svg").read_text()


def test_a_name_with_dollars_in_it_is_no_formula(model, voice_clips, tmp_path):
    sheet = Sheet(model, 16_000, r"a$\frac{$.wav")
    sheet.hear(voice_clips[0])
    sheet.add_step(Segment(0.0, 1.0, model.labels[0], 0.7, dict.fromkeys(model.labels, 0.25)))
    sheet.save(tmp_path / "a.svg")
    assert r"a$\frac{$.wav" in (tmp_path / "a.svg").read_text()


def test_nothing_heard_cannot_be_drawn(model, tmp_path):
    with pytest.raises(ConfigError, match="nothing to draw"):
        Sheet(model, 16_000, "").save(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_long_course_is_the_mean_of_its_steps_and_breaks_where_nobody_speaks(model):
    sheet = Sheet(model, 16_000, "")
    rng = np.random.default_rng(0)
    sad = rng.uniform(size=10 * DRAWN_STEPS)
    for k, value in enumerate(sad):
        rest = {label: (1 - value) / 3 for label in model.labels}
        label = NO_SPEECH if k < 10 else "sad"
        sheet.add_step(Segment(k, k + 1, label, value, rest | {"sad": value}))
    times, course = sheet._course("sad")
    assert len(times) == 2 * DRAWN_STEPS and np.isnan(course[:2]).all()
    np.testing.assert_allclose(course[2::2], sad.reshape(-1, 10).mean(axis=1)[1:])


def test_labels_have_colours_of_their_own():
    found = colours(("angry", "bored", "happy", "calm"))
    assert len(set(found.values())) == 4
    assert found["angry"] == colours(("sad", "angry"))["angry"]


def test_what_is_missing_is_said_with_the_command(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match=r"ends in \.png, \.svg, \.pdf"):
        check_plot(tmp_path / "a.gif")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EdgeSerError, match="pip install matplotlib"):
        check_plot(tmp_path / "a.png")
