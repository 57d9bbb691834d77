"""Transcripts of all formats: cues, edits, and bytes that stay."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess

import pytest

from edge_runtime.attach.reading import read_transcript
from edge_runtime.attach.transcript import (
    CueEmotion,
    Style,
    TranscriptError,
    decode,
    encode,
    parse_time,
)
from edge_runtime.errors import ConfigError

ANGRY = CueEmotion("angry", 0.75, {"angry": 0.75, "sad": 0.25})
SAD = CueEmotion("sad", 0.5, {"angry": 0.5, "sad": 0.5})

SRT = (
    "\ufeff1\r\n00:00:01,000 --> 00:00:02,500\r\n{\\an8}[ANN]: Où?\r\nsecond line\r\n\r\n"
    "2\n01:00:03,000 --> 01:00:04,000 X1:10\n<i>Bye</i>"
)
VTT = """WEBVTT - a call

NOTE
00:00.000 and
not a cue

STYLE
::cue(.angry) { color: red }

intro
00:01.000 --> 00:02.500 align:start
<v Ann &amp; Bob>Hello <i>you</i></v>

00:00:03.000 --> 00:00:04.000
<v.loud Bob>No</v> <v Ann>Yes

00:05.000 --> 00:06.000
plain
"""
WHISPER = """{"text": " Hello. Bye.", "segments": [
  {
    "id": 0,
    "start": 1.0,
    "end": 2.5,
    "text": " Hello {\\"]}.",
    "words": [{"word": " Hello", "start": 1.0, "end": 1.2}]
  },
  {"id": 1, "start": 3, "end": 4.0, "text": " Bye.", "speaker": "SPEAKER_01"}
], "language": "en"}
"""
WHISPER_CPP = """{
	"systeminfo": "AVX = 1",
	"transcription": [
		{
			"timestamps": {
				"from": "00:00:01,000",
				"to": "00:00:02,500"
			},
			"offsets": {
				"from": 1000,
				"to": 2500
			},
			"text": " Hello."
		}
	]
}
"""
RTTM = """;; a comment
SPEAKER call 1 1.000 1.500 <NA> <NA> ann <NA> <NA>
SPKR-INFO call 1 <NA> <NA> <NA> unknown ann <NA> <NA>
SPEAKER call 2 3.00 1.00 <NA> <NA> bob 0.9 <NA>
SPEAKER other 1 7.00 1.00 <NA> <NA> bob <NA> <NA>
"""
LONG_TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 4.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 4.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1
            text = ""
        intervals [2]:
            xmin = 1
            xmax = 2.5
            text = "she said ""no"" 3"
        intervals [3]:
            xmin = 2.5
            xmax = 4.5
            text = "x"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 4.5
        points: size = 1
        points [1]:
            number = 1.5
            mark = "click"
"""
SHORT_TEXTGRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n4\n<exists>\n2\n'
    '"IntervalTier"\n"ann"\n0\n4\n2\n0\n1.5\n"hi"\n1.5\n4\n""\n'
    '"IntervalTier"\n"bob"\n0\n4\n1\n0\n4\n"yes"'
)
AUDACITY = "1.000000\t2.500000\thello\n\\\t100.0\t200.0\n3.0\t3.0\tpoint\n4.000000\t5.000000\n"
CSV = 'Start,End,speaker,text\r\n1,2.5,ann,"a, ""b""\r\nc"\r\n00:03.5,4.0,,bye'

TEXTS = {
    "call.srt": SRT,
    "call.vtt": VTT,
    "whisper.json": WHISPER,
    "cpp.json": WHISPER_CPP,
    "call.rttm": RTTM,
    "long.TextGrid": LONG_TEXTGRID,
    "short.TextGrid": SHORT_TEXTGRID,
    "labels.txt": AUDACITY,
    "call.csv": CSV,
}


@pytest.fixture
def read(tmp_path):
    def read(name, text=None, **options):
        path = tmp_path / name
        path.write_bytes(encode(TEXTS[name] if text is None else text, "utf-8"))
        return read_transcript(path, **{"recording": "call", **options})[0]

    return read


@pytest.mark.parametrize(
    "name, cues",
    [
        ("call.srt", [(1.0, 2.5, "ANN"), (3603.0, 3604.0, None)]),
        ("call.vtt", [(1.0, 2.5, "Ann & Bob"), (3.0, 4.0, "Bob"), (5.0, 6.0, None)]),
        ("whisper.json", [(1.0, 2.5, None), (3.0, 4.0, "SPEAKER_01")]),
        ("cpp.json", [(1.0, 2.5, None)]),
        ("call.rttm", [(1.0, 2.5, "ann"), (3.0, 4.0, "bob")]),
        ("long.TextGrid", [(1.0, 2.5, None), (2.5, 4.5, None)]),
        ("short.TextGrid", [(0.0, 1.5, "ann"), (0.0, 4.0, "bob")]),
        ("labels.txt", [(1.0, 2.5, None), (4.0, 5.0, None)]),
        ("call.csv", [(1.0, 2.5, "ann"), (3.5, 4.0, None)]),
    ],
)
def test_cues(read, name, cues):
    assert [cue[:3] for cue in read(name).cues] == cues


