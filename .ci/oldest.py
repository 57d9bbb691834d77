"""The lower bounds of pyproject.toml as exact versions, a line each, for pip."""

import re
from pathlib import Path

text = (Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8")
needed = text.partition("\ndependencies = [")[2].partition("\n]")[0]
for name, version in re.findall(r'^    "([\w-]+)>=([\d.]+)', needed, re.MULTILINE):
    print(f"{name}=={version}")
