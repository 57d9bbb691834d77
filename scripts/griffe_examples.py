"""Griffe extension: render `Example:` sections of docstrings as code.

Google's style uses `Example:`, but Griffe only treats `Examples:` as a section of doctests.
"""

from __future__ import annotations

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Rename the sections before the docstrings are parsed."""

    def on_object(self, *, obj: griffe.Object, **options: Any) -> None:
        """Rename the section in the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(
                r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE
            )
