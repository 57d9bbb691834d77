"""Bodies of requests, read into memory only: nothing of a recording is written to disk."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from .problems import ProblemError

MAX_PARTS = 500
MAX_HEADER_BYTES = 4096  # of a part
MAX_FIELD_BYTES = 4096  # of a part that is not a file

# Types that browsers and command-line programs use for recordings.
AUDIO_TYPES = re.compile(
    r"audio/[\w.+-]+|video/(webm|mp4|quicktime|ogg|3gpp)|application/(ogg|octet-stream)"
)


@dataclass
class Part:
    """A part of a form.

    Attributes:
        name: Name of the field.
        filename: Name of the file, without folders; None for a value.
        content: The bytes.
    """

    name: str
    filename: str | None
    content: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        """The value as text."""
        try:
            return self.content.decode("utf-8")
        except UnicodeDecodeError:
            raise ProblemError("invalid_body", f"the part {self.name!r} is not UTF-8") from None


@dataclass
class Form:
    """The parts of a request.

    Attributes:
        parts: The parts, in order.
    """

    parts: list[Part] = field(default_factory=list)

    def files(self) -> list[Part]:
        """Return the recordings."""
        return [part for part in self.parts if part.filename is not None]

    def values(self) -> list[tuple[str, str]]:
        """Return the options."""
        return [(part.name, part.text) for part in self.parts if part.filename is None]


async def read_form(request: Request) -> Form:
    """Read a body: a recording, or a multipart form.

    Raises:
        ProblemError: If it is of another type, or invalid.
    """
    header = request.headers.get("content-type", "")
    kind, parameters = parse_options_header(header)
    media_type = kind.decode("latin-1").lower()
    if media_type == "multipart/form-data":
        boundary = parameters.get(b"boundary", b"")
        if not 1 <= len(boundary) <= 200:
            raise ProblemError("invalid_body", "the form has no boundary", close=True)
        return await _read_multipart(request, boundary)
    if not AUDIO_TYPES.fullmatch(media_type):
        raise ProblemError(
            "unsupported_media_type",
            f"content type {media_type[:100] or 'missing'!r}: expected audio/* or "
            "multipart/form-data, such as `curl -F file=@clip.wav` sends",
            close=True,
        )
    part = Part("file", "audio")
    async for chunk in _chunks(request):
        part.content += chunk
    return Form([part])


async def _chunks(request: Request):  # type: ignore[no-untyped-def]
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise ProblemError("invalid_body", "the body ended early", close=True) from None


async def _read_multipart(request: Request, boundary: bytes) -> Form:
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks())  # type: ignore[arg-type]
        async for chunk in _chunks(request):
            parser.write(chunk)
        parser.finalize()
    except ProblemError:
        raise
    except Exception as error:  # the classes of the parser have changed between versions
        raise ProblemError("invalid_body", f"the form is invalid: {error}", close=True) from None
    if not collector.complete:
        raise ProblemError("invalid_body", "the form has no end", close=True)
    return collector.form


class _Collector:
    """Receives the callbacks of the parser."""

    def __init__(self) -> None:
        self.form = Form()
        self.complete = False
        self._header, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._n_header_bytes = 0

    def callbacks(self) -> dict[str, object]:
        """Return the callbacks by name."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_field,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.form.parts) >= MAX_PARTS:
            raise ProblemError("too_large", f"the form has more than {MAX_PARTS} parts", close=True)
        self._disposition, self._n_header_bytes = b"", 0
        self._header, self._value = bytearray(), bytearray()

    def _add_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _count(self, n_bytes: int) -> None:
        self._n_header_bytes += n_bytes
        if self._n_header_bytes > MAX_HEADER_BYTES:
            raise ProblemError("too_large", "a part of the form has large headers", close=True)

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def _end_headers(self) -> None:
        _, parameters = parse_options_header(self._disposition)
        name = parameters.get(b"name")
        if name is None:
            raise ProblemError("invalid_body", "a part of the form has no name", close=True)
        filename = parameters.get(b"filename")
        self.form.parts.append(
            Part(
                name.decode("utf-8", "replace")[:255],
                None if filename is None else file_name(filename.decode("utf-8", "replace")),
            )
        )

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        part = self.form.parts[-1]
        part.content += data[start:end]
        if part.filename is None and len(part.content) > MAX_FIELD_BYTES:
            raise ProblemError("too_large", f"the value of {part.name!r} is too long", close=True)

    def _end(self) -> None:
        self.complete = True


def file_name(text: str) -> str:
    r"""Return the name of a file without folders and control characters.

    Example:
        >>> file_name("C:\\clips\\a.wav"), file_name("../b.wav"), file_name("")
        ('a.wav', 'b.wav', 'audio')
    """
    name = re.split(r"[/\\]", text)[-1]
    name = "".join(c for c in name if c.isprintable())[:255].strip()
    return name if name not in ("", ".", "..") else "audio"
