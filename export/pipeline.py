"""A whole export: checkpoint → fp32 → int8 → parity over the clips of the run → report."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime import ConfigError, MfccConfig
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.files import atomic_replace
from edge_runtime.inference.card import MAX_NAME_LENGTH, ModelCard
from edge_runtime.inference.network import Network
from edge_runtime.messages import shorten_error
from edge_runtime.model import BUNDLED_MODEL
from train.data.clip import Clip, DatasetError
from train.data.corpora import scan
from train.data.features import Dataset, load_dataset
from train.files import folder_lock, report_path, with_extra_suffix, write_json, write_text
from train.network import EmotionLSTM
from train.run_folder import (
    CHECKPOINT,
    RunError,
    has_keys,
    load_checkpoint,
    newest_run,
    refuse_to_overwrite,
)

from .card import card_markdown, protocols_markdown
from .graph import export_fp32, export_int8, export_waveform
from .parity import Link, as_json, as_markdown, compare, librosa_link, waveform_link

FP32, INT8, CARD = "model.fp32.onnx", "model.int8.onnx", "MODEL_CARD.md"
WAVEFORM = "model.waveform.onnx"  # int8 weights as well
UNFINISHED = ".export"  # where an export is made

# In a checkout, which is where a model is bundled: what was found by the protocols that its card
# tells of, and the training report of the model that ships.
REPORTS = BUNDLED_MODEL.parents[2] / "reports"
PROTOCOLS = ("emodb", "ravdess8", "ravdess4", "leave-corpus-out")
BUNDLED = "bundled"

PARITY = {"links", "sizes"}  # what a parity report holds

INT8_WEIGHTS = "int8 weights with a scale for each output, float32 arithmetic"

# Below this level, 70 dB under full scale, the loudest 30 ms of a clip are no voice.
SPEECH_ABOVE_DBFS = -70.0


def export_run(
    run: Path | None, runs: Path, out: Path | None, name: str, cache: Path, bundle: bool
) -> bool:
    """Export a run; True if every parity limit holds.

    All files are made before any is put in its place, so that an earlier export stays until the
    new one is complete. Where a limit does not hold it stays for good, and the new files are called
    `*.failed.*`, so that nobody ships them.
    """
    torch.set_num_threads(1)
    run = run or newest_run(runs, CHECKPOINT)
    out = out or run
    if out != run:
        _check_replaceable(out)
    if not name.strip() or not name.isprintable() or "|" in name or len(name) > MAX_NAME_LENGTH:
        raise ConfigError(
            f"--name {name!r}: wanted a line of text of 1 to {MAX_NAME_LENGTH} characters without |"
        )
    network, stored = load_checkpoint(run)
    card, clips = _described(network, stored, name, run / CHECKPOINT)
    dataset = load_dataset(clips, card.mfcc_config, cache, card.silence)
    if dataset.unreadable:
        raise RunError(
            f"{len(dataset.unreadable)} clips of the run cannot be read any more, such as "
            f"{dataset.unreadable[0]}; parity is checked on all of them"
        )
    with folder_lock(out):
        folder = out / UNFINISHED
        shutil.rmtree(folder, ignore_errors=True)  # of an export that was killed
        try:
            holds = _export_to(folder, network, card, dataset, _protocols() if bundle else "")
            _put_in_place(folder, out, holds)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if not holds:
        print(
            "The exported model does not answer as the trained one: see the table. Its files are "
            f"{out}/*.failed.*; what was exported before is as it was. Where int8 alone is off, "
            "the network may be hardly trained, its labels about equally likely: give it more "
            "epochs or recordings."
        )
        return False
    if bundle:
        _bundle(run, out)
    print(f"Try it: edge-ser classify --model {out / INT8} clip.wav")
    return True


def _check_replaceable(out: Path) -> None:
    """RunError if the folder holds files that an export would replace and that none has made."""
    names = (FP32, INT8, WAVEFORM, CARD, "parity.json", "parity.md")
    ours = (out / CHECKPOINT).exists() or has_keys(out / "parity.json", PARITY)
    refuse_to_overwrite((out / name for name in names), "--out", ours)


def check_report(report: Path) -> Path:
    """The path of a parity report, as `report_path` has it; RunError if it would replace what is
    none."""
    report = report_path(report)
    file, page = (with_extra_suffix(report, suffix) for suffix in (".json", ".md"))
    refuse_to_overwrite([file, page], "--report", has_keys(file, PARITY))
    return report


def _protocols() -> str:
    """What the card of the model that ships says of the protocols."""
    files = [REPORTS / f"{name}.json" for name in PROTOCOLS]
    return protocols_markdown([file for file in files if file.exists()])


def _bundle(run: Path, out: Path) -> None:
    """Make an export the model that edge_runtime ships; its training report goes to `reports`."""
    pictures = {name: f"{BUNDLED}.{name}" for name in ("curves.png", "calibration.png")}
    for source, target in (
        (out / INT8, BUNDLED_MODEL),
        (out / CARD, BUNDLED_MODEL.with_name(CARD)),
        (out / WAVEFORM, BUNDLED_MODEL.with_name("edge_ser.waveform.onnx")),
        (run / "report.json", REPORTS / f"{BUNDLED}.json"),
        *((run / name, REPORTS / copy) for name, copy in pictures.items()),
    ):
        with atomic_replace(target) as temporary:
            shutil.copyfile(source, temporary)
    page = (run / "report.md").read_text(encoding="utf-8")
    for name, copy in pictures.items():
        page = page.replace(f"({name})", f"({copy})")
    write_text(REPORTS / f"{BUNDLED}.md", page)
    print(f"Bundled: {BUNDLED_MODEL}")


def _export_to(
    folder: Path, network: EmotionLSTM, card: ModelCard, dataset: Dataset, protocols: str
) -> bool:
    """Write the models, their card and the parity report to `folder`; True if parity holds."""
    fp32, int8, waveform = folder / FP32, folder / INT8, folder / WAVEFORM
    export_fp32(network, replace(card, quantization="none (float32)"), fp32)
    export_int8(fp32, card, int8)
    try:
        export_waveform(network, card, waveform)
        export_int8(waveform, card, waveform)
    except ConfigError as error:
        print(f"No {WAVEFORM}: {error}")
    links = _links(network, int8, dataset)
    files = [path for path in (fp32, int8, waveform) if path.exists()]
    holds = write_parity(links, _sizes(files), folder / "parity")
    page = card_markdown(card, int8.stat().st_size, as_markdown(links), protocols)
    write_text(folder / CARD, page)
    return holds


def _put_in_place(folder: Path, out: Path, holds: bool) -> None:
    """Move the files of an export: first what tells that they are one, last the model."""
    files = sorted(
        folder.iterdir(), key=lambda path: (path.name == INT8) - (path.suffix == ".json")
    )
    if holds and not (folder / WAVEFORM).exists():
        (out / WAVEFORM).unlink(missing_ok=True)  # of another front end
    for path in files:
        path.replace(out / (path.name if holds else f"{path.stem}.failed{path.suffix}"))


def check_model(model: Path, data: list[Path], report: Path, cache: Path) -> bool:
    """Parity of an exported model on recordings of one's own; True if every limit holds.

    What lies beside the model is compared with it: the float32 model, the waveform graph, the
    checkpoint. Clips with other labels than the model's are left out.
    """
    torch.set_num_threads(1)
    report = check_report(report)
    int8 = Network.load(model)
    found = scan(data)
    clips = [clip for clip in found if clip.label in int8.labels]
    if not clips:
        raise DatasetError(
            f"no clip has a label of {model} ({', '.join(int8.labels)}); those of the recordings "
            f"are {', '.join(sorted({clip.label for clip in found}))}"
        )
    dataset = load_dataset(clips, int8.card.mfcc_config, cache, int8.card.silence)
    network = load_checkpoint(model.parent)[0] if (model.parent / CHECKPOINT).exists() else None
    links = _links(network, model, dataset)
    files = [
        path for path in (model.with_name(FP32), model, model.with_name(WAVEFORM)) if path.exists()
    ]
    return write_parity(links, _sizes(files), report)


def _links(network: EmotionLSTM | None, model: Path, dataset: Dataset) -> list[Link]:
    """All links between a model, what lies beside it, and the front end."""
    int8 = Network.load(model)
    targets = np.array([int8.labels.index(clip.label) for clip in dataset.clips])
    files = [clip.path for clip in dataset.clips]
    unquantized = model.with_name(FP32)
    fp32 = Network.load(unquantized) if unquantized.exists() else None
    links = []
    if int8.card.mfcc_config.convention == "librosa":
        links.append(librosa_link(files, int8.card.mfcc_config))
    links += compare(network, fp32, int8, dataset.frames, targets)
    waveform = model.with_name(WAVEFORM)
    if waveform.exists():
        links.append(waveform_link(waveform, int8, files, dataset.frames, targets))
    return links


def _sizes(files: list[Path]) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in files}


def write_parity(links: list[Link], sizes: dict[str, int], report: Path) -> bool:
    """Print the links and the `sizes` of the models in bytes, and write them to `report`.json and
    .md; True if all hold."""
    holds = all(link.holds for link in links)
    write_json(
        with_extra_suffix(report, ".json"),
        {"sizes": sizes, "holds": holds, "links": as_json(links)},
    )
    table = as_markdown(links)
    rows = "\n".join(f"| {name} | {size:,} |" for name, size in sizes.items())
    files = f"\n| file | bytes |\n|---|---:|\n{rows}\n" if sizes else ""
    write_text(
        with_extra_suffix(report, ".md"),
        f"""# Parity, link by link

