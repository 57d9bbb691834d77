"""Checks of the installation: machine, packages, model and microphone, as findings."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import EdgeSerError, ModelError
from ..inference.network import network_of
from ..messages import count_of, missing_package
from ..workers import usable_cores
from . import system_info
from .finding import Finding, Severity

if TYPE_CHECKING:
    from ..model import EmotionModel

# Requirements of the wheel: name of the module, and the features that depend on it.
PACKAGES = {
    "numpy": ("numpy", "all features"),
    "onnxruntime": ("onnxruntime", "all models"),
    "soundfile": ("soundfile", "reading audio files"),
    "soxr": ("soxr", "audio at a rate other than the model's"),
    "scipy": ("scipy", "some windows, and hours of audio at once"),
    "typer": ("typer", "the command line"),
    "packaging": ("packaging", "`edge-ser doctor`"),
    "platformdirs": ("platformdirs", "the folder of speaker profiles"),
}
NO_LIVE_AUDIO = "Files can be classified, but not live audio."

# A stream and the whole clip differ only by rounding, below 1e-5 on all machines tested.
MAX_DIFFERENCE = 1e-3

MAX_ERROR_LENGTH = 300  # characters


def check_machine() -> Iterator[Finding]:
    """Yield findings about edge-ser, Python, the system and the processor."""
    yield Finding("edge-ser", Severity.ok, f"{__version__} ({Path(__file__).parent.parent})")
    implementation = platform.python_implementation()
    version = f"{platform.python_version()} ({implementation}), {system_info.bits()}-bit"
    if system_info.bits() == 64:
        yield Finding("python", Severity.ok, version)
    else:
        yield Finding(
            "python",
            Severity.note,
            version,
            "onnxruntime has no wheels for most 32-bit systems.",
            "On a Raspberry Pi 3, 4, 5 or Zero 2, install the 64-bit operating system.",
        )
    yield Finding("system", Severity.ok, system_info.system())
    board = system_info.board()
    name = system_info.processor()
    yield Finding("processor", Severity.ok, f"{board}, {name}" if board else name)
    yield Finding(
        "cores",
        Severity.ok,
        f"{os.cpu_count()}, {usable_cores()} of them available; the model uses 1",
    )


def check_packages() -> Iterator[Finding]:
    """Yield a finding about each required package: installed, importable, supported version."""
    specifiers = required_versions()
    for package, (module, feature) in PACKAGES.items():
        yield _check_package(package, module, feature, specifiers.get(package, ""))


def check_model(
    path: str | os.PathLike[str] | None = None,
) -> tuple[EmotionModel | None, list[Finding]]:
    """Load a model and test it with a synthetic voice.

    Args:
        path: An .onnx file. Default: the bundled model.

    Returns:
        The model, or None if it does not load or fails the test, and the findings.
    """
    try:
        from ..model import EmotionModel
        from .model_info import describe

        model = EmotionModel.load(path)
        about = describe(model)
        _self_test(model)
    except (EdgeSerError, ImportError, OSError) as error:
        advice = "Install the missing packages; `edge-ser doctor` without a clip lists them."
        if isinstance(error, EdgeSerError):
            advice = "Use another file; if it is the bundled model, reinstall edge-ser."
        return None, [
            Finding(
                "model", Severity.warning, _one_line(error), "Clips cannot be classified.", advice
            )
        ]
    return model, [
        Finding("model", Severity.ok, f"{about['name']}, {', '.join(about['labels'])}"),
        Finding("file", Severity.ok, f"{about['file']}, {about['bytes']:,} bytes"),
        Finding(
            "self-test",
            Severity.ok,
            "passed with a synthetic voice, as a whole clip and as a stream",
        ),
    ]


def check_microphone() -> Iterator[Finding]:
    """Yield findings about sounddevice and each input device."""
    version = system_info.installed("sounddevice")
    if version is None:
        yield Finding(
            "microphone", Severity.ok, missing_package("live audio", "sounddevice", "mic")
        )
        return
    try:
        import sounddevice

        devices = list(sounddevice.query_devices())
        default = sounddevice.default.device[0]
    except Exception as error:  # PortAudio's errors have a class of their own
        yield Finding(
            "microphone",
            Severity.warning,
            f"sounddevice {version} cannot be used: {_one_line(error)}",
            NO_LIVE_AUDIO,
            "On Debian, Ubuntu and Raspberry Pi OS: sudo apt install libportaudio2",
        )
        return
    inputs = [(k, device) for k, device in enumerate(devices) if device["max_input_channels"] > 0]
    if not inputs:
        yield Finding(
            "microphone",
            Severity.note,
            f"not found (sounddevice {version})",
            NO_LIVE_AUDIO,
            "Connect a microphone. On Linux, `arecord -l` lists the devices, and the user must be "
            "in the group audio.",
        )
    for number, device in inputs:
        yield Finding(
            "microphone",
            Severity.ok,
            f"{number}: {device['name']}, {device['default_samplerate']:g} Hz, "
            f"{count_of(device['max_input_channels'], 'channel')}"
            f"{', default' if number == default else ''}",
        )


def required_versions() -> dict[str, str]:
    """Return the version specifiers of the installed edge-ser by package.

    Requirements of extras and of other platforms are left out. Without an installed edge-ser, as in
    a checkout, or without the package `packaging`, the result is empty.
    """
    try:
        from packaging.requirements import InvalidRequirement, Requirement

        lines = importlib.metadata.requires("edge-ser") or []
    except (ImportError, importlib.metadata.PackageNotFoundError):
        return {}
    specifiers: dict[str, str] = {}
    for line in lines:
        with contextlib.suppress(InvalidRequirement):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                specifiers[requirement.name] = str(requirement.specifier)
    return specifiers


def is_supported(version: str, specifier: str) -> bool:
    """Return True if a version satisfies a specifier; pre-releases count as versions.

    Example:
        >>> is_supported("0.28.1", ">=0.20,<0.29"), is_supported("1.9", ">=1.18")
        (True, False)
    """
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        parsed = Version(version)
    except InvalidVersion:  # such as a local build of a distribution: it cannot be compared
        return True
    return SpecifierSet(specifier).contains(parsed, prereleases=True)


def _check_package(package: str, module: str, feature: str, specifier: str) -> Finding:
    version = system_info.installed(package)
    install = f"pip install '{package}{specifier}'"
    meaning = f"Required for {feature}."
    if version is None:
        return Finding(package, Severity.warning, "not installed", meaning, install)
    try:
        imported = importlib.import_module(module)
    except Exception as error:  # a library that does not match the system fails in many ways
        reason = _one_line(error)[:MAX_ERROR_LENGTH] or type(error).__name__
        return Finding(
            package,
            Severity.warning,
            f"{version}, cannot be imported: {reason}",
            meaning,
            f"pip install --force-reinstall '{package}{specifier}'",
        )
    found = version
    if package == "soundfile":
        found += f" with libsndfile {imported.__libsndfile_version__}"
    if specifier and not is_supported(version, specifier):
        return Finding(
            package,
            Severity.note,
            f"{found}; expected {specifier}",
            "edge-ser is not tested with this version.",
            install,
        )
    return Finding(package, Severity.ok, found)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _self_test(model: EmotionModel) -> None:
    """Classify a synthetic voice as a whole clip and as a stream.

    Args:
        model: The model. It may answer the voice with "no speech", but its speech gate must find
            more speech in it than in silence.

    Raises:
        ModelError: If the predictions are invalid or differ.
    """
    from .synthetic_voice import synthetic_voice

    network = network_of(model)
    path = network.path
    voice = synthetic_voice(2.0, model.sample_rate)
    whole = model.classify(voice, threshold=0.0)
    if network.new_speech_gate() is not None:
        speech, silence = (
            network.clip_speech(network.front_end(samples)) for samples in (voice, 0 * voice)
        )
        if not speech > silence:
            raise ModelError(
                f"{path}: the speech gate finds no more speech in a synthetic voice than in "
                f"silence: probabilities {speech:.2g}, {silence:.2g}"
            )
    if abs(sum(whole.probabilities.values()) - 1) > MAX_DIFFERENCE:
        raise ModelError(f"{path}: probabilities do not sum to 1: {whole.probabilities}")
    stream = model.stream(threshold=0.0)
    for start in range(0, len(voice), 1000):
        stream.push(voice[start : start + 1000])
    chunked = stream.flush()[-1].prediction.probabilities
    difference = max(abs(chunked[name] - value) for name, value in whole.probabilities.items())
    if difference > MAX_DIFFERENCE:
        raise ModelError(
            f"{path}: probabilities of a stream differ by {difference:.2g} from the whole clip"
        )
