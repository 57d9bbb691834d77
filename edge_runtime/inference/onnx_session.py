"""Open an .onnx file with onnxruntime, treating the file as untrusted.

Its size is limited, its checksum verified and its structure validated before onnxruntime parses it.
Errors of onnxruntime are raised as ModelError.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..files import read_limited
from ..messages import brief_repr, shorten, shorten_error, system_reason
from ..native_stderr import silenced
from .card import METADATA_KEY, ModelCard
from .checksum import verify_checksum
from .onnx_validation import read_onnx

# Fifteen million weights in float32; a network for devices has a hundredth of that.
MAX_FILE_BYTES = 64 << 20

# Values in the state of a stream or in the embedding; more indicate a damaged file.
MAX_STATE_SIZE = 1 << 20

INPUTS = ("mfcc", "state")
# Further inputs of a model with clip statistics.
STATISTICS_INPUTS = ("statistics", "speaker", "speaker_weight")
OUTPUTS = ("logits", "probabilities", "embedding", "new_state")
# Inputs and outputs of the speech gate, in models that have one.
GATE_INPUTS = ("rows", "gate_state")
GATE_OUTPUTS = ("frame_speech", "new_gate_state")

# Bytes that onnxruntime may allocate for all models of the process. A clip of four hours takes
# 0.8 GiB.
MIN_MEMORY_BYTES, MAX_MEMORY_BYTES = 256 << 20, 4 << 30


def open_model(path: Path, threads: int) -> tuple[Any, ModelCard, str]:
    """Open a model file.

    Args:
        path: An .onnx file.
        threads: Number of intra-op threads of onnxruntime.

    Returns:
        The onnxruntime session, the model card, and a checksum that identifies the file.

    Raises:
        ModelError: If the file is missing, damaged or not exported by edge-ser, or if it uses
            features that a network for devices does not need: external data, unsupported
            operators, subgraphs.
    """
    try:
        content = read_limited(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file") from None
    except IsADirectoryError:
        raise ModelError(f"{path}: is a directory; expected an .onnx file") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {system_reason(error)}") from error
    try:
        card_text = _card_text(content)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    card = ModelCard.from_json(card_text, str(path))
    try:
        # After the other checks, because their messages are more specific.
        fingerprint = verify_checksum(content)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    session = _new_session(content, path, threads)
    try:
        _check_graph(session, card, path)
    except UnicodeDecodeError as error:
        raise ModelError(
            f"{path}: is damaged: a name is not valid UTF-8 ({error.reason})"
        ) from error
    return session, card, fingerprint


def _card_text(content: bytes) -> str:
    """Return the JSON of the model card; raise ModelError for a file that must not be run."""
    if not content:
        raise ModelError("is empty (0 bytes); expected an .onnx file")
    file = read_onnx(content)
    if METADATA_KEY not in file.metadata:
        raise ModelError(
            f"has no {METADATA_KEY!r} metadata: it was not exported by edge-ser; export a model "
            "with `python -m export onnx`"
        )
    if "waveform" in file.inputs:
        raise ModelError(
            "is a waveform graph, which is for programs in other languages; pass the .onnx file "
            "that was exported next to it"
        )
    for name in INPUTS:
        if name not in file.inputs:
            listed = shorten(_listed(file.inputs))
            raise ModelError(f"has no input {name!r}; its inputs are {listed}")
    if file.refused is not None:
        raise ModelError(file.refused)
    return file.metadata[METADATA_KEY]


def _new_session(content: bytes, path: Path, threads: int) -> Any:
    try:
        # 1.23 prints a warning where it finds no graphics card, before its log level can be set.
        with silenced():
            import onnxruntime
    except ImportError as error:
        from ..platform_support import why_no_onnxruntime

        raise ModelError(f"{path}: cannot be run: {why_no_onnxruntime(error)}") from error

    # Telemetry may be on if another package imported onnxruntime before this one.
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # keeps 2 KB for every length of clip ever processed
    options.log_severity_level = 4  # errors are raised as exceptions
    # The validation parsed ONNX: content that is also valid in the ORT format must not be read so.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if _limit_memory():
        options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        with silenced():
            return onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"], enable_fallback=False
            )
    except Exception as error:  # onnxruntime's exceptions have no public base class
        raise ModelError(f"{path}: onnxruntime cannot load it: {shorten_error(error)}") from error


@functools.lru_cache(maxsize=1)  # once per process
def _limit_memory() -> bool:
    """Limit the memory that onnxruntime allocates, and return whether the limit is in effect.

    A graph of a few bytes can request terabytes. Where the system grants them, the out-of-memory
    killer ends processes, not necessarily this one.
    """
    import onnxruntime

    physical = MAX_MEMORY_BYTES
    with contextlib.suppress(AttributeError, ValueError, OSError):  # not available on Windows
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    max_bytes = max(MIN_MEMORY_BYTES, min(MAX_MEMORY_BYTES, physical // 2))
    try:
        onnxruntime.create_and_register_allocator(
            onnxruntime.OrtMemoryInfo(
                "Cpu",
                onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
                0,
                onnxruntime.OrtMemType.DEFAULT,
            ),
            onnxruntime.OrtArenaCfg({"max_mem": max_bytes}),
        )
    except Exception:  # the host program has registered an allocator already: keep it
        return False
    return True


def _check_graph(session: Any, card: ModelCard, path: Path) -> None:
    """Raise ModelError unless the graph has the inputs and outputs that `Network.run` needs."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    values = {value.name: value for value in [*inputs, *outputs]}
    state_size = _last_dimension(values.get("state"))
    n_embedding = _last_dimension(values.get("embedding"))
    n_labels = len(card.labels)
    input_sizes = {"mfcc": card.mfcc_config.n_mfcc, "state": state_size}
    gate_sizes: dict[str, Any] = {}
    if card.min_speech is not None:
        gate_size = _last_dimension(values.get("gate_state"))
        input_sizes |= {"rows": _row_width(card), "gate_state": gate_size}
        gate_sizes = {"frame_speech": "n_frames", "new_gate_state": gate_size}
    if card.statistics is not None:
        n_statistics = len(card.statistics)
        input_sizes |= dict(zip(STATISTICS_INPUTS, (n_statistics, n_statistics, 1)))
    expected_sizes = {
        **input_sizes,
        "new_state": state_size,
        "logits": n_labels,
        "probabilities": n_labels,
        "embedding": n_embedding,
        **gate_sizes,
    }
    for name, size in expected_sizes.items():
        if name not in values:
            kind, names = ("input", inputs) if name in input_sizes else ("output", outputs)
            listed = shorten(_listed(value.name for value in names))
            raise ModelError(f"{path}: has no {kind} {name!r}; its {kind}s are {listed}")
        shape, dtype = values[name].shape, values[name].type
        if not shape or (shape[-1] != size and size != "n_frames"):
            raise ModelError(
                f"{path}: {name} has shape {brief_repr(shape)}; expected a last dimension of "
                f"{size or 'any size'}, as in the model card"
            )
        if dtype != "tensor(float)":
            raise ModelError(f"{path}: {name} has type {dtype}; expected tensor(float)")
    shapes = {value.name: value.shape for value in inputs}
    if {name: len(shape) for name, shape in shapes.items()} != {
        name: 3 if name in ("mfcc", "rows") else 2 for name in input_sizes
    }:
        listed = shorten(_listed(f"{name} {shape}" for name, shape in shapes.items()), 300)
        more = "".join(
            f", {name} (batch, {'n_frames, ' if name == 'rows' else ''}{size})"
            for name, size in [*input_sizes.items()][2:]
        )
        raise ModelError(
            f"{path}: has the inputs {listed}; expected mfcc (batch, time, n_mfcc), state (batch, "
            f"state_size){more}"
        )
    sizes = {"embedding": n_embedding, "state": state_size}
    if card.min_speech is not None:
        sizes["gate_state"] = input_sizes["gate_state"]
    for name, size in sizes.items():
        if not isinstance(size, int) or not 0 < size <= MAX_STATE_SIZE:
            raise ModelError(
                f"{path}: {name} has {size} values; expected from 1 to {MAX_STATE_SIZE}"
            )
    if n_embedding < len(card.statistics or ()):
        raise ModelError(
            f"{path}: embedding has {n_embedding} values; expected at least the "
            f"{len(card.statistics or ())} standardised statistics"
        )
    for name in ("mfcc", "rows"):
        if name in input_sizes and isinstance(shapes[name][1], int):
            raise ModelError(
                f"{path}: accepts only clips of {shapes[name][1]} frames as {name}; expected any "
                "number"
            )


def _row_width(card: ModelCard) -> int:
    """Return the number of columns of the rows of the front end."""
    if card.statistics is None:
        return card.mfcc_config.n_mfcc
    from ..features.descriptor_config import DESCRIPTORS

    return card.mfcc_config.n_mfcc + len(DESCRIPTORS)


def _last_dimension(value: Any) -> Any:
    return value.shape[-1] if value is not None and value.shape else None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
