"""The command that a report is printed by, for the report itself."""

import shlex
import sys
from pathlib import Path


def command() -> str:
    """The one that runs, as it is typed in the root of the project, in Markdown."""
    module = f"benchmarks.{Path(sys.argv[0]).stem}"
    return f"`{shlex.join(['python', '-m', module, *sys.argv[1:]])}`"
