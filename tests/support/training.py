"""Settings and helpers for short trainings."""

from __future__ import annotations

from edge_runtime import MfccConfig
from train.augment import Augment

TRAINING_MFCC = MfccConfig(hop_length=320)
PLAIN = Augment(cepstral_offset=0.0, speed=0.0, vtlp=0.0, mixstyle=0.0)  # no augmentation


def fit_one(data, clips, folds, network, config, **options):
    """Run `fit_best` with a single candidate and return its fit."""
    from train.candidates import Candidate
    from train.model_selection import fit_best
    from train.recipes import Recipe

    candidate = Candidate("one", Recipe(data.mfcc_config, None, network, config), data)
    return fit_best([candidate], clips, folds, **options).fit
