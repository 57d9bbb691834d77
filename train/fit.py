"""One training: batches of clips of similar length, AdamW, the epoch chosen on other speakers."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edge_runtime import EdgeSerError
from edge_runtime.messages import shorten_error

from .calibration import fit_temperature
from .data.features import Dataset
from .data.folds import inner_folds
from .distillation import Teachers
from .enrolment import profile_gain
from .files import load_torch, save_torch
from .loop import EpochLoop, FitConfig
from .metrics import scores
from .network import EmotionLSTM, NetworkConfig
from .predict import predict


@dataclass
class Fit:
    """A trained network and how it came about.

    The epoch, the temperature and the gain of a profile were chosen on clips that networks trained
    without them had to answer; `unseen` are those clips, with these networks' logits, and their
    logits of speech.
    """

    network: EmotionLSTM
    temperature: float
    profile_gain: float  # that of `ModelCard`
    best_epoch: int
    history: list[dict[str, float]]  # a row per epoch; means over the choosing networks
    unseen: list[int]
    logits: np.ndarray  # (len(unseen), n_classes)
    speech_logits: np.ndarray  # (len(unseen),)


class ResumeError(EdgeSerError):
    """A run folder that belongs to other settings."""


def choose_epoch(
    data: Dataset,
    clips: list[int],
    folds: list[list[int]],
    network_config: NetworkConfig,
    config: FitConfig,
    *,
    device: str = "cpu",
    state_file: Path | None = None,
    resume: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> tuple[Fit, Teachers]:
    """The first half of a training (`candidates.fit_best`): what those in `folds` choose, who are
    left out in turn, and the networks that chose, at the end of their training.

    The network of the `Fit` is the last of those.
    """
    courses = []
    for k, fold in enumerate(folds):
        file = state_file and state_file.with_name(f"choice-{k + 1}.{state_file.name}")
        rest = sorted(set(clips) - set(fold))
        fold = data.answerable(fold)
        course = Trainer(data, rest, fold, network_config, config, device)
        log(f"Choosing the epoch: {len(rest)} clips to train on, {len(fold)} to validate")
        course.run(config.epochs, file, resume, log)
        courses.append(course)
    history = [
        {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        for rows in zip(*(course.history for course in courses))
    ]
    unseen = [i for course in courses for i in course.val]
    epoch = best_epoch(history, len(unseen))
    outputs = np.concatenate([course.outputs[epoch - 1].numpy() for course in courses])
    logits, speech_logits = outputs[:, :-1], outputs[:, -1]
    targets = courses[0].targets[unseen]
    # Who has never heard a label cannot answer it, and no temperature makes that more honest.
    known = np.concatenate([np.isin(c.targets[c.val], sorted(c.known)) for c in courses])
    known = known if known.any() else ~known
    temperature = fit_temperature(logits[known], targets[known])
    gain = profile_gain(data, unseen, logits, targets, temperature, config.seed, known)
    teachers = Teachers(
        [course.average.module for course in courses], [course.known for course in courses]
    )
    found = Fit(
        courses[-1].network, temperature, gain, epoch, history, unseen, logits, speech_logits
    )
    return found, teachers


def train_on_all(
    data: Dataset,
    clips: list[int],
    network_config: NetworkConfig,
    config: FitConfig,
    chosen: Fit,
    teachers: Teachers,
    *,
    device: str = "cpu",
    state_file: Path | None = None,
    resume: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> Fit:
    """The second half of a training: what `choose_epoch` found, with the network that is kept."""
    log(f"Up to epoch {chosen.best_epoch}; training on all {len(clips)} clips")
    training = Trainer(
        data,
        clips,
        [],
        network_config,
        config,
        device,
        teachers if config.distillation_weight else None,
    )
    training.run(chosen.best_epoch, state_file, resume, log)
    network = _answering(training.heard().cpu(), len(data.labels))
    return dataclasses.replace(chosen, network=network)


def best_epoch(history: list[dict[str, float]], n_clips: int) -> int:
    """The last epoch, from 1, that is as good as the best, by UAR of `n_clips` validation clips.

    UAR is the mean over a tenth of the training to either side, for that of a single epoch is luck
    among others. As good is what is within one standard error of the best: a shorter training, its
    learning rate cut off half-way down, has to be better by more than chance.
    Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3.
    """
    around = _smoothed(history)
    best = max(around)
    error = math.sqrt(best * (1 - best) / n_clips)
    return 1 + max(k for k, uar in enumerate(around) if uar >= best - error)


def validation_uar(found: Fit) -> float:
    """How good a training was for those who chose its epoch, around that epoch."""
    return _smoothed(found.history)[found.best_epoch - 1]


def _smoothed(history: list[dict[str, float]]) -> list[float]:
    """The mean UAR of a tenth of the training to either side of each epoch."""
    reach = len(history) // 10
    return [
        float(np.mean([row["val_uar"] for row in history[max(0, k - reach) : k + reach + 1]]))
        for k in range(len(history))
    ]


def validated(
    data: Dataset,
    clips: list[int],
    fold: list[int],
    network_config: NetworkConfig,
    config: FitConfig,
    last: int,
) -> np.ndarray:
    """The logits `(len(fold), n_classes)` that a network trained on the other `clips` has for those
    in `fold`: the mean of those after each of the `last` epochs. Where it is taught, then by three
    networks that were each trained without a third of the speakers."""
    rest = sorted(set(clips) - set(fold))
    teachers = None
    if config.distillation_weight:
        folds = inner_folds(data.clips, rest, 3, config.seed, data.labels)
        _, teachers = choose_epoch(data, rest, folds, network_config, config)
    training = Trainer(data, rest, fold, network_config, config, "cpu", teachers)
    training.run(config.epochs, None, False, lambda line: None)
    return torch.stack(training.outputs[-last:]).mean(dim=0).numpy()[:, :-1]


class Trainer:
    """One network on its way: epoch after epoch, each stored so that it can be resumed."""

    def __init__(
        self,
        data: Dataset,
        train: list[int],
        val: list[int],
        network_config: NetworkConfig,
        config: FitConfig,
        device: str,
        teachers: Teachers | None = None,
    ) -> None:
        self.data, self.val, self.config = data, val, config
        classes = data.classes
        network_config = dataclasses.replace(network_config, n_classes=len(classes))
        torch.manual_seed(config.seed)
        self.network = network = EmotionLSTM(network_config).to(device)
        frames = np.concatenate([data.frames[i] for i in train])
        network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
        network.std.copy_(torch.from_numpy(frames.std(axis=0)).clamp(min=1e-3))
        self.targets = np.array([classes.index(clip.label) for clip in data.clips])
        self.known = {int(target) for target in self.targets[train]}
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.epochs = EpochLoop(data, train, self.targets, config, network, teachers)
        memory = min(config.ema_epochs, config.epochs / 5)
        steps = memory * -(-len(train) // config.batch_size)
        self.average = average = AveragedModel(
            network, multi_avg_fn=get_ema_multi_avg_fn(math.exp(-1 / steps)), use_buffers=False
        )
        self.optimizer.register_step_post_hook(lambda *_: average.update_parameters(network))
        self.settings = {
            "network": dataclasses.asdict(network_config),
            "fit": dataclasses.asdict(config),
            "teachers": None if teachers is None else teachers.digest(),
            "labels": classes,
            "train": _names(data, train),
            "val": _names(data, val),
            # What the names do not tell: front end, content and labels of the files, noise.
            "recordings": data.digest([*train, *val]),
        }
        self.history: list[dict[str, float]] = []
        self.outputs: list[torch.Tensor] = []  # of the validation clips, after each epoch

    def run(
        self, until: int, state_file: Path | None, resume: bool, log: Callable[[str], None]
    ) -> None:
        """Train up to the epoch `until`."""
        if resume and state_file is not None and state_file.exists():
            self._load(state_file)
            log(f"Resumed after epoch {len(self.history)} from {state_file}")
            if len(self.history) > until:
                raise ResumeError(
                    f"{state_file}: has been trained for {len(self.history)} epochs, and {until} "
                    "are wanted; remove it to train that part again"
                )
        for epoch in range(len(self.history) + 1, until + 1):
            started = time.perf_counter()
            row = {"epoch": epoch, "train_loss": self.epochs.run(epoch, self.optimizer, log)}
            if self.val:
                row |= self._validate(log)
            self.history.append(row | {"seconds": time.perf_counter() - started})
            if state_file is not None:
                self._save(state_file)

    def heard(self) -> EmotionLSTM:
        """The network as it answers."""
        network, config = self.average.module, self.config
        deviation = config.vtl_smoothing * config.augment.vtlp
        if deviation == 0:
            return network
        tract = self.epochs.augment.mean_tract(deviation)
        return network.fold_input_transform(torch.from_numpy(tract))

    def _validate(self, log: Callable[[str], None]) -> dict[str, float]:
        labels = self.data.labels
        outputs = predict(self.heard(), self.data.frames, self.val)
        outputs = np.delete(outputs, slice(len(labels), -1), axis=1)
        self.outputs.append(torch.from_numpy(outputs))
        logits, targets = outputs[:, :-1], self.targets[self.val]
        loss = float(cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets)))
        predictions = logits.argmax(axis=1)
        result = scores(targets, predictions, labels)
        result["uar"] = _mean_over_corpora(self.data, self.val, self.targets, predictions, labels)
        log(summary("Validation set", loss, result))
        return {"val_loss": loss, "val_uar": result["uar"], "val_accuracy": result["accuracy"]}

    def _save(self, path: Path) -> None:
        save_torch(
            path,
            {
                "settings": self.settings,
                "history": self.history,
                "outputs": self.outputs,
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            },
        )

    def _load(self, path: Path) -> None:
        try:
            stored = load_torch(path)
            before = dict(stored["settings"])
            history, outputs = list(stored["history"]), list(stored["outputs"])
            states = [stored[name] for name in ("network", "average", "optimizer")]
        except Exception as error:  # torch raises many kinds for a file that is not its own
            raise _not_resumable(path, error) from error
        for name, value in self.settings.items():
            if name in before and before[name] != value:
                raise ResumeError(
                    f"{path}: was begun with another {name!r}; give the settings and the "
                    "recordings of that run, or another --run folder for a new one"
                )
        try:
            for part, state in zip((self.network, self.average, self.optimizer), states):
                part.load_state_dict(state)
        except Exception as error:
            raise _not_resumable(path, error) from error
        self.history, self.outputs = history, outputs


def _not_resumable(path: Path, error: Exception) -> ResumeError:
    said = shorten_error(error)
    return ResumeError(
        f"{path}: cannot be resumed from, it is damaged or of another program ({said}); remove it "
        "to train that part again"
    )


def _answering(network: EmotionLSTM, n_labels: int) -> EmotionLSTM:
    """The network without the outputs of auxiliary labels, which are behind the others."""
    answering = EmotionLSTM(dataclasses.replace(network.config, n_classes=n_labels))
    weights = network.state_dict()
    for name in weights:
        if name.endswith(("out.weight", "out.bias")):
            weights[name] = weights[name][:n_labels]
    answering.load_state_dict(weights)
    return answering.eval()


def summary(name: str, loss: float, result: dict[str, Any]) -> str:
    """The line that ends an epoch, with UAR behind what such logs have always shown."""
    clips = result["clips"]
    correct = round(result["accuracy"] * clips)
    return (
        f"{name}: Average loss: {loss:.4f}, Accuracy: {correct}/{clips} "
        f"({100 * result['accuracy']:.0f}%), UAR: {100 * result['uar']:.1f}%"
    )


def _mean_over_corpora(
    data: Dataset,
    indices: list[int],
    targets: np.ndarray,
    predictions: np.ndarray,
    labels: list[str],
) -> float:
    """The mean of the corpora's UARs: else the largest corpus would choose the epoch alone."""
    corpus = np.array([data.clips[i].corpus for i in indices])
    return float(
        np.mean(
            [
                scores(targets[indices][corpus == c], predictions[corpus == c], labels)["uar"]
                for c in np.unique(corpus)
            ]
        )
    )


def _names(data: Dataset, indices: list[int]) -> list[str]:
    """Without their folders: these may be written in another way, or have moved, until a training
    is resumed."""
    return [data.clips[i].path.name for i in indices]
