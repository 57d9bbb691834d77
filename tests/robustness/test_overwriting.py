"""Training, export and reports never overwrite unrelated files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from edge_runtime import ConfigError  # noqa: E402
from edge_runtime.model import BUNDLED_MODEL  # noqa: E402
from evaluate.report import check_replaceable  # noqa: E402
from export.check import check_model  # noqa: E402
from export.pipeline import check_output_folder, export_run  # noqa: E402
from train.files import report_path, with_extra_suffix  # noqa: E402
from train.run_folder import RunError, begin, read_json  # noqa: E402


def test_report_path(tmp_path):
    assert with_extra_suffix(tmp_path / "v1.2", ".json").name == "v1.2.json"
    assert report_path(tmp_path / "new" / "v1.2").parent.is_dir()
    assert report_path(tmp_path / "x.md") == report_path(tmp_path / "x.json") == tmp_path / "x"
    with pytest.raises(ConfigError, match="is a folder; give a name in it, such as report"):
        report_path(Path("."))
    assert report_path(tmp_path) == tmp_path  # tmp_path.json goes beside it
    (tmp_path / "file").touch()
    with pytest.raises(Exception, match="file: cannot be created"):
        report_path(tmp_path / "file" / "x")


def test_report_replaces_only_the_same_protocol_and_settings(tmp_path):
    report = tmp_path / "r"
    about = {
        "protocol": "loso",
        "labels": ["angry", "sad"],
        "auxiliary": [],
        "inner": 3,
        "recipes": {"default": {"fit": {"epochs": 60, "seed": 0}}},
        "corpora": [{"name": "emodb"}],
    }
    check_replaceable(report, about, range(2))  # no file
    (tmp_path / "r.md").write_text("# Mine\n")
    for damaged in (None, '{"protocol": "loso", "corpora": ["x"]}', "[]"):
        if damaged is not None:
            (tmp_path / "r.json").write_text(damaged)
        with pytest.raises(RunError, match=r"r\.(md|json): exists and was not written"):
            check_replaceable(report, about, range(2))
    (tmp_path / "r.json").write_text(json.dumps(about | {"folds": [{"seed": 0}, {"seed": 1}]}))
    check_replaceable(report, about, range(2))
    check_replaceable(
        report, about | {"recipes": {"default": {"fit": {"epochs": 60, "seed": 7}}}}, range(2)
    )
    for key, other in (
        ("protocol", "actor-folds"),
        ("labels", ["angry", "happy"]),
        ("auxiliary", ["calm"]),
        ("inner", 1),
        ("recipes", {"default": {"fit": {"epochs": 1, "seed": 0}}}),
        ("corpora", [{"name": "ravdess"}]),
    ):
        with pytest.raises(
            RunError, match=f"is a report of loso on emodb with different {key}; use"
        ):
            check_replaceable(report, about | {key: other}, range(2))
    for fewer in (range(1), range(1, 3)):
        with pytest.raises(RunError, match="contains more seeds, among them [01]"):
            check_replaceable(report, about, fewer)


def test_run_does_not_begin_in_a_folder_of_other_files(tmp_path):
    (tmp_path / "metrics.csv").write_text("mine\n")
    with pytest.raises(RunError, match="metrics.csv: exists and was not written"):
        begin(tmp_path, {"settings.json": {}}, resume=False)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_run_that_failed_before_its_first_epoch_begins_again(tmp_path):
    about = {"settings.json": {"recipes": {"seed": 0}, "versions": {}}, "split.json": {}}
    begin(tmp_path, about, resume=False)
    about["settings.json"]["recipes"] = {"seed": 1}
    begin(tmp_path, about, resume=False)
    assert read_json(tmp_path / "settings.json")["recipes"] == {"seed": 1}
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(RunError, match="settings.json: exists and was not written"):
        begin(tmp_path, about, resume=False)


def test_export_replaces_only_exports(tmp_path):
    (tmp_path / "MODEL_CARD.md").write_text("mine\n")
    with pytest.raises(RunError, match=r"MODEL_CARD.md: exists and was not written"):
        export_run(tmp_path / "run", tmp_path, tmp_path, "x", tmp_path, None)
    (tmp_path / "parity.json").write_text('{"links": [], "sizes": {}, "holds": true}')
    check_output_folder(tmp_path)
    for name in ("", "a|b", "a\nb", "x" * 201):
        with pytest.raises(ConfigError, match="must be a line of"):
            export_run(tmp_path, tmp_path, None, name, tmp_path, None)


def test_parity_report_replaces_only_parity_reports(tmp_path):
    (tmp_path / "parity.md").write_text("mine\n")
    with pytest.raises(RunError, match=r"parity\.md: exists and was not written"):
        check_model(BUNDLED_MODEL, [tmp_path], tmp_path / "parity", tmp_path)
    for name in ("bored/a.wav", "tired/b.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    with pytest.raises(Exception, match=r"no clip has a label of .*bored, tired"):
        check_model(BUNDLED_MODEL, [tmp_path], tmp_path / "other", tmp_path)
