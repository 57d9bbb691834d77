"""Folders of the checkout and of the corpora."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VOICES = ROOT / "tests" / "data" / "voices"  # synthesised, one clip per label
CORPORA = Path(os.environ.get("EDGE_SER_CORPORA", ROOT.parent / "shared" / "corpora"))
