"""`edge-ser classify`: the emotion of files, folders and standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..audio.stdin import stdin_format
from ..errors import ConfigError
from .channels import parse_channel
from .classify_request import (
    ClassifyRequest,
    check_request,
    parse_inputs,
    parse_output,
    parse_plot,
    parse_timeline,
)
from .options import (
    ChannelsOption,
    EncodingOption,
    ForceOption,
    FormatOption,
    JobsOption,
    ModelOption,
    OutputOption,
    ProfileOption,
    QuietOption,
    RateOption,
    SpeechThresholdOption,
    StartTimeOption,
    ThresholdOption,
    VadOption,
    load_model_and_profile,
    max_duration_option,
    max_size_option,
)
from .terminal import is_terminal


def classify(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help='Audio files, folders, patterns such as "calls/**/*.wav", or - for stdin.',
        ),
    ],
    format: FormatOption = None,
    output: OutputOption = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="With --timeline: write one file per recording, and summary.csv, to this folder.",
        ),
    ] = None,
    force: ForceOption = False,
    model: ModelOption = None,
    threshold: ThresholdOption = None,
    profile: ProfileOption = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="Adapt to the speaker: each folder is one person or call, and so are all files "
            "given by name.",
        ),
    ] = False,
    timeline: Annotated[
        bool,
        typer.Option(
            "--timeline", "-t", help="Split long recordings into segments of emotion and silence."
        ),
    ] = False,
    window: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Length of a window within a long stretch of speech [default: 3].",
        ),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Distance from one window to the next [default: 1]."),
    ] = None,
    min_segment: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Shortest emotion within a stretch of speech [default: 1]."
        ),
    ] = None,
    min_pause: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Shortest pause of a timeline [default: 0.5]."),
    ] = None,
    speech_threshold: SpeechThresholdOption = None,
    vad: VadOption = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the timeline of one recording: .png, .svg or .pdf; with --output-dir, the "
            "format of the pictures.",
        ),
    ] = None,
    plot_mfcc: Annotated[bool, typer.Option("--plot-mfcc", help="Draw the MFCC, too.")] = False,
    channel: Annotated[
        str | None,
        typer.Option(
            "--channel",
            metavar="N|each",
            help="Use only this channel, counted from 1 (left); each: a timeline for every channel "
            "[default: mean of all].",
        ),
    ] = None,
    channel_names: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...", help="Names of the channels in the results [default: left,right]."
        ),
    ] = None,
    start_time: StartTimeOption = None,
    max_duration: Annotated[
        float | None, max_duration_option("1800; 86400 with --timeline")
    ] = None,
    max_size: Annotated[str | None, max_size_option("1G; 32G with --timeline")] = None,
    jobs: JobsOption = 1,
    quiet: QuietOption = False,
    rate: RateOption = None,
    channels: ChannelsOption = None,
    encoding: EncodingOption = None,
) -> None:
    """Classify the emotion of audio files.

    Reads WAV, FLAC, OGG, MP3 and all other formats of libsndfile, at any sample rate; with the
    extra `formats` also m4a, aac, amr, 3gp, webm and wma. A folder stands for all audio files in it
    and in its subfolders, except hidden ones. Each file gives one result, in the order of the
    inputs and as soon as it is ready: the label, the confidence (the largest probability) and the
    probability of every label. The label can also be "no speech" or "uncertain". An unreadable file
    gives one line on stderr; the others are still processed.

    json writes one list, jsonl one object per line, csv a header and one row per file. "no speech"
    and "uncertain" have no confidence (null or empty). --output writes FILE.part and renames it to
    FILE at the end. After Ctrl-C the results so far are complete, on stdout or in FILE.part.

    --timeline splits recordings of any length into segments with start and end in seconds;
    "no speech" marks the pauses. A summary of each recording follows: its speech, the share of each
    emotion of that, the longest emotion, the beginning and the end. audacity writes a label track,
    srt and vtt write subtitles. --channel each gives a timeline for each side of a call.
    --output-dir writes a file for each recording, and a table of all summaries. --start-time adds
    the time of day. --plot draws waveform, speech and probabilities.

    --adapt reads the recordings twice: first for the mean of each person, then for the answers,
    which are relative to the mean of the person's other recordings.

    stdin is read to its end. It holds a WAV, FLAC, OGG or MP3 file, a WAV stream of unknown
    length, or raw PCM if --rate is given.

    \b
    Examples:
      edge-ser classify clip.wav other.mp3
      edge-ser classify recordings/ --jobs 0 -o results.csv
      edge-ser classify "calls/**/*.flac" --format jsonl --threshold 0.6
      edge-ser classify --profile anna clip.wav
      edge-ser classify --adapt calls/ -o calls.csv
      edge-ser classify --timeline --channel 2 call.wav
      edge-ser classify --timeline call.mp3 -o call.srt
      edge-ser classify --timeline calls/ --channel each --jobs 0 --output-dir results --format csv
      edge-ser classify call.mp3 --plot call.png
      arecord -d 5 -f S16_LE -r 16000 | edge-ser classify -
      ffmpeg -i film.mkv -f s16le -ac 1 -ar 16000 - | edge-ser classify - --rate 16000
    """  # noqa: D301
    is_timeline = timeline or plot is not None
    raw = stdin_format(rate, channels, encoding)
    is_alone = not timeline and output is None and format is None
    picture = parse_plot(plot, plot_mfcc, output_dir, is_alone)
    choice = parse_channel(channel, channel_names)
    settings = {
        "window": window,
        "hop": hop,
        "min_segment": min_segment,
        "min_pause": min_pause,
        "vad": vad,
    }
    request = ClassifyRequest(
        inputs=parse_inputs(paths, choice, raw, (max_duration, max_size), is_timeline),
        output=parse_output(output, output_dir, format, force, picture),
        timeline=parse_timeline(is_timeline, settings, picture, start_time),
        threshold=threshold,
        speech_threshold=speech_threshold,
        jobs=jobs,
        adapt=adapt,
        show_progress=not quiet and is_terminal(sys.stderr),
        quiet=quiet,
    )
    if adapt and profile is not None:
        raise ConfigError("--adapt and --profile cannot be combined")
    check_request(request)
    loaded, speaker = load_model_and_profile(model, profile)
    if request.timeline is None:
        from .run_clips import run_clips as run
    else:
        from .timeline import run_timelines as run
    if run(request, loaded, speaker):
        raise typer.Exit(1)
