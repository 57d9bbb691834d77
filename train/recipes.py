"""How a model is made: front end, network and training, under a name, each setting changeable."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

from edge_runtime import ConfigError, MfccConfig
from edge_runtime.features.silence import SilenceConfig

from .augment import Augment
from .data.features import Dataset
from .loop import FitConfig, epochs_for
from .network import NetworkConfig


@dataclass(frozen=True)
class Recipe:
    mfcc_config: MfccConfig
    silence: SilenceConfig | None
    network: NetworkConfig
    fit: FitConfig

    def sized(self, data: Dataset) -> Recipe:
        """A copy whose network fits the front end and the labels of the recordings, and whose
        training has the epochs that so many clips take unless it says how many."""
        network = replace(self.network, n_mfcc=self.mfcc_config.n_mfcc, n_classes=len(data.labels))
        epochs = self.fit.epochs or epochs_for(len(data.clips), self.fit.batch_size)
        return replace(self, network=network, fit=replace(self.fit, epochs=epochs))

    def to_dict(self) -> dict[str, Any]:
        """All settings, as JSON holds them."""
        return {
            "mfcc_config": self.mfcc_config.to_dict(),
            "silence": self.silence and self.silence.to_dict(),
            "network": dataclasses.asdict(self.network),
            "fit": dataclasses.asdict(self.fit),
        }

    def with_settings(self, settings: list[str]) -> Recipe:
        """A copy with fields of the network, the training or the augmentation changed, given as
        "NAME=VALUE". Raises ConfigError for a name or a value that does not exist."""
        network, fit = self.network, self.fit
        for text in settings:
            name, sign, value = text.partition("=")
            for part in (network, fit, fit.augment):
                if sign and name in _names(part):
                    break
            else:
                known = ", ".join(sorted({*_names(network), *_names(fit), *_names(fit.augment)}))
                raise ConfigError(f"--set {text}: wanted NAME=VALUE with a NAME of {known}")
            try:
                changed = replace(part, **{name: _parsed(value, getattr(part, name))})
            except ConfigError:
                raise
            except ValueError as error:
                raise ConfigError(f"--set {text}: {error}") from error
            if isinstance(changed, NetworkConfig):
                network = changed
            elif isinstance(changed, Augment):
                fit = replace(fit, augment=changed)
            else:
                fit = changed
        return replace(self, network=network, fit=fit)


def _names(part: Any) -> list[str]:
    """The fields that a person sets; the data decide the others."""
    return [
        field.name
        for field in dataclasses.fields(part)
        if field.name not in ("augment", "n_classes", "n_mfcc")
    ]


WORDS = {int: "a whole number", float: "a number", str: "text"}


def _parsed(text: str, current: Any) -> Any:
    if isinstance(current, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError("wanted true or false")
        return text.lower() == "true"
    try:
        return type(current)(text)
    except ValueError:
        raise ValueError(f"wanted {WORDS[type(current)]}") from None


# 16 mel bands up to 4 kHz: 13 MFCC keep nearly everything that 16 bands hold, where 13 MFCC of 40
# bands up to 8 kHz blur pitch and lower formants; and a telephone passes no more. Windows of 64 ms
# tell the lowest harmonics of a voice apart, where 32 ms smear them into one. Above 40 Hz, so
# that DC, which a Hann window spreads over the first two bins, up to 31 Hz, is not heard. Levels
# are relative: those of the corpora are their microphones'.
# reports/choices.md has what each setting brought, and what was tried and left out.
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
        speech=True,
        ensemble_size=3,
    ),
    FitConfig(),
)

# For several corpora together, and for voices and microphones that none of them has: noise and
# telephones are added, and half of the clips have their pieces in another order, which brought more
# to corpora that are not trained on than all else (reports/choices-corpora.md). Styles are not
# mixed and nobody is taught, which did nothing for the voices of another corpus, nor for new voices
# of the same four. Clips are heard as they are: through the mean tract, corpora left out in turn
# were answered half a point worse (those who choose, three seeds).
CORPORA = DEFAULT_RECIPE.with_settings(
    [
        "noise=0.2",
        "telephone=0.2",
        "segment_shuffle=0.5",
        "mixstyle=0",
        "distillation_weight=0",
        "vtl_smoothing=0",
    ]
)

# For recordings that were all made in the same way: with one microphone at one gain in a quiet
# room. There, how loud somebody is tells something, and so do the bands up to 8 kHz, the usual 40.
STUDIO = replace(
    DEFAULT_RECIPE,
    mfcc_config=replace(DEFAULT_RECIPE.mfcc_config, n_mels=40, fmax=None),
    silence=SilenceConfig(relative=False),
)

# The original architecture on librosa's usual bands, trained plainly.
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
)

RECIPES = {"default": DEFAULT_RECIPE, "studio": STUDIO, "corpora": CORPORA, "baseline": BASELINE}
DEFAULT = "default"
