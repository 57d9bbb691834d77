"""Write the JSON schemas of answers and events, and the OpenAPI document: `schemas/`."""

from __future__ import annotations

import json
from pathlib import Path

from edge_runtime.serve.openapi import openapi_document
from edge_runtime.serve.schemas import SCHEMAS, standalone

FOLDER = Path(__file__).resolve().parents[1] / "schemas"


def files() -> dict[str, str]:
    """Return the content of every file by name."""
    documents = {f"{name}.schema.json": standalone(name) for name in SCHEMAS}
    documents["openapi.json"] = openapi_document()
    return {name: json.dumps(value, indent=2) + "\n" for name, value in documents.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
