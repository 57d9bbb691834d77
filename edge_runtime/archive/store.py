"""Objects of an archive in a folder or an object store, written at most once each.

A conditional put makes concurrent writers safe: in a folder by a hard link, which fails if the name
exists, and in S3 by `If-None-Match: *`.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import AudioError, ConfigError, EdgeSerError
from ..messages import missing_package, shorten_error, system_reason

S3_SCHEME = "s3://"


class StoreError(EdgeSerError):
    """A folder or object store that cannot be read or written."""


class Store(ABC):
    """The objects of an archive, by keys such as `run=…/segments/….parquet`.

    Attributes:
        uri: Path or address of the archive.
    """

    uri: str

    @abstractmethod
    def put_new(self, key: str, content: bytes) -> bool:
        """Write an object unless it exists; return False if it does.

        Raises:
            StoreError: If it cannot be written.
        """

    @abstractmethod
    def put(self, key: str, content: bytes) -> None:
        """Write an object, or replace it.

        Raises:
            StoreError: If it cannot be written.
        """

    @abstractmethod
    def get(self, key: str) -> bytes:
        """Return the content of an object.

        Raises:
            StoreError: If it cannot be read.
        """

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the objects and folders in a folder, without hidden ones.

        Raises:
            StoreError: If the folder cannot be read; one that does not exist is empty.
        """

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Return True if an object exists.

        Raises:
            StoreError: If that cannot be determined.
        """


def open_store(uri: str) -> Store:
    """Return the store of a path or an address that begins with s3://.

    Raises:
        ConfigError: If the address is not supported.
        EdgeSerError: If boto3 is required and missing.
    """
    if uri.startswith(S3_SCHEME):
        return S3Store(uri)
    if "://" in uri:
        raise ConfigError(f"{uri}: expected a folder or s3://bucket/prefix")
    return FolderStore(uri)


class FolderStore(Store):
    """An archive in a folder.

    Args:
        uri: The folder, which is created with its first object.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._root = Path(uri)

    def put_new(self, key: str, content: bytes) -> bool:
        """Write a hidden file, and link it to its name."""
        path = self._root / key
        with self._temporary(path, content) as temporary:
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
            except OSError:  # a file system without hard links
                if path.exists():
                    return False
                os.rename(temporary, path)
        return True

    def put(self, key: str, content: bytes) -> None:
        """Write a hidden file, and rename it."""
        path = self._root / key
        with self._temporary(path, content) as temporary:
            os.replace(temporary, path)

    @contextlib.contextmanager
    def _temporary(self, path: Path, content: bytes) -> Iterator[Path]:
        """Write a file that a crash may leave behind; its name is hidden and ends in .tmp."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {system_reason(error)}") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def get(self, key: str) -> bytes:
        """Read the file."""
        path = self._root / key
        try:
            return path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {system_reason(error)}") from error

    def names(self, folder: str) -> list[str]:
        """List the folder."""
        try:
            names = os.listdir(self._root / folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{self._root / folder}: {system_reason(error)}") from error
        return sorted(name for name in names if not name.startswith("."))

    def exists(self, key: str) -> bool:
        """Look for the file."""
        return (self._root / key).exists()


class S3Store(Store):
    """An archive in an S3 bucket, with the default chain of credentials.

    Args:
        uri: Address, such as s3://bucket/prefix. `AWS_ENDPOINT_URL` selects another server.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self._bucket, self._prefix = split_s3(uri)
        self._client = s3_client()

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def put_new(self, key: str, content: bytes) -> bool:
        """Put with `If-None-Match: *`."""
        from botocore.exceptions import ClientError

        while True:
            try:
                with self._errors(key):
                    self._client.put_object(
                        Bucket=self._bucket, Key=self._key(key), Body=content, IfNoneMatch="*"
                    )
                return True
            except StoreError as error:
                cause = error.__cause__
                if not isinstance(cause, ClientError):
                    raise
                code = str(cause.response.get("Error", {}).get("Code"))
                if code in ("PreconditionFailed", "412"):
                    return False
                if code not in ("ConditionalRequestConflict", "409"):  # another put is under way
                    raise

    def put(self, key: str, content: bytes) -> None:
        """Put without a condition."""
        with self._errors(key):
            self._client.put_object(Bucket=self._bucket, Key=self._key(key), Body=content)

    def get(self, key: str) -> bytes:
        """Get the whole object."""
        with self._errors(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key(key))
            content: bytes = answer["Body"].read()
            return content

    def names(self, folder: str) -> list[str]:
        """List by prefix and delimiter."""
        prefix = self._key(f"{folder}/" if folder else "")
        names: list[str] = []
        with self._errors(folder):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix, Delimiter="/"
            )
            for page in pages:
                names += [entry["Key"][len(prefix) :] for entry in page.get("Contents", [])]
                names += [
                    entry["Prefix"][len(prefix) :].rstrip("/")
                    for entry in page.get("CommonPrefixes", [])
                ]
        return sorted(name for name in names if name and not name.startswith("."))

    def exists(self, key: str) -> bool:
        """Ask for the head of the object."""
        from botocore.exceptions import ClientError

        try:
            with self._errors(key):
                self._client.head_object(Bucket=self._bucket, Key=self._key(key))
        except StoreError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and _status(cause) == 404:
                return False
            raise
        return True

    @contextlib.contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise StoreError(f"{self.uri}/{key}: {shorten_error(error)}") from error


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def split_s3(uri: str) -> tuple[str, str]:
    """Return bucket and key of an address.

    Raises:
        ConfigError: If there is no bucket.

    Example:
        >>> split_s3("s3://calls/2024/may/")
        ('calls', '2024/may')
    """
    bucket, _, key = uri.removeprefix(S3_SCHEME).partition("/")
    if not bucket:
        raise ConfigError(f"{uri}: expected s3://bucket/prefix")
    return bucket, key.strip("/")


def s3_client() -> Any:
    """Return a client of S3 with the default chain of credentials.

    Raises:
        EdgeSerError: If boto3 is not installed.
    """
    try:
        import boto3
    except ModuleNotFoundError:
        raise EdgeSerError(missing_package("s3://", "boto3", "archive")) from None
    return boto3.session.Session().client("s3")


@contextlib.contextmanager
def local_copy(uri: str, max_size: float) -> Iterator[Path]:
    """Yield a local file with the content of a recording; one of S3 is copied for the block.

    Args:
        uri: Path or address of the recording.
        max_size: Maximum size of a copy in bytes.

    Raises:
        AudioError: If an object cannot be read, or is too large.
    """
    if not uri.startswith(S3_SCHEME):
        yield Path(uri)
        return
    with tempfile.NamedTemporaryFile(prefix="edge-ser-", suffix=Path(uri).suffix) as file:
        _download(uri, file, max_size)  # type: ignore[arg-type]
        file.flush()
        yield Path(file.name)


def _download(uri: str, file: BinaryIO, max_size: float) -> None:
    from ..audio.limits import size_text

    try:
        from pyarrow import fs

        bucket, key = split_s3(uri)
        store, _ = fs.FileSystem.from_uri(f"{S3_SCHEME}{bucket}")
        info = store.get_file_info(f"{bucket}/{key}")
        if info.type != fs.FileType.File:
            raise AudioError(f"{uri}: no such file")
        if info.size > max_size:
            raise AudioError(f"{uri}: is larger than {size_text(max_size)}, the limit")
        with store.open_input_stream(f"{bucket}/{key}") as stream:
            shutil.copyfileobj(stream, file, 1 << 20)
    except OSError as error:
        raise AudioError(f"{uri}: cannot be read: {shorten_error(error)}") from error