Clips one at a time, training clips included: this compares implementations and scores none.
Differences are those of the second from the first; of accuracy and UAR in percentage points.

{table}
{files}""",
    )
    print(table)
    print("\n".join(f"{name}: {size:,} bytes" for name, size in sizes.items()))
    return holds


def _described(
    network: EmotionLSTM, stored: dict[str, Any], name: str, checkpoint: Path
) -> tuple[ModelCard, list[Clip]]:
    """The card that a checkpoint gives, as the runtime reads it, and the clips of the run."""
    try:
        card = make_card(network, stored, name, INT8_WEIGHTS)
        text = card.to_json()
        clips = [Clip(Path(path), str(label)) for path, label in stored["clips"]]
    except (TypeError, ValueError, OverflowError) as error:
        said = shorten_error(error)
        raise RunError(f"{checkpoint}: is not a checkpoint of edge-ser: {said}") from error
    return ModelCard.from_json(text, str(checkpoint)), clips


def make_card(
    network: EmotionLSTM, stored: dict[str, Any], name: str, quantization: str
) -> ModelCard:
    """The card of a checkpoint that `train.run_folder.load_checkpoint` read."""
    sizes = network.config
    return ModelCard(
        name=name,
        labels=tuple(stored["labels"]),
        mfcc_config=MfccConfig.from_dict(stored["mfcc_config"]),
        silence=_silence(stored),
        normalisation="in the graph: mean and deviation of the training frames",
        temperature=float(stored["temperature"]),
        profile_gain=float(stored.get("profile_gain", 1.0)),
        uncertain_below=float(stored.get("uncertain_below", 0.0)),
        frames_per_step=sizes.frame_stack,
        speech_above=float(stored.get("speech_above", 0.0)),
        speech_above_dbfs=SPEECH_ABOVE_DBFS,
        architecture={
            "lstm_layers": sizes.num_layers,
            "hidden_size": sizes.hidden_size,
            "fc_size": sizes.fc_size,
            "pooling": sizes.pooling,
            "frame_stack": sizes.frame_stack,
            "input_size": sizes.input_size,
            "residual": sizes.residual,
            "ensemble_size": sizes.ensemble_size,
        },
        parameters=network.n_parameters(),
        quantization=quantization,
        licence=stored["licence"],
        corpora=tuple(stored["corpora"]),
        scores=stored["scores"],
    )


def _silence(stored: dict[str, Any]) -> SilenceConfig | None:
    values = stored.get("silence")
    return None if values is None else SilenceConfig.from_dict(values)
