"""Recipe variants of the ablation studies; each changes one setting of the reference."""

from __future__ import annotations

from dataclasses import replace

from train.recipes import BASELINE, CORPORA, DEFAULT_RECIPE, STUDIO, Recipe

REFERENCE = "reference, 1 member"

# A fixed number of epochs, so that all variants train equally long whatever the number of clips.
FULL_RECIPE = DEFAULT_RECIPE.with_settings(["epochs=60"])
# The reference is a single network: an ensemble of three takes three times as long, and improves by
# the same changes. Distillation and VTL smoothing are off, because they could mask other effects.
SINGLE_NETWORK = FULL_RECIPE.with_settings(
    ["ensemble_size=1", "distillation_weight=0", "vtl_smoothing=0"]
)
MFCC, SILENCE = SINGLE_NETWORK.mfcc_config, SINGLE_NETWORK.silence
assert SILENCE is not None

CONSTANT_LR = ["final_lr_factor=1", "ema_epochs=12"]

SPEAKER_VARIANTS: dict[str, Recipe] = {
    REFERENCE: SINGLE_NETWORK,
    "3 members": SINGLE_NETWORK.with_settings(["ensemble_size=3"]),
    "3 members, constant learning rate": SINGLE_NETWORK.with_settings(
        [*CONSTANT_LR, "ensemble_size=3"]
    ),
    "distillation": SINGLE_NETWORK.with_settings(["distillation_weight=0.5"]),
    "VTL smoothing": SINGLE_NETWORK.with_settings(["vtl_smoothing=0.5"]),
    "3 members, distillation": FULL_RECIPE.with_settings(["vtl_smoothing=0"]),
    "full recipe: 3 members, distillation, VTL smoothing": FULL_RECIPE,
    "40 epochs": SINGLE_NETWORK.with_settings(["epochs=40"]),
    "120 epochs": SINGLE_NETWORK.with_settings(["epochs=120"]),
    "32 ms windows": replace(SINGLE_NETWORK, mfcc_config=replace(MFCC, n_fft=512)),
    "128 ms windows": replace(SINGLE_NETWORK, mfcc_config=replace(MFCC, n_fft=2048)),
    "10 ms hop": replace(SINGLE_NETWORK, mfcc_config=replace(MFCC, hop_length=160)),
    "13 mel bands": replace(SINGLE_NETWORK, mfcc_config=replace(MFCC, n_mels=13)),
    "40 mel bands up to 8 kHz": replace(
        SINGLE_NETWORK, mfcc_config=replace(MFCC, n_mels=40, fmax=None)
    ),
    "40 mel bands up to 8 kHz, absolute levels": replace(
        SINGLE_NETWORK, mfcc_config=STUDIO.mfcc_config, silence=STUDIO.silence
    ),
    "16 mel bands up to 2.5 kHz": replace(SINGLE_NETWORK, mfcc_config=replace(MFCC, fmax=2500.0)),
    "16 mel bands up to 1.6 kHz": replace(SINGLE_NETWORK, mfcc_config=replace(MFCC, fmax=1600.0)),
    "no silence removal": replace(SINGLE_NETWORK, silence=None),
    "absolute levels": replace(SINGLE_NETWORK, silence=replace(SILENCE, relative=False)),
    "2 frames per step": SINGLE_NETWORK.with_settings(["frame_stack=2"]),
    "6 frames per step": SINGLE_NETWORK.with_settings(["frame_stack=6"]),
    "44 hidden units": SINGLE_NETWORK.with_settings(["hidden_size=44", "input_size=44"]),
    "96 hidden units": SINGLE_NETWORK.with_settings(["hidden_size=96"]),
    "mean pooling": SINGLE_NETWORK.with_settings(["pooling=mean"]),
    "no residual connection": SINGLE_NETWORK.with_settings(["residual=false"]),
    "no VTLP": SINGLE_NETWORK.with_settings(["vtlp=0"]),
    "no speed perturbation": SINGLE_NETWORK.with_settings(["speed=0"]),
    "no MixStyle": SINGLE_NETWORK.with_settings(["mixstyle=0"]),
    "MixStyle on all clips": SINGLE_NETWORK.with_settings(["mixstyle=1"]),
    "segment shuffle": SINGLE_NETWORK.with_settings(["segment_shuffle=0.5"]),
    "no cepstral offset": SINGLE_NETWORK.with_settings(["cepstral_offset=0"]),
    "cepstral offset 0.5": SINGLE_NETWORK.with_settings(["cepstral_offset=0.5"]),
    "added noise": SINGLE_NETWORK.with_settings(["noise=0.5"]),
    "telephone band": SINGLE_NETWORK.with_settings(["telephone=0.5"]),
    "no speech output": SINGLE_NETWORK.with_settings(["speech=false"]),
    "dropout 0.1": SINGLE_NETWORK.with_settings(["dropout=0.1"]),
    "dropout 0.3": SINGLE_NETWORK.with_settings(["dropout=0.3"]),
    "no moving average of the weights": SINGLE_NETWORK.with_settings(["ema_epochs=0.01"]),
    "no weight decay": SINGLE_NETWORK.with_settings(["weight_decay=0"]),
    "weight decay 0.2": SINGLE_NETWORK.with_settings(["weight_decay=0.2"]),
    "no label smoothing": SINGLE_NETWORK.with_settings(["label_smoothing=0"]),
    "learning rate 0.0025": SINGLE_NETWORK.with_settings(["learning_rate=0.0025"]),
    "learning rate 0.01": SINGLE_NETWORK.with_settings(["learning_rate=0.01"]),
    "constant learning rate": SINGLE_NETWORK.with_settings(CONSTANT_LR),
    "constant learning rate, 120 epochs": SINGLE_NETWORK.with_settings(
        ["final_lr_factor=1", "ema_epochs=24", "epochs=120"]
    ),
    "baseline recipe": BASELINE.with_settings(["epochs=60"]),
}

