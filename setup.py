"""Refuses an installation that could never run; everything else is in pyproject.toml."""

import runpy
from pathlib import Path

from setuptools import setup

package = Path(__file__).resolve().with_name("edge_runtime")
supported = runpy.run_path(str(package / "platform_support.py"))
if supported["is_32_bit_arm"]():
    raise SystemExit(f"edge-ser: {supported['NO_32_BIT_ARM']}")
setup()
