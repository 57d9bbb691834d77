"""The exact versions that CI installs, in constraints.txt: `write` those of this environment there,
or `check` that none is missing.

A line holds for one version of Python, because no version of numpy is there for all of them; for
a Python without lines the ranges of pyproject.toml hold alone.
"""

from __future__ import annotations

import sys
from importlib.metadata import distributions
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "constraints.txt"
HERE = f'; python_version == "{sys.version_info[0]}.{sys.version_info[1]}"'
HEADER = "# What `make pins` wrote, and what `make` installs; edge-ser itself asks for ranges.\n"


def installed() -> list[str]:
    """A line for each package but edge-ser and pip, which comes with the environment."""
    found = {
        each.metadata["Name"].lower().replace("_", "-"): each.version.partition("+")[0]
        for each in distributions()
    }
    return [
        f"{name}=={version} {HERE}"
        for name, version in sorted(found.items())
        if name not in ("edge-ser", "pip")
    ]


def main() -> None:
    before = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    pinned = [line for line in before if line.endswith(HERE)]
    if sys.argv[1:] == ["write"]:
        others = [line for line in before if line not in pinned and not line.startswith("#")]
        text = HEADER + "".join(f"{line}\n" for line in sorted([*others, *installed()]))
        FILE.write_text(text, encoding="utf-8")
    elif sys.argv[1:] == ["check"]:
        if not pinned:
            print(f"no pins for Python {sys.version.split()[0]}: ranges were installed")
            return
        if missing := sorted(set(installed()) - set(pinned)):
            sys.exit("not pinned, run `make pins`:\n" + "\n".join(missing))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