@pytest.mark.parametrize("name", TEXTS)
def test_without_emotions_the_text_stays(read, name):
    transcript = read(name)
    for style in transcript.styles:
        assert transcript.with_emotions([None] * len(transcript.cues), style) == TEXTS[name]


@pytest.mark.parametrize("name", TEXTS)
def test_removing_the_edits_gives_the_text(read, name):
    transcript = read(name)
    for style in transcript.styles:
        edits = transcript.edits([ANGRY] * len(transcript.cues), style)
        assert all(e.start == e.end for e in edits) or name.endswith("TextGrid")
        assert bool(edits) == (name != "call.rttm")


def test_bytes_that_are_not_utf8_stay():
    for content in (b"caf\xe9 \xff", "\ufeffé".encode("utf-16-le"), "\ufeffé".encode("utf-16-be")):
        assert encode(*decode(content)) == content


def test_srt_prefix(read):
    text = read("call.srt").with_emotions([ANGRY, SAD], Style.prefix)
    assert "{\\an8}[angry] [ANN]: Où?\r\nsecond line" in text and "\n[sad] <i>Bye" in text
    pysubs2 = pytest.importorskip("pysubs2")
    subtitles = pysubs2.SSAFile.from_string(text.lstrip("\ufeff"), format_="srt")
    assert [(s.start, s.end) for s in subtitles] == [(1000, 2500), (3603000, 3604000)]
    assert subtitles[1].plaintext == "[sad] Bye"


def test_vtt_class_within_voice_spans(read):
    transcript = read("call.vtt")
    text = transcript.with_emotions([ANGRY, SAD, ANGRY], Style.class_)
    assert "<v Ann &amp; Bob><c.angry>Hello <i>you</i></c></v>" in text
    assert "<v.loud Bob><c.sad>No</c></v> <v Ann><c.sad>Yes</c>\n" in text
    assert "\n<c.angry>plain</c>\n" in text and "not a cue" in text
    prefixed = transcript.with_emotions([ANGRY, None, ANGRY], Style.prefix)
    assert "<v Ann &amp; Bob>[angry] Hello" in prefixed and "[angry] plain" in prefixed
    webvtt = pytest.importorskip("webvtt")
    captions = list(webvtt.from_buffer(io.StringIO(text)))
    assert [(c.start_in_seconds, c.end_in_seconds) for c in captions] == [(1, 2), (3, 4), (5, 6)]
    assert [c.text for c in captions] == ["Hello you", "No Yes", "plain"]


def test_json_keys(read):
    transcript = read("whisper.json")
    text = transcript.with_emotions([ANGRY, None], Style.key)
    expected = json.loads(WHISPER)
    expected["segments"][0] |= {"emotion": "angry", "emotion_confidence": 0.75}
    assert json.loads(text) == expected
    assert '],\n    "emotion": "angry",\n    "emotion_confidence": 0.75\n  },' in "".join(text)
    text = transcript.with_emotions([None, SAD], Style.key)
    assert '"SPEAKER_01", "emotion": "sad", "emotion_confidence": 0.5}' in text
    text = transcript.with_emotions([ANGRY, SAD], Style.prefix)
    texts = [segment["text"] for segment in json.loads(text)["segments"]]
    assert texts == [' [angry] Hello {"]}.', " [sad] Bye."]


def test_json_of_whisper_cpp(read):
    text = read("cpp.json").with_emotions([SAD], Style.key)
    assert json.loads(text)["transcription"][0]["emotion"] == "sad"
    assert (
        text.replace(',\n\t\t\t"emotion": "sad",\n\t\t\t"emotion_confidence": 0.5', "")
        == WHISPER_CPP
    )


def test_json_list_of_segments(read):
    text = '[{"start":0.5,"end":1,"text":"a"}]'
    added = read("list.json", text).with_emotions([SAD], Style.key)
    assert added == '[{"start":0.5,"end":1,"text":"a","emotion":"sad","emotion_confidence":0.5}]'


def tiers_of_praatio(path):
    textgrid = pytest.importorskip("praatio.textgrid").openTextgrid(str(path), True)
    return {
        name: [tuple(entry) for entry in textgrid.getTier(name).entries]
        for name in textgrid.tierNames
    }


