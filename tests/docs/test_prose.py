"""The English of docstrings, messages, help texts, report headings and pages.

The rules that a program can check; docs/style.md has the others.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pages import PAGES, name_of, prose
from support.paths import ROOT

PACKAGES = ("edge_runtime", "train", "evaluate", "export", "scripts", "benchmarks")

# A sentence must not lean on a noun elsewhere: "Of silence, that ends an utterance."
BEGINNING = re.compile(r"(Of|What|Who|Whether|Whoever)\b")
# Google docstrings describe a flag with "Whether …", in Args, Attributes and Returns.
BEGINNING_IN_SECTION = re.compile(r"(Of|What|Who|Whoever)\b")

# Programs do not hear, tell, know or think; understatement and negation where a noun would do.
HABITS = re.compile(
    r"\b("
    r"hears?|heard|tells?|told|says|said|knows?|knew|thinks?|thought|teach(?:es)?|taught|"
    r"judges?(?! people)|judged|wanted|asked for|takes? in|lets? go|gets? used to|makes? of|"
    r"choose who|nobody|somebody|anybody|whoever|that which|lest|beside|by itself|of ones own|"
    r"(?-i:(?<!there )(?:is|are) none)|no more than|nothing but|not for every file"
    r")\b",
    re.IGNORECASE,
)

SECTION = re.compile(r"^\s*(Args|Attributes|Returns|Yields|Raises|Example|Examples|Note):\s*$")


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text, each in one line."""
    for paragraph in re.split(r"\n\s*\n|\n\s*[-*•] ", text):
        for sentence in re.split(r"(?<=[.;:!?])\s+", " ".join(paragraph.split())):
            if sentence:
                yield sentence


def without_quotes(text: str) -> str:
    """Return a text without quoted titles, code and doctests."""
    text = re.sub(r"^\s*(>>>|\.\.\.).*$", "", text, flags=re.MULTILINE)
    return re.sub(r'`[^`]*`|"[^"\n]{12,}"|https?://\S+', "…", text)


def docstring_problems(text: str) -> Iterator[str]:
    """Yield the sentences of a docstring that break a rule."""
    parts, beginning = [""], [BEGINNING]
    skipped = False
    for line in text.splitlines():
        section = SECTION.match(line)
        if section:
            skipped = section[1].startswith("Example")
            parts.append("")
            beginning.append(BEGINNING_IN_SECTION)
        elif not skipped:
            # Every entry of a section begins a sentence after its name.
            parts[-1] += re.sub(r"^(\s+)(\*{0,2}\w+(?: \([^)]*\))?): ", r"\n\n", line) + "\n"
    for part, forbidden in zip(parts, beginning):
        yield from text_problems(part, forbidden)


def text_problems(text: str, beginning: re.Pattern[str] = BEGINNING) -> Iterator[str]:
    """Yield the sentences of a text that break a rule."""
    for sentence in sentences(without_quotes(text)):
        if beginning.match(sentence) and not sentence.endswith("?"):
            yield sentence
        elif habit := HABITS.search(sentence):
            yield f"[{habit[0]}] {sentence}"


def docstrings_of(tree: ast.Module) -> dict[int, ast.Constant]:
    """Return the docstrings in a module, by the identity of their nodes."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                found[id(first.value)] = first.value
    return found


def strings_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of the strings that are not docstrings; values of f-strings are {}."""
    docstrings = docstrings_of(tree)
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(value) for value in node.values}
            pieces = (v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
            yield node.lineno, "".join(map(str, pieces))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and id(node) not in inside
        ):
            yield node.lineno, node.value


def is_text(string: str) -> bool:
    """Return whether a string is meant for people: it has two words or more."""
    return len(re.findall(r"[A-Za-z]{2,}", string)) >= 2 and " " in string.strip()


# Maps the names of earlier reports to today's, and has to quote them.
QUOTES_OLD_NAMES = ROOT / "scripts" / "rename_fields.py"


def modules(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if path != QUOTES_OLD_NAMES)


def problems_of(path: Path) -> Iterator[str]:
    """Yield `file:line: kind: sentence` for every problem of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = path.relative_to(ROOT).as_posix()
    for node in docstrings_of(tree).values():
        for sentence in docstring_problems(str(node.value)):
            yield f"{name}:{node.lineno}: docstring: {sentence}"
    for line, text in strings_of(tree):
        if is_text(text):
            for sentence in text_problems(text.lstrip("#| -\n")):
                yield f"{name}:{line}: text: {sentence}"


@pytest.mark.parametrize("package", PACKAGES)
def test_code_is_written_in_plain_english(package):
    found = [problem for path in modules(package) for problem in problems_of(path)]
    assert not found, f"{len(found)} places\n" + "\n".join(found)


def test_report_headings_are_plain_english():
    found = []
    for report in sorted((ROOT / "reports").glob("*.md")):
        for number, line in enumerate(report.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("#"):
                for sentence in text_problems(line.lstrip("# ")):
                    found.append(f"{name_of(report)}:{number}: {sentence}")
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_are_plain_english(page):
    text = re.sub(r"^[|#>] ?|\]\([^)]*\)", "", prose(page), flags=re.MULTILINE)
    assert not list(text_problems(text))


@pytest.mark.parametrize(
    "text",
    [
        "Of silence, that ends an utterance.",
        "Return it. What the model makes of a clip.",
        "Whether it has ended.",
        "A model that hears a voice.",
        "uses an operator; none of these is none",
    ],
)
def test_habits_are_found(text):
    assert list(docstring_problems(text))


@pytest.mark.parametrize(
    "text",
    [
        "Silence that ends an utterance.",
        "Return the length; None if there is none. A value is None or text.",
        "Run it.\n\nArgs:\n    last: Whether it has ended.\n\nReturns:\n    Whether it ran.",
        'Follow Hinton 2015, "What the network told us about nothing".',
        "Return `heard`.\n\nExample:\n    >>> print('told')\n    told",
    ],
)
def test_plain_english_passes(text):
    assert not list(docstring_problems(text))
