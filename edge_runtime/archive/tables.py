"""The Parquet tables of an archive.

One object holds the segments of a shard, and in its metadata the rows of its recordings and errors:
that it exists is the commit of the shard. The tables `recordings` and `errors` are derived from it.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from ..errors import EdgeSerError
from ..inference.prediction import NO_SPEECH, UNCERTAIN
from ..messages import missing_package
from .settings import SCHEMA_VERSION, ArchiveSettings

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]

PREFIX = "edge_ser."  # of the keys of the metadata
LABEL, PROBABILITY, SECONDS = "label", "p_", "seconds_"


def load_pyarrow() -> None:
    """Raise EdgeSerError if pyarrow is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError:
        raise EdgeSerError(missing_package("archive", "pyarrow", "archive")) from None


def segment_schema(labels: tuple[str, ...]) -> pa.Schema:
    """Return the schema of the segments."""
    import pyarrow as pa

    return pa.schema(
        [
            ("recording_id", pa.string()),
            ("uri", pa.string()),
            ("channel", pa.int16()),
            ("role", pa.string()),
            ("speaker", pa.string()),
            ("start", pa.float64()),
            ("end", pa.float64()),
            (LABEL, pa.dictionary(pa.int32(), pa.string())),
            ("confidence", pa.float32()),
            *((PROBABILITY + label, pa.float32()) for label in labels),
            ("speech", pa.bool_()),
        ]
    )


def recording_schema(labels: tuple[str, ...]) -> pa.Schema:
    """Return the schema of the recordings; each channel has a row."""
    import pyarrow as pa

    return pa.schema(
        [
            ("recording_id", pa.string()),
            ("uri", pa.string()),
            ("channel", pa.int16()),
            ("role", pa.string()),
            ("duration", pa.float64()),
            ("speech", pa.float64()),
            *((SECONDS + label, pa.float64()) for label in duration_labels(labels)),
            ("identical_channels", pa.bool_()),
            ("attempt", pa.int32()),
        ]
    )


def error_schema() -> pa.Schema:
    """Return the schema of the errors."""
    import pyarrow as pa

    return pa.schema(
        [
            ("recording_id", pa.string()),
            ("uri", pa.string()),
            ("error", pa.string()),
            ("kind", pa.string()),
            ("attempt", pa.int32()),
        ]
    )


def duration_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels that have a column of seconds in `recordings`."""
    return (*labels, UNCERTAIN, NO_SPEECH)


def as_parquet(rows: list[Row], schema: pa.Schema, metadata: dict[str, str]) -> bytes:
    """Return rows as a Parquet file, compressed with zstd.

    Args:
        rows: The rows.
        schema: Their schema.
        metadata: Metadata, without the common prefix of the keys.
    """
    import pyarrow as pa

    stored = {PREFIX + key: value for key, value in metadata.items()}
    return table_as_parquet(pa.Table.from_pylist(rows, schema.with_metadata(stored)))


def table_as_parquet(table: pa.Table) -> bytes:
    """Return a table as a Parquet file, compressed with zstd."""
    import pyarrow.parquet as pq

    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd")
    return content.getvalue()


def read_table(content: bytes, name: str) -> tuple[pa.Table, dict[str, str]]:
    """Return the table of a Parquet file, and its metadata without the common prefix.

    Args:
        content: The file.
        name: Its name, for the message.

    Raises:
        EdgeSerError: If it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise EdgeSerError(f"{name}: is damaged: {str(error).splitlines()[0]}") from error
    stored = table.schema.metadata or {}
    metadata = {
        key.decode().removeprefix(PREFIX): value.decode()
        for key, value in stored.items()
        if key.decode().startswith(PREFIX)
    }
    return table, metadata


def common_metadata(settings: ArchiveSettings, shard: str) -> dict[str, str]:
    """Return the metadata of every table."""
    return {
        "schema": str(SCHEMA_VERSION),
        "shard": shard,
        "model": settings.model_fingerprint,
        "licence": settings.licence,
        "settings": json.dumps(settings.as_dict(), sort_keys=True, ensure_ascii=False),
    }


def shard_as_parquet(
    settings: ArchiveSettings,
    shard: str,
    segments: list[Row],
    recordings: list[Row],
    errors: list[Row],
) -> bytes:
    """Return the object that commits a shard."""
    metadata = common_metadata(settings, shard)
    metadata["recordings"] = json.dumps(recordings, ensure_ascii=False)
    metadata["errors"] = json.dumps(errors, ensure_ascii=False)

    def order(row: Row) -> tuple[str, int, float]:
        return row["recording_id"], row["channel"] or 0, row["start"]

    return as_parquet(sorted(segments, key=order), segment_schema(settings.labels), metadata)
