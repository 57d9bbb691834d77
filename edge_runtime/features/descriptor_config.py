"""The settings and the names of the voice descriptors."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError
from ..validation import check_integer, check_number
from .config import MfccConfig
from .windows import Window

# The descriptors of a frame, in the order of the columns; `Descriptors` defines them.
DESCRIPTORS = (
    "f0",  # semitones above 27.5 Hz; 0 if the frame is unvoiced
    "voicing",  # 0 to 1
    "hnr",  # dB
    "loudness",  # dB
    "slope_0_500",  # dB per kHz
    "slope_500_1500",  # dB per kHz
    "alpha_ratio",  # dB
    "hammarberg",  # dB
    "flux",  # 0 to 1
    "h1_h2",  # dB; 0 if the frame is unvoiced
    "h1_a1",  # dB; 0 if the frame is unvoiced
    "h1_a3",  # dB; 0 if the frame is unvoiced
)

COLUMN = {name: column for column, name in enumerate(DESCRIPTORS)}

SEMITONE_REFERENCE = 27.5  # Hz, the note A0

# An autocorrelation needs about three periods in its window (Boersma 1993, section 5).
MIN_PERIODS = 3


@dataclass(frozen=True)
class DescriptorConfig:
    """The settings of the voice descriptors.

    The framing has the names and the meaning of `MfccConfig`; `from_mfcc` copies it, so that row i
    of both front ends describes the same samples.

    Attributes:
        sample_rate: Rate of the samples in Hz.
        n_fft: Length of the FFT in samples.
        win_length: Length of the window in samples. None: `n_fft`.
        hop_length: Samples from one frame to the next, at most `n_fft`.
        window: A name, `(name, parameter)` or a Kaiser beta, as for `scipy.signal.get_window`.
        center: Pad the clip with zeros, so that frame i is centred on sample `i * hop_length`.
        max_frequency: Highest frequency in Hz that any descriptor uses. Telephones end at 3.4 kHz,
            and some corpora at 5.5 kHz.
        n_bands: Number of auditory bands.
        pitch_floor: Lowest fundamental frequency in Hz. The window must span three periods of it.
        pitch_ceiling: Highest fundamental frequency in Hz.
        pitch_low_cut: Lowest frequency in Hz that counts for the pitch.
        pitch_cutoff: Frequency in Hz at which the low-pass filter before the pitch reaches zero.
        n_candidates: Voiced candidates per frame.
        voicing_threshold: Strength of the unvoiced candidate.
        octave_cost: Preference for high candidates, per octave.
        octave_jump_cost: Cost of a change of pitch from frame to frame, per octave.
        voicing_cost: Cost of a change between voiced and unvoiced.
        reach: Number of frames before a frame that decide about its pitch.

    Raises:
        ConfigError: If a value is out of range; the message states the range.

    Example:
        >>> DescriptorConfig.from_mfcc(MfccConfig(n_fft=512, hop_length=160)).pitch_floor
        93.75
    """

    sample_rate: int = 16_000
    n_fft: int = 1024
    win_length: int | None = None
    hop_length: int = 320
    window: Window = "hann"
    center: bool = True
    max_frequency: float = 4000.0
    n_bands: int = 20
    pitch_floor: float = 60.0
    pitch_ceiling: float = 600.0
    pitch_low_cut: float = 50.0
    pitch_cutoff: float = 2000.0
    n_candidates: int = 4
    voicing_threshold: float = 0.56
    octave_cost: float = 0.02
    octave_jump_cost: float = 0.25
    voicing_cost: float = 0.07
    reach: int = 2

    def __post_init__(self) -> None:
        framing = self.mfcc_config  # checks the framing
        check_integer("sample_rate", self.sample_rate, 6000)
        check_integer("hop_length", self.hop_length, 1, self.n_fft)
        check_number("max_frequency", self.max_frequency, 3000, self.sample_rate / 2, unit="Hz")
        check_integer("n_bands", self.n_bands, 2, 100)
        period_floor = MIN_PERIODS * self.sample_rate / (framing.win_length or framing.n_fft)
        check_number("pitch_floor", self.pitch_floor, period_floor, 300, unit="Hz")
        check_number("pitch_ceiling", self.pitch_ceiling, 2 * self.pitch_floor, 1000, unit="Hz")
        check_number("pitch_cutoff", self.pitch_cutoff, 1000, self.max_frequency, unit="Hz")
        check_number("pitch_low_cut", self.pitch_low_cut, 0, 200, unit="Hz")
        check_integer("n_candidates", self.n_candidates, 1, 20)
        check_integer("reach", self.reach, 0, 100)
        for name in ("voicing_threshold", "octave_cost", "octave_jump_cost", "voicing_cost"):
            check_number(name, getattr(self, name), 0, 10)

    @classmethod
    def from_mfcc(cls, config: MfccConfig) -> DescriptorConfig:
        """Return the settings with the framing of an MFCC front end.

        The pitch floor is raised if three periods of it do not fit into the window.

        Args:
            config: The settings of the MFCC front end.

        Raises:
            ConfigError: If its framing is not supported: padding other than zeros, the convention
                of python_speech_features, or a window of less than 10 ms.
        """
        if config.convention != "librosa" or (config.center and config.pad_mode != "constant"):
            raise ConfigError(
                "voice descriptors require convention='librosa' and pad_mode='constant'; "
                f"got {config.convention!r} and {config.pad_mode!r}"
            )
        length = config.win_length or config.n_fft
        return cls(
            sample_rate=config.sample_rate,
            n_fft=config.n_fft,
            win_length=config.win_length,
            hop_length=config.hop_length,
            window=config.window,
            center=config.center,
            max_frequency=min(cls.max_frequency, config.sample_rate / 2),
            pitch_floor=max(cls.pitch_floor, MIN_PERIODS * config.sample_rate / length),
        )

    @property
    def mfcc_config(self) -> MfccConfig:
        """The settings of an MFCC front end with the same framing."""
        return MfccConfig(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            win_length=self.win_length,
            hop_length=self.hop_length,
            window=self.window,
            center=self.center,
        )

    @property
    def frame_period(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop_length / self.sample_rate

    @property
    def n_bins(self) -> int:
        """Number of bins of the spectrum from 0 Hz to `max_frequency`, both included."""
        return int(self.max_frequency * self.n_fft / self.sample_rate) + 1
