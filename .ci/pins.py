"""Exact versions for CI, resolved by uv.

    python .ci/pins.py write TORCH [--upgrade]   write constraints.txt
    python .ci/pins.py check                     compare this environment with constraints.txt
    python .ci/pins.py oldest                    print the lower bounds of pyproject.toml

`write` keeps the versions in constraints.txt where possible, unless `--upgrade` is given. The file
holds for every supported Python. uv uses pip's index if one is configured.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "constraints.txt"
HEADER = "# Written by `make pins`, used by `make`; edge-ser itself requires ranges.\n"
EXTRAS = ("train", "export", "dev", "docs")
# Dependencies of torch's CUDA build, which it pins itself; the CPU build has none.
CUDA = ("cuda-", "nvidia-", "triton")


def resolve(*options: str, requirements: str = "") -> str:
    """Return the resolved versions of pyproject.toml and `requirements`, one per line."""
    command = ["pip", "compile", "--quiet", "--no-annotate", "--no-header", "--no-config"]
    command += [*index(), *options, "pyproject.toml"]
    if requirements:
        command.append("-")
    done = subprocess.run(
        [sys.executable, "-m", "uv", *command],
        input=requirements,
        text=True,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return done.stdout


def index() -> list[str]:
    """Return uv's options for the index that pip is configured with."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    done = subprocess.run(command, text=True, capture_output=True)
    return ["--default-index", done.stdout.strip()] if done.returncode == 0 else []


def write(torch: str, *options: str) -> None:
    """Write the versions of all extras for every supported Python."""
    extras = [option for extra in EXTRAS for option in ("--extra", extra)]
    output = ["--output-file", str(FILE), "--universal", "--python-version", "3.10"]
    resolve(*extras, *output, *options, requirements=f"{torch}\nbuild\n")
    lines = FILE.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("#", *CUDA))]
    FILE.write_text(HEADER + "".join(f"{line}\n" for line in kept), encoding="utf-8")


def check() -> None:
    """Exit with an error if a package of this environment is not pinned at its version."""
    requirements = [
        Requirement(line)
        for line in FILE.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    pins = {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
    }
    installed = {
        canonicalize_name(distribution.metadata["Name"]): distribution.version.partition("+")[0]
        for distribution in distributions()
    }
    missing = sorted(
        f"{name}=={version}"
        for name, version in installed.items()
        if pins.get(name) != version and name not in ("edge-ser", "pip")
    )
    if missing:
        sys.exit("not pinned, run `make pins`:\n" + "\n".join(missing))


def main() -> None:
    """Run the command given on the command line."""
    match sys.argv[1:]:
        case ["write", torch, *options]:
            write(torch, *options)
        case ["check"]:
            check()
        case ["oldest"]:
            print(resolve("--resolution", "lowest-direct", "--only-binary", ":all:"), end="")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