@pytest.mark.parametrize("name", ["long.TextGrid", "short.TextGrid"])
def test_textgrid_tiers(read, name, tmp_path):
    transcript = read(name)
    emotions = [ANGRY, SAD]
    path = tmp_path / "out.TextGrid"
    path.write_text(transcript.with_emotions(emotions, Style.key))
    tiers = tiers_of_praatio(path)
    if name == "long.TextGrid":
        assert tiers["words"][1][2] == 'she said "no" 3' and len(tiers) == 3
        assert tiers["emotion"] == [(0, 1, ""), (1, 2.5, "angry"), (2.5, 4.5, "sad")]
    else:
        assert tiers["ann emotion"] == [(0, 1.5, "angry"), (1.5, 4, "")]
        assert tiers["bob emotion"] == [(0, 4, "sad")] and list(tiers)[:2] == ["ann", "bob"]
    again = read_transcript(path)[0]
    assert len(again.cues) == 2 * len(transcript.cues)
    path.write_text(transcript.with_emotions(emotions, Style.prefix))
    assert {entry[-1] for tier in tiers_of_praatio(path).values() for entry in tier} >= (
        {'[angry] she said "no" 3', "[sad] x"} if name == "long.TextGrid" else {"[angry] hi"}
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("praat") is None, reason="praat is not installed")
@pytest.mark.parametrize("name", ["long.TextGrid", "short.TextGrid"])
def test_praat_reads_the_tiers(read, name, tmp_path):
    (tmp_path / "out.TextGrid").write_text(read(name).with_emotions([ANGRY, SAD], Style.key))
    script = tmp_path / "tiers.praat"
    script.write_text(
        'Read from file: "out.TextGrid"\nn = Get number of tiers\ntier$ = Get tier name: n\n'
        'label$ = Get label of interval: n, 1\nwriteInfoLine: n, " ", tier$, " ", label$\n'
    )
    done = subprocess.run(["praat", "--run", script], capture_output=True, text=True)
    expected = "3 emotion " if name == "long.TextGrid" else "4 bob emotion sad"
    assert done.stdout.strip("\n\r") == expected, done.stderr


def test_one_tier(read):
    assert [cue.start for cue in read("short.TextGrid", tier="ann").cues] == [0.0]
    with pytest.raises(TranscriptError, match="no interval tier 'x'; found 'ann', 'bob'"):
        read("short.TextGrid", tier="x")
    with pytest.raises(ConfigError, match="applies to TextGrids"):
        read("call.srt", tier="ann")


def test_audacity_labels(read):
    text = read("labels.txt").with_emotions([ANGRY, SAD], Style.prefix)
    assert text == AUDACITY.replace("hello", "[angry] hello").replace(
        "5.000000\n", "5.000000\t[sad]\n"
    )


def test_csv_columns(read):
    text = read("call.csv").with_emotions([ANGRY, None], Style.key)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["emotion"] for row in rows] == ["angry", ""]
    assert rows[0]["text"] == 'a, "b"\r\nc' and rows[0]["confidence"] == "0.7500"
    assert text.endswith("00:03.5,4.0,,bye,,")
    semicolons = read("other.csv", "start;end\n1,5;2,5\n").with_emotions([SAD], Style.key)
    assert semicolons == "start;end;emotion;confidence\n1,5;2,5;sad;0.5000\n"


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("a.srt", "hello", "is not SubRip"),
        ("a.vtt", "00:01.000 --> 00:02.000\nx", "is not WebVTT"),
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"a": []}', "is not a transcript"),
        ("a.json", '{"segments": [{"start": "x", "end": 1}]}', "segment 1"),
        ("a.json", '{"segments": [3]}', "segment 1"),
        ("a.rttm", "SPEAKER call 1 x", "line 1"),
        ("a.rttm", RTTM.replace("call", "calls"), "describes 2 recordings"),
        ("a.TextGrid", LONG_TEXTGRID[:300], "is not a TextGrid"),
        ("a.TextGrid", "ooBinaryFile\x08TextGrid", "is a binary TextGrid"),
        ("a.txt", "some notes", "line 1"),
        ("a.csv", "begin,end\n1,2", "no column start"),
        ("a.csv", "start,end\n1,x", "line 2"),
        ("a.csv", "start,end,emotion\n1,2,sad", "already"),
    ],
)
def test_other_texts_are_refused(read, name, text, message):
    with pytest.raises(TranscriptError, match=message):
        read(name, text)


def test_unknown_suffix(tmp_path):
    with pytest.raises(ConfigError, match=r"expected a name that ends in \.srt"):
        read_transcript(tmp_path / "call.docx")


@pytest.mark.parametrize("text", ["", "x", "1:2:3:4", "-1", "nan", "1e9"])
def test_invalid_times(text):
    with pytest.raises(ValueError):
        parse_time(text)
