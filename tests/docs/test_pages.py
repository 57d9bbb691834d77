"""Links, figures and claims of the README and of the documentation."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.pages import PAGES, README, name_of, prose
from support.paths import ROOT

import edge_runtime
from edge_runtime import EmotionModel
from edge_runtime.inference.network import network_of

REPORTS = ROOT / "reports"
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as hosting sites and MkDocs form them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_exist(page):
    for target in LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = page.parent / path if path else page
        assert file.is_file(), target
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), target


def test_no_page_links_to_an_address_of_the_repository():
    for page in PAGES:
        assert not re.search(r"https?://(github|gitlab)\.com/[\w-]+/edge", page.read_text())


def test_the_readme_is_one_screen():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 90
    first = "\n".join(lines[:24])
    for fact in ("53.7 %", "chance: 25 %", "non-commercial", "`uncertain`", "`no speech`"):
        assert fact in first, fact


def test_the_citation_names_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {edge_runtime.__version__}\n" in citation


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert re.search(rf": {page.name}$", navigation, re.MULTILINE), page.name


def test_the_api_reference_lists_every_public_name():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    names = re.findall(r"^::: edge_runtime\.(\w+)$", text, re.MULTILINE)
    assert sorted(names) == edge_runtime.__all__


FIGURES = ("README", "docs/evaluation", "docs/ablation", "docs/performance", "docs/training")


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_tables_are_in_a_report(name):
    reports = [report.read_text(encoding="utf-8") for report in REPORTS.glob("*.md")]
    known = set(re.findall(r"\d+\.\d+", "\n".join(reports)))
    text = (ROOT / f"{name}.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*\|$", re.sub(r"`[^`]*`", "", text), re.MULTILINE)
    assert rows
    for row in rows:
        for figure in re.findall(r"\d+\.\d+", row):
            assert figure in known, f"{figure} in {row}"


@pytest.mark.parametrize("name", ["README", "docs/evaluation"])
def test_figures_of_a_row_are_in_the_report_that_it_links(name):
    page = ROOT / f"{name}.md"
    rows = re.findall(r"^\|.*\[report\]\(.*\|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) >= 3
    for row in rows:
        report = (page.parent / LINK.findall(row)[-1]).read_text(encoding="utf-8")
        for figure in re.findall(r"\d+\.\d+", row):
            assert figure in report, f"{figure} in {row}"


def test_the_benefit_of_profiles_is_that_of_the_reports():
    def range_of(values: list[float]) -> str:
        return f"+{min(values):.1f} to +{max(values):.1f}"

    rows = []
    names = [["emodb", "ravdess8", "ravdess4", "ravdess4-recipes"], ["leave-corpus-out"]]
    for reports in names:
        gains: dict[str, list[float]] = {"profile": [], "adapting": []}
        for report in reports:
            scores = json.loads((REPORTS / f"{report}.json").read_text())
            for corpus, stranger in scores["int8"]["by_corpus"].items():
                for kind, values in gains.items():
                    known = scores[kind]["by_corpus"][corpus]
                    values.append(100 * (known["uar"] - stranger["uar"]))
        rows.append(" | ".join(map(range_of, gains.values())))
    text = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    for row in rows:
        assert f"| {row} |" in text
    strangers = json.loads((REPORTS / "strangers.json").read_text())
    uars = [f"{100 * row['uar']:.1f}" for row in strangers["rows"] if row["features"] == "model"]
    assert f"| {' | '.join(uars)} |" in text
    gains = [f"{float(uar) - float(uars[0]):.1f}" for uar in uars]
    readme = " ".join(README.read_text(encoding="utf-8").split())
    assert f"adds {gains[1]} points on strangers, a few labelled clips up to {gains[-1]}" in readme


# Prints the files of the package whose functions are called to classify a clip.
TRACE = """
import os, sys
import edge_runtime
root = os.path.dirname(edge_runtime.__file__) + os.sep
files = []

def call(frame, event, argument):
    code = frame.f_code  # of a function, not of a module or a class body
    if event == "call" and code.co_flags & 1 and not code.co_name.startswith("<"):
        if code.co_filename.startswith(root) and code.co_filename not in files:
            files.append(code.co_filename)

def leave(status):
    sys.setprofile(None)
    print(*(name[len(root):] for name in files), sep="\\n")
    sys.stdout.flush()
    sys.exit(status)

os._exit = leave
from edge_runtime.__main__ import main
sys.argv = ["edge-ser", "classify", sys.argv[1]]
sys.setprofile(call)
main()
"""


@pytest.mark.slow
def test_the_files_that_a_clip_passes_are_those_of_the_architecture_page():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("## From the command line to a label")[2].partition("\n## ")[0]
    documented = re.findall(r"^\d+\. \[(\S+)\]", section, re.MULTILINE)
    assert len(documented) > 10 and len(set(documented)) == len(documented)
    clip = sorted((ROOT / "samples").glob("*/*.wav"))[0]
    done = subprocess.run(
        [sys.executable, "-c", TRACE, str(clip)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert set(documented) <= set(done.stdout.splitlines())


def test_the_graph_of_the_documentation_is_that_of_the_bundled_model():
    network = network_of(EmotionModel.load())
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    graph = text[text.index("## The model graph") : text.index("## The waveform graph")]
    rows = re.findall(r"^\| (`.*?) \| `\(", graph, re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert names == {*network.inputs(), *network.outputs()}


def test_the_size_of_the_readme_is_that_of_the_bundled_model():
    kilobytes = re.findall(r"one ONNX file of (\d+) kB", README.read_text(encoding="utf-8"))
    assert kilobytes == [f"{network_of(EmotionModel.load()).path.stat().st_size / 1000:.0f}"]
