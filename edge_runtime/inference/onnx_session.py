"""An .onnx file on onnxruntime: what is strange in it is refused, and what it may take is bounded.

The file may be anybody's: it is read up to a size, checked for damage, and looked through
before onnxruntime sees it; what onnxruntime then says of it comes back as a ModelError.
"""

from __future__ import annotations

import contextlib
import functools
import os
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..files import read_limited
from ..messages import brief_repr, shorten, shorten_error, system_reason
from .card import METADATA_KEY, ModelCard
from .checksum import check_seal
from .onnx_validation import read_onnx

# Bytes; fifteen million weights in float32, of which a network for devices has a hundredth.
MAX_FILE = 64 << 20

# Numbers in the state of a stream; more than this is a damaged file, not a network for devices.
MAX_STATE = 1 << 20

OUTPUTS = ("logits", "probabilities", "speech", "embedding", "new_state")

# Bytes that onnxruntime may hold for all models of the process: four hours at once take 0.8 GiB.
MIN_MEMORY, MAX_MEMORY = 256 << 20, 4 << 30


def open_model(path: Path, threads: int) -> tuple[Any, ModelCard, str]:
    """onnxruntime's session of the model in `path`, its card, and what tells the file from others.

    Raises ModelError if the file is missing, damaged, foreign, or wants what a network for
    devices does not: other files, operators that are no standard, graphs within graphs.
    """
    try:
        content = read_limited(path, MAX_FILE)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file") from None
    except IsADirectoryError:
        raise ModelError(f"{path}: is a directory; wanted an .onnx file") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {system_reason(error)}") from error
    try:
        text = _card_text(content)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    card = ModelCard.from_json(text, str(path))
    try:
        fingerprint = check_seal(content)  # last: what is wrong with the content says more
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    session = _session(content, path, threads)
    try:
        _check_graph(session, card, path)
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: is damaged: a name in it is no text ({error.reason})") from error
    return session, card, fingerprint


def _card_text(content: bytes) -> str:
    """The model card in a file that may be run."""
    if not content:
        raise ModelError("is empty (0 bytes); wanted an .onnx file")
    file = read_onnx(content)
    if METADATA_KEY not in file.metadata:
        raise ModelError(
            f"has no {METADATA_KEY!r} metadata: it is not a model that edge-ser exported; make one "
            "with `python -m export onnx`"
        )
    if "waveform" in file.inputs:
        raise ModelError(
            "is a waveform graph, which is for programs in other languages; give the .onnx file "
            "that was exported beside it"
        )
    for name in ("mfcc", "state"):
        if name not in file.inputs:
            raise ModelError(f"has no {name!r}; it has {shorten(', '.join(file.inputs))}")
    if file.refused is not None:
        raise ModelError(file.refused)
    return file.metadata[METADATA_KEY]


def _session(content: bytes, path: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        from ..platform_support import why_no_onnxruntime

        raise ModelError(f"{path}: cannot be run: {why_no_onnxruntime(error)}") from error

    onnxruntime.disable_telemetry_events()  # whoever imported it before us may have left them on
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # keeps 2 KB for every length of clip that there ever was
    options.log_severity_level = 4  # what goes wrong comes back as an exception
    # What was looked through is ONNX; bytes that are its other format as well are not read as that.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if _limit_memory():
        options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        return onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
    except Exception as error:  # onnxruntime's own exceptions share no public base class
        raise ModelError(f"{path}: onnxruntime cannot load it: {shorten_error(error)}") from error


@functools.lru_cache(maxsize=1)  # once a process; whoever comes at the same time finds it done
def _limit_memory() -> bool:
    """Bound what onnxruntime holds: a graph of a few bytes may ask for terabytes, and where the
    system grants them it ends processes, not always the right one."""
    import onnxruntime

    physical = MAX_MEMORY
    with contextlib.suppress(AttributeError, ValueError, OSError):  # not on Windows
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    largest = max(MIN_MEMORY, min(MAX_MEMORY, physical // 2))
    try:
        onnxruntime.create_and_register_allocator(
            onnxruntime.OrtMemoryInfo(
                "Cpu",
                onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
                0,
                onnxruntime.OrtMemType.DEFAULT,
            ),
            onnxruntime.OrtArenaCfg({"max_mem": largest}),
        )
    except Exception:  # whoever uses onnxruntime beside us has set another: theirs holds
        return False
    return True


def _check_graph(session: Any, card: ModelCard, path: Path) -> None:
    """The inputs and outputs that `EmotionModel.run` relies on."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    found = {value.name: value for value in [*inputs, *outputs]}
    size = found["state"].shape[-1] if "state" in found and found["state"].shape else None
    n_labels = len(card.labels)
    embedding = found["embedding"].shape if "embedding" in found else []
    n_embedding = embedding[-1] if embedding else None
    wanted = {
        "mfcc": card.mfcc_config.n_mfcc,
        "state": size,
        "new_state": size,
        "logits": n_labels,
        "probabilities": n_labels,
        "speech": 1,
        "embedding": n_embedding,
    }
    for name, width in wanted.items():
        if name not in found:
            raise ModelError(f"{path}: has no {name!r}; it has {shorten(', '.join(found))}")
        shape, kind = found[name].shape, found[name].type
        if not shape or shape[-1] != width:
            raise ModelError(
                f"{path}: {name} has shape {brief_repr(shape)}; its model card says {width} last"
            )
        if kind != "tensor(float)":
            raise ModelError(f"{path}: {name} is a {kind}; wanted tensor(float)")
    shapes = {value.name: value.shape for value in inputs}
    if set(shapes) != {"mfcc", "state"} or [len(shapes[n]) for n in ("mfcc", "state")] != [3, 2]:
        raise ModelError(
            f"{path}: takes {', '.join(f'{n} {shape}' for n, shape in shapes.items())[:300]}; "
            "wanted mfcc (batch, time, n_mfcc) and state (batch, state_size) alone"
        )
    if not isinstance(n_embedding, int) or not 0 < n_embedding <= MAX_STATE:
        raise ModelError(f"{path}: embedding has {n_embedding} values; expected 1 to {MAX_STATE}")
    if not isinstance(size, int) or not 0 < size <= MAX_STATE:
        raise ModelError(f"{path}: its state holds {size} numbers; wanted 1 to {MAX_STATE}")
    if isinstance(shapes["mfcc"][1], int):
        raise ModelError(
            f"{path}: takes clips of {shapes['mfcc'][1]} frames only; wanted any number"
        )
