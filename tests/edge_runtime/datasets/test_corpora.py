"""Labels, speakers and splits from folders, file names and manifests."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from support.paths import CORPORA

from edge_runtime.datasets.clip import DatasetError
from edge_runtime.datasets.corpora import scan, unused_folders
from edge_runtime.datasets.patterns import parse_codes


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def rows(clips):
    return [(clip.path.name, clip.label, clip.speaker, clip.split) for clip in clips]


def test_split_and_label_folders(tmp_path):
    root = touch(
        tmp_path / "mine",
        "train/angry/a.wav",
        "train/sad/b.wav",
        "test/angry/c.wav",
        "test/angry/notes.txt",
        "test/angry/._c.wav",
    )
    assert rows(scan([root])) == [
        ("c.wav", "angry", None, "test"),
        ("a.wav", "angry", None, "train"),
        ("b.wav", "sad", None, "train"),
    ]


def test_label_folders_without_splits(tmp_path):
    root = touch(tmp_path, "Bored/a.wav", "very tired/b.FLAC", "ärger/c.mp3")
    assert [clip.label for clip in scan([root])] == ["bored", "very tired", "ärger"]


@pytest.mark.parametrize(
    ("name", "label", "speaker"),
    [
        ("ravdess/Actor_07/03-01-05-02-01-02-07.flac", "angry", "ravdess/07"),
        ("ravdess/Actor_24/03-01-08-01-01-01-24.wav", "surprised", "ravdess/24"),
        ("emodb/wav/03a01Wa.wav", "angry", "emodb/03"),
        ("emodb/wav/16b10Tb.wav", "sad", "emodb/16"),
        ("emodb/wav/08a02Lc.wav", "boredom", "emodb/08"),
        ("tess/OAF_back_angry.flac", "angry", "tess/OAF"),
        ("tess/YAF_dog_ps.wav", "surprised", "tess/YAF"),
        ("nemo/SM0_anger_1.flac", "angry", "nemo/SM0"),
        ("nemo/WR0_happiness_90.flac", "happy", "nemo/WR0"),
        ("cremad/1002_DFA_ANG_XX.ogg", "angry", "cremad/1002"),
        ("cremad/1091_WSI_FEA_MD.wav", "fearful", "cremad/1091"),
        ("cremad/1040_ITH_SAD_X.wav", "sad", "cremad/1040"),
        ("AudioData/DC/a01.wav", "angry", "savee/DC"),
        ("AudioData/KL/su15.wav", "surprised", "savee/KL"),
        ("ALL/JE_sa03.wav", "sad", "savee/JE"),
        ("EMOVO/f1/gio-f1-b1.wav", "happy", "emovo/f1"),
        ("EMOVO/m3/rab-m3-n5.wav", "angry", "emovo/m3"),
        ("ESD/0011/Surprise/0011_001401.wav", "surprised", "esd/0011"),
        ("ESD/0020/Angry/train/0020_000351.wav", "angry", "esd/0020"),
        ("ESD/0001/Neutral/evaluation/0001_000001.wav", "neutral", "esd/0001"),
        ("ShEMO/female/F14A09.wav", "angry", "shemo/F14"),
        ("ShEMO/male/M02F01.wav", "fearful", "shemo/M02"),
        ("JL/female1_angry_10a_1.wav", "angry", "jl/female1"),
        ("JL/male2_encouraging_4b_2.wav", "encouraging", "jl/male2"),
        ("SUBESCO/F_02_MONIKA_S_1_NEUTRAL_5.wav", "neutral", "subesco/F_02"),
        ("AESDD/anger/a03 (4).wav", "angry", "aesdd/4"),
        ("AESDD/sadness/s20 (1)b.wav", "sad", "aesdd/1"),
        ("MESD/Anger_C_A_abajo.wav", "angry", "mesd/C"),
        ("MESD/Happiness_F_B_cumpleaños.wav", "happy", "mesd/F"),
        ("CaFE/Colère/Faible/01-C-1-1.wav", "angry", "cafe/01"),
        ("CaFE/Neutre/12-N-1-6.wav", "neutral", "cafe/12"),
    ],
)
def test_file_names_of_known_corpora(tmp_path, name, label, speaker):
    touch(tmp_path, name, "other/x.wav")
    clip = next(clip for clip in scan([tmp_path]) if clip.path.name == Path(name).name)
    assert (clip.label, clip.speaker, clip.corpus) == (label, speaker, speaker.split("/")[0])


def test_split_of_esd_is_not_used(tmp_path):
    root = touch(tmp_path, "0011/Sad/train/0011_001051.wav", "0011/Happy/test/0011_000701.wav")
    assert {clip.split for clip in scan([root])} == {None}
    inside = touch(tmp_path / "x", "train/DC/a01.wav", "test/KL/sa02.wav")
    assert {(c.label, c.split) for c in scan([inside])} == {("angry", "train"), ("sad", "test")}


def test_folders_of_downloaded_corpora_are_not_noted(tmp_path):
    root = touch(
        tmp_path,
        *("female/F14A09.wav", "male/M02F01.wav"),
        *("Colère/Faible/01-C-1-1.wav", "Joie/Fort/02-J-2-1.wav", "Neutre/02-N-1-1.wav"),
        *("f1/gio-f1-b1.wav", "m3/rab-m3-n5.wav"),
        *("0011/Sad/train/0011_001051.wav", "0011/Happy/evaluation/0011_000701.wav"),
    )
    assert unused_folders(scan([root])) == []


def test_similar_file_name_is_no_known_corpus(tmp_path):
    root = touch(tmp_path, "calm/AB1_take_3.wav", "stressed/AB1_take_4.wav")
    assert [(c.label, c.speaker, c.corpus) for c in scan([root])] == [
        ("calm", None, tmp_path.name),
        ("stressed", None, tmp_path.name),
    ]


def test_ignored_folders_are_noted(tmp_path):
    names = ("03-01-05-01-01-01-07.wav", "03-01-03-01-01-01-08.wav")
    mine = touch(tmp_path / "mine", f"positive/{names[1]}", f"negative/{names[0]}")
    (note,) = unused_folders(scan([mine]))
    assert note.startswith("2 files in 2 folders, such as 'negative', match the naming scheme")
    known = touch(
        tmp_path / "known",
        f"Actor_07/{names[0]}",
        f"Actor_08/{names[1]}",
        "OAF_angry/OAF_back_angry.wav",
        "YAF_sad/YAF_back_sad.wav",
        "wav/03a01Wa.wav",
        "wav/03a01Fa.wav",
    )
    assert unused_folders(scan([known])) == []


def test_roots_of_the_same_name_stay_distinct(tmp_path):
    for name in "ab":
        (tmp_path / name / "data").mkdir(parents=True)
        (tmp_path / name / "data" / "manifest.csv").write_text(
            "path,label,speaker\nx.wav,angry,01\ny.wav,sad,01\n"
        )
    one, other = (tmp_path / name / "data" for name in "ab")
    assert {clip.speaker for clip in scan([one])} == {"data/01"}
    both = {"a-data/01", "b-data/01"}
    assert {clip.speaker for clip in scan([one, other])} == both
    assert {clip.speaker for clip in scan([one / "manifest.csv", other])} == both
    assert {clip.speaker for clip in scan([one, one / "manifest.csv"])} == {"data/01"}
    (tmp_path / "a" / "data.csv").write_text((one / "manifest.csv").read_text())
    assert len({clip.corpus for clip in scan([one, tmp_path / "a" / "data.csv"])}) == 2


def test_folders_relabel_a_known_corpus(tmp_path):
    """Calm is often merged into neutral in RAVDESS; the speaker still comes from the name."""
    touch(
        tmp_path,
        "neutral/03-01-02-01-01-01-07.wav",
        "sad/03-01-04-01-01-01-08.wav",
        "train/negative/03-01-05-01-01-01-09.wav",
    )
    by_name = {clip.path.name: (clip.label, clip.speaker) for clip in scan([tmp_path])}
    assert by_name["03-01-02-01-01-01-07.wav"] == ("neutral", "ravdess/07")
    assert by_name["03-01-05-01-01-01-09.wav"] == ("negative", "ravdess/09")


def test_manifest_is_read(tmp_path):
    manifest = tmp_path / "calls.csv"
    manifest.write_text(
        "path,label,speaker,split\nx/1.wav,Angry ,anna,train\nx/2.wav,sadness,,\n", encoding="utf-8"
    )
    clips = scan([manifest])
    assert [(c.path, c.label, c.speaker, c.split) for c in clips] == [
        (tmp_path / "x/1.wav", "angry", "calls/anna", "train"),
        (tmp_path / "x/2.wav", "sad", None, None),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.wav,sad\n", "has no column path; .*path,label are required; speaker,split"),
        ("path,label\na.wav,\n", "line 2: path or label is empty"),
        ("path,label,split\na.wav,sad,dev\n", "line 2: split='dev' must be train, val, test"),
        ("", "has no column label, path"),
    ],
)
def test_manifest_error_names_the_line(tmp_path, text, message):
    manifest = tmp_path / "m.csv"
    manifest.write_text(text)
    with pytest.raises(DatasetError, match=message):
        scan([manifest])


def test_manifest_in_a_folder_takes_precedence(tmp_path):
    touch(tmp_path, "x/1.wav", "x/2.wav", "x/3.wav")
    (tmp_path / "manifest.csv").write_text("Path , LABEL\nx/1.wav,sad\n\nx/2.wav,angry\n")
    assert [clip.label for clip in scan([tmp_path])] == ["sad", "angry"]


def test_links_are_followed_and_loops_end(tmp_path):
    touch(tmp_path / "elsewhere", "a.wav")
    root = touch(tmp_path / "root", "angry/b.wav")
    (root / "sad").symlink_to(tmp_path / "elsewhere")
    (root / "angry" / "loop").symlink_to(root)
    assert len(scan([root])) == 2


def test_tess_speaker_aliases_are_merged(tmp_path):
    root = touch(tmp_path, "OAF_back_angry.wav", "OA_bite_neutral.wav")
    assert {clip.speaker for clip in scan([root])} == {"tess/OAF"}


def test_only_requested_labels_are_kept(tmp_path):
    root = touch(tmp_path, "a/1.wav", "b/1.wav", "c/1.wav")
    assert {clip.label for clip in scan([root], labels=["a", "C"])} == {"a", "c"}
    with pytest.raises(DatasetError, match="no clip has the label d; found: a, b, c"):
        scan([root], labels=["a", "d"])


def test_speaker_pattern_sets_the_speaker(tmp_path):
    root = touch(tmp_path / "calls", "sad/anna-1.wav", "angry/ben-2.wav", "angry/3.wav")
    with pytest.raises(DatasetError, match=r"'xx\(.*matches none of the 3 paths.*such as 'angry/3"):
        scan([root], speaker_pattern=r"xx(\d+)")
    clips = scan([root], speaker_pattern=r"([a-z]+)-\d")
    assert [clip.speaker for clip in clips] == [None, "calls/ben", "calls/anna"]


CODED = ("b/x_ANG_1.wav", "a/x_ANG_2.wav", "b/x_HAP_1.wav", "a/x_DIS_1.wav")


def test_label_pattern_reads_labels_and_codes(tmp_path):
    root = touch(tmp_path / "mine", *CODED)
    pattern = r"_([A-Z]+)_"
    assert {clip.label for clip in scan([root], label_pattern=pattern)} == {"ang", "hap", "dis"}
    codes = {"ANG": "Anger", "HAP": "happy", "DIS": ""}
    clips = scan([root], label_pattern=pattern, label_codes=codes, speaker_pattern="^(.)/")
    assert [(c.label, c.raw_label, c.speaker) for c in clips] == [
        ("angry", "ANG", "mine/a"),
        ("angry", "ANG", "mine/b"),
        ("happy", "HAP", "mine/b"),
    ]
    with pytest.raises(DatasetError, match=r"no label for DIS \(1 clips\), HAP \(1 clips\); add"):
        scan([root], label_pattern=pattern, label_codes={"ANG": "angry"})
    with pytest.raises(DatasetError, match="--label-codes requires --label-pattern"):
        scan([root], label_codes=codes)


def test_label_pattern_must_match_all_or_no_path_of_a_folder(tmp_path):
    root = touch(tmp_path / "mine", *CODED)
    known = touch(tmp_path / "known", "03a01Wa.wav", "03a01Fa.wav")
    assert len(scan([root, known], label_pattern="_([A-Z]+)_")) == 6
    with pytest.raises(DatasetError, match="'_.xx._': matches none of the 4 paths.*the label"):
        scan([root], label_pattern="_(xx)_")
    with pytest.raises(DatasetError, match=r"does not match 3 of the 4 paths below .*mine, such"):
        scan([root], label_pattern="(DIS)")
    for pattern, message in (("_DIS_", "requires a .group."), ("(", "unterminated")):
        with pytest.raises(DatasetError, match=message):
            scan([root], label_pattern=pattern)


@pytest.mark.parametrize("text", ["ANG", "=angry", "A=x,A=y", ","])
def test_invalid_codes_are_refused(text):
    with pytest.raises(DatasetError, match="--label-codes"):
        parse_codes(text)


def test_wrong_labels_show_five_names_and_a_pattern(tmp_path):
    names = [f"{k}_IT_{code}.wav" for k in range(6) for code in ("ANG", "HAP")]
    root = touch(tmp_path / "mine", *names)
    with pytest.raises(DatasetError, match="all 12 clips have the label 'mine'") as caught:
        scan([root])
    message = str(caught.value)
    assert message.count("gives 'mine' (speaker unknown)") == 5
    pattern = re.search("--label-pattern '(.*?)' .ANG, HAP. and", message)[1]
    assert {clip.label for clip in scan([root], label_pattern=pattern)} == {"ang", "hap"}
    own = touch(tmp_path / "own", *(f"{k}/{k}.wav" for k in range(10)))
    with pytest.raises(
        DatasetError, match="each of the 10 clips has a label of its own; read from"
    ):
        scan([own])


def test_no_audio_or_one_class_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no audio found"):
        scan([tmp_path / "empty"])
    with pytest.raises(DatasetError, match="all 2 clips have the label 'sad'"):
        scan([touch(tmp_path / "one", "sad/1.wav", "sad/2.wav")])
    with pytest.raises(DatasetError, match="folder or manifest not found"):
        scan([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("corpus", "clips", "speakers", "labels"),
    [
        ("emodb", 339, 10, {"angry": 127, "happy": 71, "neutral": 79, "sad": 62}),
        ("tess", 800, 2, {"angry": 200, "happy": 200, "neutral": 200, "sad": 200}),
        ("nemo", 1798, 5, None),
        ("ravdess", 1440, 24, None),
        ("cremad", 4040, 75, None),
        ("ased", 1964, 64, {"angry": 486, "happy": 486, "neutral": 522, "sad": 470}),
        ("korean", 300, 15, {"angry": 75, "happy": 75, "neutral": 75, "sad": 75}),
    ],
)
def test_real_corpora_are_complete(corpus, clips, speakers, labels):
    if not (CORPORA / corpus).is_dir():
        pytest.skip(f"no corpus at {CORPORA / corpus}: set EDGE_SER_CORPORA to run this")
    scanned = scan([CORPORA / corpus])
    assert (len(scanned), len({clip.speaker for clip in scanned})) == (clips, speakers)
    if labels:
        assert Counter(clip.label for clip in scanned) == labels
    if corpus == "ravdess":
        assert len({clip.label for clip in scanned}) == 8
