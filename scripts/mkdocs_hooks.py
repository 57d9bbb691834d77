"""MkDocs hooks: publish files outside `docs/` and resolve links to them.

Pages link to the rest of the repository with relative paths, such as `../reports/parity.md`, so
that the links work on a hosting site. MkDocs only includes the files in `docs/`. These hooks add
every file that a page links to, and rewrite the links for its place in the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

# A Markdown link or image with a relative target: text, path, anchor.
LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.DOTALL | re.MULTILINE)

# Pages of the navigation that are not in `docs/`.
PAGES = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "edge_runtime/models/MODEL_CARD.md",
    "edge_runtime/models/MODEL_CARD_OPEN.md",
    "samples/README.md",
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside `docs/` that pages link to, directly or through another page."""
    docs = Path(config.docs_dir).relative_to(ROOT).as_posix()
    queue = [f"{docs}/{file.src_uri}" for file in files.documentation_pages()]
    queue += PAGES
    published = set(queue)
    for path in queue:
        if not path.startswith(f"{docs}/"):
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
        if not path.endswith(".md"):
            continue
        for target in _targets(path):
            if target not in published and (ROOT / target).is_file():
                published.add(target)
                if not target.startswith(f"{docs}/"):
                    queue.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite relative links from the layout of the repository to that of the site."""
    docs = Path(config.docs_dir).relative_to(ROOT).as_posix()
    uri = page.file.src_uri
    source = uri if page.file.generated_by else f"{docs}/{uri}"

    def rewrite(match: re.Match[str]) -> str:
        target = _resolve(source, match[2])
        if target == "README.md":
            target = f"{docs}/index.md"
        target = target.removeprefix(f"{docs}/")
        return match[1] + posixpath.relpath(target, posixpath.dirname(uri) or ".") + match[3]

    parts = re.split(f"({CODE.pattern})", markdown, flags=CODE.flags)
    return "".join(part if k % 2 else LINK.sub(rewrite, part) for k, part in enumerate(parts))


def _targets(path: str) -> list[str]:
    """Return the repository paths that a Markdown file links to."""
    text = CODE.sub("", (ROOT / path).read_text(encoding="utf-8"))
    return [_resolve(path, match[2]) for match in LINK.finditer(text)]


def _resolve(source: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
