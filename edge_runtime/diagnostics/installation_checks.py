"""Whether this installation works: machine, packages, model, microphone, as findings."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import EdgeSerError, ModelError
from ..inference.network import network_of
from ..workers import usable_cores
from . import system_info
from .finding import Finding, Severity

if TYPE_CHECKING:
    from ..model import EmotionModel

# What the wheel depends on, with the name of the module and what does not work without it.
PACKAGES = {
    "numpy": ("numpy", "everything"),
    "onnxruntime": ("onnxruntime", "every model"),
    "soundfile": ("soundfile", "reading audio files"),
    "soxr": ("soxr", "audio at another rate than the model's"),
    "scipy": ("scipy", "some windows, and hours of audio at once"),
    "typer": ("typer", "the command line"),
}
MICROPHONE = "sounddevice>=0.4.6"  # the extra `mic`

# A stream and the whole clip differ by rounding alone, less than 1e-5 on every machine tried.
SAME_ANSWER = 1e-3


def check_machine() -> Iterator[Finding]:
    """Python, system, processor and cores."""
    yield Finding("edge-ser", Severity.ok, f"{__version__} ({Path(__file__).parent.parent})")
    implementation = platform.python_implementation()
    found = f"{platform.python_version()} ({implementation}), {system_info.bits()}-bit"
    if system_info.bits() == 64:
        yield Finding("python", Severity.ok, found)
    else:
        yield Finding(
            "python",
            Severity.note,
            found,
            "onnxruntime publishes no wheels for most 32-bit systems.",
            "On a Raspberry Pi 3, 4, 5 or Zero 2 install the 64-bit system.",
        )
    yield Finding("system", Severity.ok, system_info.system())
    board = system_info.board()
    name = system_info.processor()
    yield Finding("processor", Severity.ok, f"{board}, {name}" if board else name)
    yield Finding(
        "cores",
        Severity.ok,
        f"{os.cpu_count()}, of which {usable_cores()} may be used; the model takes 1",
    )


def check_packages() -> Iterator[Finding]:
    """The packages that edge-ser needs: there, new enough, and able to be imported."""
    wanted = _requirements()
    for package, (module, needed_for) in PACKAGES.items():
        yield _check_package(package, module, needed_for, wanted.get(package, ""))


def check_model(
    path: str | os.PathLike[str] | None = None,
) -> tuple[EmotionModel | None, list[Finding]]:
    """The model in `path` (None: the bundled one), None unless it loads and answers sensibly, and
    what was found."""
    try:
        from ..model import BUNDLED_MODEL, EmotionModel
        from .model_info import describe

        model = EmotionModel.load(path)
        about = describe(model)
        _self_test(model, bundled=network_of(model).path == BUNDLED_MODEL)
    except (EdgeSerError, ImportError, OSError) as error:
        advice = "Install what is missing: `edge-ser doctor` without a clip lists it."
        if isinstance(error, EdgeSerError):
            advice = "Take another file, or install edge-ser again if it is the bundled one."
        said = " ".join(str(error).split())
        return None, [
            Finding("model", Severity.warning, said, "No clip can be classified.", advice)
        ]
    return model, [
        Finding("model", Severity.ok, f"{about['name']}, {', '.join(about['labels'])}"),
        Finding("file", Severity.ok, f"{about['file']}, {about['bytes']:,} bytes"),
        Finding("self-test", Severity.ok, "passed: a sound like a voice, whole and in pieces"),
    ]


def check_microphone() -> Iterator[Finding]:
    """Whether there is something to record with: sounddevice, and the inputs that it finds."""
    version = system_info.installed("sounddevice")
    if version is None:
        yield Finding(
            "microphone",
            Severity.ok,
            f"sounddevice is not installed; for live audio: pip install '{MICROPHONE}'",
        )
        return
    try:
        import sounddevice

        devices = list(sounddevice.query_devices())
        default = sounddevice.default.device[0]
    except Exception as error:  # PortAudio's errors have a class of their own
        said = " ".join(str(error).split())
        yield Finding(
            "microphone",
            Severity.warning,
            f"sounddevice {version} cannot be used: {said}",
            "Files can be classified, live audio cannot.",
            "On Debian, Ubuntu and Raspberry Pi OS: sudo apt install libportaudio2",
        )
        return
    inputs = [(k, each) for k, each in enumerate(devices) if each["max_input_channels"] > 0]
    if not inputs:
        yield Finding(
            "microphone",
            Severity.note,
            f"none found (sounddevice {version})",
            "Files can be classified, live audio cannot.",
            "Plug one in. Under Linux `arecord -l` lists what the system sees, and the user must "
            "be in the group audio.",
        )
    for number, each in inputs:
        yield Finding(
            "microphone",
            Severity.ok,
            f"{number}: {each['name']}, {each['default_samplerate']:g} Hz, "
            f"{each['max_input_channels']} channels{', the default' if number == default else ''}",
        )


def _check_package(package: str, module: str, needed_for: str, wanted: str) -> Finding:
    version = system_info.installed(package)
    install = f"pip install '{package}{wanted}'"
    if version is None:
        return Finding(
            package, Severity.warning, "is missing", f"It is needed for {needed_for}.", install
        )
    try:
        imported = importlib.import_module(module)
    except Exception as error:  # a library that does not fit the system fails in many ways
        said = " ".join(str(error).split())[:300] or type(error).__name__
        return Finding(
            package,
            Severity.warning,
            f"{version}, cannot be imported: {said}",
            f"It is needed for {needed_for}.",
            f"pip install --force-reinstall '{package}{wanted}'",
        )
    found = version
    if package == "soundfile":
        found += f" with libsndfile {imported.__libsndfile_version__}"
    if not within(version, wanted):
        return Finding(
            package,
            Severity.note,
            f"{found}; wanted {wanted}",
            "edge-ser is not tested with this version.",
            install,
        )
    return Finding(package, Severity.ok, found)


def _requirements() -> dict[str, str]:
    """The versions that the installed edge-ser asks for; nothing in a checkout."""
    try:
        lines = importlib.metadata.requires("edge-ser") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    pairs = (re.fullmatch(r"([\w-]+)\s*([<>=!~.,\d]*)", line) for line in lines)  # no extras
    return {pair[1]: pair[2] for pair in pairs if pair}


def within(version: str, wanted: str) -> bool:
    """Whether a version is in a range of `>=` and `<`; other conditions are not looked at.

    >>> within("0.28.1", ">=0.20,<0.29"), within("1.9", ">=1.18"), within("2.0", "")
    (True, False, True)
    """

    def number(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", text)[:3])

    for sign, limit in re.findall(r"(>=|<)([\d.]+)", wanted):
        if (number(version) < number(limit)) == (sign == ">="):
            return False
    return True


def _self_test(model: EmotionModel, bundled: bool) -> None:
    """ModelError unless a sound like a voice gets a sound answer, and the same in pieces."""
    from ..inference.prediction import NO_SPEECH
    from .synthetic_voice import synthetic_voice

    sound = synthetic_voice(2.0, model.sample_rate)
    whole = model.classify(sound, threshold=0.0)
    # Models of other makers may take the sound for what they like.
    if bundled and whole.label == NO_SPEECH:
        raise ModelError(f"{network_of(model).path}: takes a sound like a voice for none: {whole}")
    if abs(sum(whole.probabilities.values()) - 1) > SAME_ANSWER:
        raise ModelError(
            f"{network_of(model).path}: probabilities do not sum to 1: {whole.probabilities}"
        )
    stream = model.stream(threshold=0.0)
    for start in range(0, len(sound), 1000):
        stream.push(sound[start : start + 1000])
    pieces = stream.flush()[-1].prediction.probabilities
    difference = max(abs(pieces[name] - value) for name, value in whole.probabilities.items())
    if difference > SAME_ANSWER:
        raise ModelError(
            f"{network_of(model).path}: a stream ends {difference:.2g} from the whole clip"
        )