# The recipe of the bundled model, as a single network without clip statistics.
CROSS_CORPUS = replace(CORPORA, statistics=None).with_settings(
    ["ensemble_size=1", "epochs=60", "frame_stack=2"]
)
UNSHUFFLED = CROSS_CORPUS.with_settings(["segment_shuffle=0"])

CORPUS_VARIANTS: dict[str, Recipe] = {
    REFERENCE: CROSS_CORPUS,
    "3 members": CROSS_CORPUS.with_settings(["ensemble_size=3"]),
    "constant learning rate": CROSS_CORPUS.with_settings(CONSTANT_LR),
    "3 members, constant learning rate": CROSS_CORPUS.with_settings(
        [*CONSTANT_LR, "ensemble_size=3"]
    ),
    "15 epochs": CROSS_CORPUS.with_settings(["epochs=15"]),
    "30 epochs": CROSS_CORPUS.with_settings(["epochs=30"]),
    "120 epochs": CROSS_CORPUS.with_settings(["epochs=120"]),
    "no segment shuffle": UNSHUFFLED,
    "no segment shuffle, 3 members": UNSHUFFLED.with_settings(["ensemble_size=3"]),
    "no segment shuffle, constant learning rate": UNSHUFFLED.with_settings(CONSTANT_LR),
    "no segment shuffle, 3 members, constant learning rate": UNSHUFFLED.with_settings(
        [*CONSTANT_LR, "ensemble_size=3"]
    ),
    "no segment shuffle, 15 epochs": UNSHUFFLED.with_settings(["epochs=15"]),
    "segment shuffle on all clips": CROSS_CORPUS.with_settings(["segment_shuffle=1"]),
    "VTL smoothing": CROSS_CORPUS.with_settings(["vtl_smoothing=0.5"]),
    "MixStyle": CROSS_CORPUS.with_settings(["mixstyle=0.5"]),
    "3 frames per step": CROSS_CORPUS.with_settings(["frame_stack=3"]),
    "96 hidden units": CROSS_CORPUS.with_settings(["hidden_size=96"]),
    "absolute levels": replace(CROSS_CORPUS, silence=replace(SILENCE, relative=False)),
    "no telephone band": CROSS_CORPUS.with_settings(["telephone=0"]),
    "no added noise": CROSS_CORPUS.with_settings(["noise=0"]),
    "room reverberation": CROSS_CORPUS.with_settings(["room=0.3"]),
    "no VTLP": CROSS_CORPUS.with_settings(["vtlp=0"]),
    "VTLP 0.15": CROSS_CORPUS.with_settings(["vtlp=0.15"]),
    "speed perturbation 0.3": CROSS_CORPUS.with_settings(["speed=0.3"]),
    "no cepstral offset": CROSS_CORPUS.with_settings(["cepstral_offset=0"]),
    "cepstral offset 0.3": CROSS_CORPUS.with_settings(["cepstral_offset=0.3"]),
    "dropout 0.3": CROSS_CORPUS.with_settings(["dropout=0.3"]),
}
