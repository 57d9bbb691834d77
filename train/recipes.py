"""Recipes: front end, network and training under a name."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass, field, replace
from typing import Any

from edge_runtime import ConfigError, MfccConfig
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.settings import parse_setting

from .augment import Augment
from .data.features import Dataset
from .fit_config import FitConfig, epochs_for
from .gate.config import GateConfig
from .network_config import NetworkConfig
from .statistics_config import StatisticsConfig


@dataclass(frozen=True)
class Recipe:
    """All settings of a model.

    Attributes:
        mfcc_config: The front end.
        silence: Silence removal. None keeps silent frames.
        network: The architecture.
        fit: The training.
        statistics: Clip statistics and their linear branch. None: the network gets frames only.
        gate: The speech gate.
    """

    mfcc_config: MfccConfig
    silence: SilenceConfig | None
    network: NetworkConfig
    fit: FitConfig
    statistics: StatisticsConfig | None = None
    gate: GateConfig = field(default_factory=GateConfig)

    def sized(self, data: Dataset) -> Recipe:
        """Return a copy whose network fits the front end and the labels of a dataset.

        The number of epochs is set from the number of clips, unless it is given.

        Raises:
            ConfigError: If the recipe requires statistics and the dataset has none.
        """
        if self.statistics is not None and data.statistics is None:
            raise ConfigError("the recipe requires statistics; the dataset has no `statistics`")
        network = replace(
            self.network,
            n_mfcc=self.mfcc_config.n_mfcc,
            n_classes=len(data.labels),
            n_statistics=0 if self.statistics is None else len(data.statistic_names),
        )
        epochs = self.fit.epochs or epochs_for(len(data.clips), self.fit.batch_size)
        return replace(self, network=network, fit=replace(self.fit, epochs=epochs))

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as plain values for JSON; statistics only if there are any."""
        network = dataclasses.asdict(self.network)
        settings = {
            "mfcc_config": self.mfcc_config.to_dict(),
            "silence": self.silence and self.silence.to_dict(),
            "network": network,
            "fit": dataclasses.asdict(self.fit),
            "gate": dataclasses.asdict(self.gate),
        }
        if self.statistics is None:
            del network["n_statistics"]
            return settings
        return {**settings, "statistics": dataclasses.asdict(self.statistics)}

    def with_settings(self, settings: list[str]) -> Recipe:
        """Return a copy with changed settings.

        Args:
            settings: "NAME=VALUE" with a field of the network, the training, the augmentation, the
                statistics or the speech gate.

        Raises:
            ConfigError: If a name does not exist or a value is not valid.

        Example:
            >>> DEFAULT_RECIPE.with_settings(["hidden_size=32"]).network.hidden_size
            32
        """
        recipe = self
        for setting in settings:
            parts: list[Any] = [recipe.network, recipe.fit, recipe.fit.augment, recipe.gate]
            parts += [recipe.statistics] if recipe.statistics is not None else []
            owners = {name: part for part in parts for name in _settable_fields(part)}
            name, value = parse_setting(setting, sorted(owners))
            part = owners[name]
            try:
                changed = replace(part, **{name: _as_type_of(getattr(part, name), value)})
            except ValueError as error:  # a ConfigError is one
                raise ConfigError(f"--set {setting}: {error}") from error
            if isinstance(changed, NetworkConfig):
                recipe = replace(recipe, network=changed)
            elif isinstance(changed, Augment):
                recipe = replace(recipe, fit=replace(recipe.fit, augment=changed))
            elif isinstance(changed, StatisticsConfig):
                recipe = replace(recipe, statistics=changed)
            elif isinstance(changed, GateConfig):
                recipe = replace(recipe, gate=changed)
            else:
                recipe = replace(recipe, fit=changed)
        return recipe


def _settable_fields(part: Any) -> list[str]:
    """Return the fields of a part of a recipe that do not depend on the data."""
    return [
        setting.name
        for setting in dataclasses.fields(part)
        if setting.name
        not in ("augment", "n_classes", "n_mfcc", "n_statistics", "gate_units", "gate_width")
        or isinstance(part, GateConfig)
    ]


TYPE_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "text"}


def _as_type_of(current: Any, value: Any) -> Any:
    """Return a parsed value with the type of the current one; ValueError for another type."""
    if isinstance(current, float) and not isinstance(value, bool):
        with contextlib.suppress(TypeError, ValueError):
            return float(value)
    if type(value) is not type(current):
        raise ValueError(f"expected {TYPE_NAMES[type(current)]}")
    return value


# 16 mel bands up to 4 kHz: 13 MFCC keep nearly all information of 16 bands, while 13 MFCC of 40
# bands up to 8 kHz blur pitch and lower formants; telephones also end below 4 kHz. Windows of 64 ms
# resolve the lowest harmonics of a voice, which windows of 32 ms merge. The bands begin at 40 Hz to
# exclude DC, which a Hann window spreads over the first two bins, up to 31 Hz. Levels are relative,
# because absolute levels depend on the microphone of each corpus. reports/ablation.md lists the
# effect of each setting, and the alternatives that were tried.
DEFAULT_RECIPE = Recipe(
    MfccConfig(n_fft=1024, hop_length=320, n_mels=16, fmin=40.0, fmax=4000.0),
    SilenceConfig(relative=True),
    NetworkConfig(
        hidden_size=64,
        dropout=0.2,
        pooling="attention",
        frame_stack=3,
        input_size=64,
        residual=True,
        ensemble_size=3,
    ),
    FitConfig(),
)

# For several corpora together, and for unseen voices and microphones. Noise and a telephone band
# are added, and the segments of half of the clips are shuffled, which improved the score on unseen
# corpora more than all other settings (reports/ablation-corpora.md). MixStyle and distillation are
# off: they improved neither unseen corpora nor new speakers of the same four. VTL smoothing is off,
# because it cost half a point in leave-one-corpus-out (validation speakers, three seeds).
# Clip statistics generalise to new corpora better than the LSTM does (reports/strangers.md).
CORPORA = replace(
    DEFAULT_RECIPE.with_settings(
        [
            "noise=0.2",
            "telephone=0.2",
            "segment_shuffle=0.5",
            "mixstyle=0",
            "distillation_weight=0",
            "vtl_smoothing=0",
        ]
    ),
    statistics=StatisticsConfig(),
)

# For recordings made with one microphone at one gain in a quiet room. There, the absolute level is
# informative, and so are the bands up to 8 kHz, 40 as usual.
STUDIO = replace(
    DEFAULT_RECIPE,
    mfcc_config=replace(DEFAULT_RECIPE.mfcc_config, n_mels=40, fmax=None),
    silence=SilenceConfig(relative=False),
)

# The original architecture with librosa's default bands, and without the later improvements.
BASELINE = Recipe(
    MfccConfig(hop_length=320),
    None,
    NetworkConfig(),
    FitConfig(
        learning_rate=2e-3,
        weight_decay=0.01,
        label_smoothing=0.0,
        distillation_weight=0.0,
        vtl_smoothing=0.0,
        augment=Augment(vtlp=0.0, mixstyle=0.0),
    ),
    gate=GateConfig(speech=False),
)

RECIPES = {"default": DEFAULT_RECIPE, "studio": STUDIO, "corpora": CORPORA, "baseline": BASELINE}
DEFAULT = "default"
