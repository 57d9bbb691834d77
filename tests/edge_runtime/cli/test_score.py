"""`edge-ser score` as a process."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import soundfile

LABELS = ("angry", "happy", "neutral", "sad")


def score(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge_runtime", "score", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory, voice_clips):
    """Two clips of each label and speaker in class folders, one of silence, and other labels."""
    root = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    for label, samples in zip(LABELS, voice_clips):
        (root / label).mkdir()
        for speaker in "abc":
            for take in (1, 2):
                noisy = samples + 0.001 * rng.standard_normal(len(samples))
                soundfile.write(root / label / f"{speaker}-{take}.wav", noisy, 16_000)
    soundfile.write(root / "sad" / "a-3.wav", np.zeros(16_000), 16_000)
    (root / "surprised").mkdir()
    soundfile.write(root / "surprised" / "a-1.wav", voice_clips[0], 16_000)
    return root


@pytest.mark.slow
def test_scores_are_those_of_the_answers(folders, tmp_path):
    out, table = tmp_path / "scores.json", tmp_path / "answers.csv"
    done = score(
        *("edge_ser", folders, "--speaker-pattern", r"(\w)-\d\.wav", "--json", "-o", out),
        *("--answers", table),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    report = json.loads(out.read_text())
    assert (report["clips"], report["speakers"]) == (25, 3)
    assert report["other_labels"] == {"surprised": 1}
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == 25 and {row["speaker"].partition("/")[2] for row in rows} == set("abc")
    totals = Counter(row["truth"] for row in rows)
    correct = Counter(row["truth"] for row in rows if row["guess"] == row["truth"])
    for label, recall in report["scores"]["recall"].items():
        assert recall == pytest.approx(correct[label] / totals[label])
    assert report["scores"]["uar"] == pytest.approx(
        np.mean(list(report["scores"]["recall"].values()))
    )
    assert str(folders / "sad" / "a-3.wav") in [clip["file"] for clip in report["lost"]]
    assert report["profiles"]["speakers"] == 3
    again = score("edge_ser", folders, "-o", out)
    assert again.returncode == 2 and "--force" in again.stderr


@pytest.mark.slow
def test_layouts_and_jobs_give_the_same_scores(folders, tmp_path):
    manifest = tmp_path / "manifest.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        for path in sorted(folders.rglob("*.wav")):
            writer.writerow([path, path.parent.name])
    codes = ",".join(f"{label}={label}" for label in (*LABELS, "surprised"))
    reports = [
        json.loads(score("edge_ser", *arguments, "--json").stdout)["scores"]
        for arguments in (
            (folders,),
            (manifest, "-j", 2),
            (folders, "--label-pattern", r"(\w+)/\w-\d\.wav", "--label-codes", codes),
        )
    ]
    assert reports[0] == reports[1] == reports[2]


@pytest.mark.slow
def test_text_report_and_unreadable_clip(folders, tmp_path):
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad" / "bad.wav").write_bytes(b"no audio")
    done = score("edge_ser", folders, tmp_path, "--no-profiles")
    assert done.returncode == 1 and "bad.wav" in done.stderr
    for part in ("UAR ", "ECE ", "confusion", "not tried (--no-profiles)", "a-3.wav (sad)"):
        assert part in done.stdout
    assert "1 clip could not be used" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message", "status"),
    [
        (["FOLDER", "FOLDER"], "is a folder; expected MODEL first", 2),
        (["edge_ser", "missing"], "folder or manifest not found", 1),
        (["edge_ser", "FOLDER", "--split", "test"], "no clip is assigned to the split", 1),
        (["edge_ser", "FOLDER", "--label-codes", "A=angry"], "requires --label-pattern", 1),
    ],
    ids=str,
)
def test_invalid_requests(folders, arguments, message, status):
    done = score(*(folders if a == "FOLDER" else a for a in arguments))
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_json_follows_the_schema(folders):
    jsonschema = pytest.importorskip("jsonschema")
    from edge_runtime.serve.schemas import SCHEMAS

    speakers = ("--speaker-pattern", r"(\w)-\d\.wav")
    for arguments in (speakers, ("--no-profiles",)):
        report = json.loads(score("edge_ser", folders, "--json", *arguments).stdout)
        jsonschema.validate(report, SCHEMAS["score"])
