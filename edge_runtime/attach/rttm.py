"""RTTM, the format of diarizations: ten fields in a line for each turn.

https://www.nist.gov/system/files/documents/itl/iad/mig/KWS15-evalplan-v05.pdf, appendix
"""

from __future__ import annotations

from collections.abc import Sequence

from .transcript import Cue, CueEmotion, Edit, Style, Transcript, TranscriptError


class RttmTranscript(Transcript):
    """Turns of a diarization. No field of the format holds an emotion, so that the text stays.

    Args:
        text: The text.
        name: Name of the recording without suffix, which selects the lines of a file that describes
            several recordings.

    Raises:
        TranscriptError: If a line is not valid, or the recording is not in the file.
    """

    styles = (Style.key,)

    def __init__(self, text: str, name: str = "") -> None:
        super().__init__(text)
        turns: list[tuple[str, Cue]] = []
        for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
            fields = line.split()
            if not fields or fields[0] != "SPEAKER":  # comments, and records of other types
                continue
            try:
                start, duration = float(fields[3]), float(fields[4])
                channel = int(fields[2]) if fields[2].isdigit() and int(fields[2]) else None
                turns.append((fields[1], Cue(start, start + duration, fields[7], channel)))
            except (IndexError, ValueError) as error:
                raise TranscriptError(
                    f"line {number}: expected SPEAKER, file, channel, start, duration, two fields "
                    "and the speaker"
                ) from error
        recordings = sorted({recording for recording, _ in turns})
        if len(recordings) > 1 and name not in recordings:
            raise TranscriptError(
                f"describes {len(recordings)} recordings, and none of them is {name!r}"
            )
        self.cues = [cue for file, cue in turns if len(recordings) == 1 or file == name]

    def edits(self, emotions: Sequence[CueEmotion | None], style: Style) -> list[Edit]:
        """Return no changes."""
        return []
