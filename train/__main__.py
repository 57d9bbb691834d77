"""`python -m train`: fit a network on recordings, score it by a protocol, make the demo corpus."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime import EdgeSerError, MfccConfig

from .augment import Augment
from .fit import FitConfig
from .network import NetworkConfig

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False, help=__doc__,
)

Data = Annotated[
    list[Path], typer.Option("--data", help="A folder of recordings or a manifest; repeatable.")
]
Labels = Annotated[
    str | None, typer.Option(help="Comma-separated labels to keep [default: all that occur].")
]
SpeakerPattern = Annotated[
    str | None,
    typer.Option(help="Regular expression over the path; its first group is the speaker."),
]
MfccSettings = Annotated[
    list[str] | None,
    typer.Option("--mfcc", metavar="NAME=VALUE", help="A field of MfccConfig; repeatable."),
]
Offset = Annotated[
    float, typer.Option(help="Augmentation: constant offsets of the features, in deviations.")
]
Speed = Annotated[float, typer.Option(help="Augmentation: faster or slower by up to this share.")]
Cache = Annotated[Path, typer.Option(help="Where features are kept between runs.")]
Runs = Annotated[Path, typer.Option(help="Where the numbered run folders are.")]

# 20 ms between frames: half the steps of the LSTM, in training and on the device. Nested on EMO-DB
# the validation UAR was not worse than with 10 ms.
TRAINING_MFCC = MfccConfig(hop_length=320)


class Pooling(str, Enum):
    last = "last"
    mean = "mean"


FIT = FitConfig()
POOLING = Pooling(NetworkConfig().pooling)


class Protocol(str, Enum):
    loso = "loso"
    actor_folds = "actor-folds"


@app.command("fit")
def fit_command(
    data: Data,
    labels: Labels = None,
    speaker_pattern: SpeakerPattern = None,
    mfcc: MfccSettings = None,
    run: Annotated[
        Path | None, typer.Option(help="The run's folder [default: a new one below --runs].")
    ] = None,
    runs: Runs = Path("runs"),
    cache: Cache = Path(".cache/features"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with --run, or with the newest run.")
    ] = False,
    epochs: int = FIT.epochs,
    patience: int = FIT.patience,
    batch_size: int = FIT.batch_size,
    learning_rate: float = FIT.learning_rate,
    offset: Offset = FIT.augment.offset,
    speed: Speed = FIT.augment.speed,
    pooling: Pooling = POOLING,
    seed: int = FIT.seed,
) -> None:
    """Train one network; the epoch is chosen on validation speakers, test speakers are scored."""
    from .session import train_run

    train_run(
        data, labels=_split(labels), speaker_pattern=speaker_pattern, mfcc=_mfcc(mfcc),
        run=run, runs=runs, cache=cache, resume=resume,
        network=NetworkConfig(pooling=pooling.value),
        config=FitConfig(
            epochs=epochs, patience=patience, batch_size=batch_size,
            learning_rate=learning_rate, seed=seed,
            augment=Augment(offset=offset, speed=speed),
        ),
    )


@app.command("evaluate")
def evaluate_command(
    data: Data,
    protocol: Annotated[Protocol, typer.Option(help="Which speakers are held out together.")],
    report: Annotated[
        Path, typer.Option(help="Where REPORT.json and REPORT.md go (give it no suffix).")
    ],
    labels: Labels = None,
    speaker_pattern: SpeakerPattern = None,
    mfcc: MfccSettings = None,
    cache: Cache = Path(".cache/features"),
    resume: Annotated[bool, typer.Option("--resume", help="Keep the folds already done.")] = False,
    epochs: int = FIT.epochs,
    patience: int = FIT.patience,
    batch_size: int = FIT.batch_size,
    learning_rate: float = FIT.learning_rate,
    offset: Offset = FIT.augment.offset,
    speed: Speed = FIT.augment.speed,
    pooling: Pooling = POOLING,
    seed: int = FIT.seed,
) -> None:
    """Score a recipe: every speaker is in the test set once, and never chooses an epoch."""
    from .evaluate import evaluate

    evaluate(
        data, protocol.value, report, labels=_split(labels), speaker_pattern=speaker_pattern,
        mfcc=_mfcc(mfcc), cache=cache, resume=resume,
        network=NetworkConfig(pooling=pooling.value),
        config=FitConfig(
            epochs=epochs, patience=patience, batch_size=batch_size,
            learning_rate=learning_rate, seed=seed,
            augment=Augment(offset=offset, speed=speed),
        ),
    )


@app.command("demo-corpus")
def demo_corpus_command(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    speakers: int = 8,
    clips: Annotated[int, typer.Option(help="Clips per speaker and label.")] = 6,
    seed: int = 0,
) -> None:
    """Synthesise a small corpus to try the commands on; it says nothing about real voices."""
    from .demo_corpus import write_corpus

    print(f"{write_corpus(folder, speakers, clips, seed)} clips in {folder}")


def _split(labels: str | None) -> list[str] | None:
    return [label for label in labels.split(",") if label.strip()] if labels else None


def _mfcc(settings: list[str] | None) -> MfccConfig:
    return TRAINING_MFCC.with_settings(settings or [])


def main() -> None:
    try:
        app()
    except EdgeSerError as error:
        sys.exit(f"train: {error}")
    except OSError as error:
        sys.exit(f"train: {error.filename or ''}: {error.strerror or error}")


main()
