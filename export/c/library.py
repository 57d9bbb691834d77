"""Write the C library of a model."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path

import numpy as np

from edge_runtime import ConfigError, __version__
from edge_runtime.inference.card import ModelCard
from edge_runtime.inference.network import Network

from .front_end import Constants, decision_constants, front_end_constants, silence_constants
from .network_source import network_constants, network_source
from .source import array, comment, declaration, number, string, strings
from .state_size import struct_size
from .statistics_source import statistics_constants
from .weights import ModelWeights

_LOGGER = logging.getLogger(__name__)

ENGINE = Path(__file__).with_name("engine")
PREFIX = "edge_ser"  # of the symbols in the engine
STATISTICS_FILES = ("branch", "pitch", "descriptors", "functionals")  # unused without statistics

# Headers of the state, each after those that it includes.
STATE_HEADERS = (
    "framing",
    "level",
    "lstm",
    "network",
    "silence",
    "speech_gate",
    "pipeline",
    "pitch",
    "descriptors",
    "functionals",
    "state",
)


class Library:
    """The C source of a model.

    Args:
        path: An .onnx file that edge-ser exported.
        block_seconds: Length of the blocks of clip statistics. The state holds a block. The
            statistics of a longer clip are the mean over its blocks.

    Attributes:
        network: The model.
        block_seconds: Length of the blocks.
        constants: Constants of the model.
        state_bytes: Size of a state.

    Raises:
        ConfigError: If the library does not support the model.
        ModelError: If the model cannot be loaded.
    """

    def __init__(self, path: Path, block_seconds: float) -> None:
        self.network = Network.load(path)
        self.block_seconds = block_seconds
        card = self.network.card
        self._weights = ModelWeights(path, card.architecture)
        self.constants = Constants()
        for part in (
            front_end_constants(card.mfcc_config),
            silence_constants(card.silence, card.mfcc_config),
            decision_constants(card),
            network_constants(card, self._weights),
            statistics_constants(card, self._weights, block_seconds),
        ):
            self.constants.add(part)
        self._add_scratch()
        sizes = {k: v for k, v in self.constants.macros.items() if isinstance(v, int)}
        sizes = {f"{PREFIX.upper()}_{name}": value for name, value in sizes.items()}
        sizes |= {f"{PREFIX.upper()}_{name}": value for name, value in self._public().items()}
        headers = [
            (ENGINE / f"{name}.h").read_text(encoding="utf-8")
            for name in STATE_HEADERS
            if name not in self._unused()
        ]
        self.state_bytes = struct_size("edge_ser_engine", headers, sizes)

    @property
    def card(self) -> ModelCard:
        """The model card."""
        return self.network.card

    @property
    def constant_bytes(self) -> int:
        """Size of the weights and tables in bytes."""
        tables = [*self.constants.tables.values(), *self._weights.arrays()]
        return sum(table.nbytes for table in tables)

    def write(self, folder: Path, prefix: str) -> None:
        """Write the sources.

        Args:
            folder: The folder `src` of the library. Its content is replaced.
            prefix: Prefix of all symbols.
        """
        check_prefix(prefix)
        shutil.rmtree(folder, ignore_errors=True)
        for name, text in self._files(prefix).items():
            target = folder / renamed(name, prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")

    def _files(self, prefix: str) -> dict[str, str]:
        """Return the texts of the files by name; the names still have the prefix of the engine."""
        unused = self._unused()
        files = {
            f"engine/{file.name}": renamed(file.read_text(encoding="utf-8"), prefix)
            for file in sorted(ENGINE.glob("*.[ch]"))
            if file.stem not in unused
        }
        files["edge_ser.h"] = self._with_values(files.pop("engine/edge_ser.h"))
        files["engine/model.h"] = _renamed_code(self._model_header(), prefix)
        files["engine/model.c"] = _renamed_code(self._model_source(), prefix)
        return files

    def _unused(self) -> tuple[str, ...]:
        """Return the parts of the engine that the model does not use."""
        return () if self.constants.macros["HAS_STATISTICS"] else STATISTICS_FILES

    def _public(self) -> dict[str, int]:
        """Return the constants of the public header."""
        statistics = self.card.statistics
        return {
            "SAMPLE_RATE": self.network.sample_rate,
            "N_LABELS": len(self.card.labels),
            "N_STATISTICS": 0 if statistics is None else len(statistics),
        }

    def _add_scratch(self) -> None:
        """Add the size of the working memory that the steps of a frame share."""
        macros = self.constants.macros
        size = {name: int(value) for name, value in macros.items() if isinstance(value, int)}
        hidden, gate = size["HIDDEN"], size.get("GATE_UNITS", 0)
        macros["SCRATCH"] = max(
            size["N_FFT"] + 2,
            size["N_BANDS"],
            size["N_MFCC"],
            max(size["FIRST_SIZE"], hidden) + hidden,
            hidden + size["EMBEDDING_SIZE"],
            gate + max(gate, size["WIDTH"]),
            size.get("LAG_SCRATCH", 0),
            size.get("STATISTICS_SCRATCH", 0),
        )
        # The buffer of the spectrum also holds the statistics.
        macros["SPECTRUM"] = max(size["N_FFT"] + 2, self._public()["N_STATISTICS"])

    def _with_values(self, template: str) -> str:
        """Return the public header."""
        card, config = self.card, self.card.mfcc_config
        frame_ms = 1000 * config.frame_length / config.sample_rate
        values = {
            "MODEL": f"{_one_line(card.name)}: {_one_line(', '.join(card.labels))}",
            "STATE_BYTES": str(self.state_bytes),
            "FRAME_MS": f"{frame_ms:g}",
            "HOP_MS": f"{1000 * config.frame_period:g}",
            **{name: str(value) for name, value in self._public().items()},
        }
        return re.sub("@([A-Z_]+)@", lambda match: values[match[1]], template)

    def _model_header(self) -> str:
        guard = "EDGE_SER_MODEL_H"
        version = f"{self.card.name}, edge-ser {__version__}"
        lines = [
            comment("Constants of the model. Generated; see model.c for the licence."),
            f"#ifndef {guard}\n#define {guard}\n\n",
            '#include <stdint.h>\n\n#include "../edge_ser.h"\n\n',
            *(
                f"#define EDGE_SER_{name} {_macro(value)}\n"
                for name, value in self.constants.macros.items()
            ),
            f"#define EDGE_SER_VERSION {string(version)}\n",
            f"#define EDGE_SER_LICENSE {string(self.card.licence)}\n\n",
            *(
                declaration(f"edge_ser_{name}", values)
                for name, values in self.constants.tables.items()
            ),
            "extern const char *const edge_ser_labels[EDGE_SER_N_LABELS];\n\n#endif\n",
        ]
        return "".join(lines)

    def _model_source(self) -> str:
        card = self.card
        corpora = ", ".join(str(corpus.get("name", "")) for corpus in card.corpora)
        notice = (
            f"Weights of the model {card.name}, generated by edge-ser {__version__} from a file "
            f"with the checksum {self.network.fingerprint}.\n\n"
            f"Licence of the weights: {card.licence}\n\nTrained on: {corpora}."
        )
        parts = [
            comment(notice),
            '#include "model.h"\n\n#include "network.h"\n#include "speech_gate.h"\n',
            *(array(f"edge_ser_{name}", table) for name, table in self.constants.tables.items()),
            strings("edge_ser_labels", card.labels),
            network_source(self._weights),
        ]
        return "\n".join(parts)


def check_prefix(prefix: str) -> None:
    """Raise ConfigError unless a prefix is the beginning of an identifier of C."""
    if not re.fullmatch("[a-z][a-z0-9_]{0,30}", prefix):
        raise ConfigError(
            f"--prefix {prefix!r} must be a lower-case letter, followed by up to 30 lower-case "
            "letters, digits and _"
        )


def renamed(text: str, prefix: str) -> str:
    """Return text of the engine with another prefix of the symbols."""
    return text.replace(PREFIX, prefix).replace(PREFIX.upper(), prefix.upper())


def _renamed_code(text: str, prefix: str) -> str:
    """Return generated code with another prefix; strings and comments are texts of the model."""
    pattern = r'(#include "[^"]*")|"(?:\\.|[^"\\])*"|/\*.*?\*/|' + f"({PREFIX}|{PREFIX.upper()})"

    def replaced(match: re.Match[str]) -> str:
        return renamed(match[0], prefix) if match[1] or match[2] else match[0]

    return re.sub(pattern, replaced, text, flags=re.DOTALL)


def _one_line(text: str) -> str:
    """Return text for a comment."""
    return text.encode("ascii", "replace").decode().replace("*/", "* /").replace("/*", "/ *")


def _macro(value: int | float | np.float32) -> str:
    literal = number(value)
    return f"({literal})" if literal.startswith("-") else literal
