"""The C library gives the answers of the Python package on emulated Cortex-M boards."""

from __future__ import annotations

import pytest
from support.c_models import write_model

from edge_runtime import ConfigError, MfccConfig
from edge_runtime.features.silence import SilenceConfig
from export.c.emulator import BOARDS, measure, missing_tools, run_program, run_vectors
from export.c.package import write_package
from train.network_config import NetworkConfig

requires_tools = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_tools()), reason=f"requires {', '.join(missing_tools())}"),
]
boards = pytest.mark.parametrize("board", BOARDS, ids=[board.core for board in BOARDS])


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = write_model(
        folder / "model.onnx",
        NetworkConfig(hidden_size=16, frame_stack=2),
        MfccConfig(n_fft=512, hop_length=256, fmax=4000.0),
        SilenceConfig(relative=True),
        gate_units=8,
    )
    write_package(str(model), folder / "c", "edge_ser", 4, 30.0)
    return folder / "c"


class TestBoards:
    pytestmark = requires_tools

    @boards
    def test_vectors_hold(self, package, tmp_path, board):
        printed = run_vectors(package, board, tmp_path)
        assert "4 vectors, 0 failures" in printed

    def test_programs_read_standard_input(self, package, tmp_path):
        source = tmp_path / "sum.c"
        source.write_text(
            "#include <stdio.h>\nint main(void)\n{\n    static char large[8000000];\n"
            "    int n = (int)fread(large, 1, sizeof large, stdin);\n"
            '    printf("%d %d\\n", n, large[n - 1]);\n    return 0;\n}\n'
        )
        data = bytes(range(100)) * 50
        assert run_program(package, BOARDS[1], source, tmp_path, data) == "5000 99\n"

    def test_measurements_are_within_the_limits_of_the_header(self, package, tmp_path):
        figures = measure(package, BOARDS[1], tmp_path)
        assert 1e5 < figures.instructions_per_second < 32e6  # half of a processor of 64 MHz
        assert 0 < figures.largest_push < figures.instructions_per_second
        assert 64 < figures.push_stack <= 2048 and 64 < figures.result_stack <= 2048
        assert figures.code_bytes <= 48 * 1024

    def test_wrong_answers_are_reported(self, package, tmp_path):
        vectors = package / "test" / "vectors.h"
        text = vectors.read_text()
        head, rows = text.split("edge_ser_vectors[EDGE_SER_N_VECTORS] = {")
        try:
            vectors.write_text(
                f"{head}edge_ser_vectors[EDGE_SER_N_VECTORS] = {{" + rows.replace("{0.", "{1.")
            )
            with pytest.raises(ConfigError, match="FAIL voice"):
                run_vectors(package, BOARDS[1], tmp_path)
        finally:
            vectors.write_text(text)


def test_missing_compiler_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="'arm-none-eabi-gcc' not found"):
        run_vectors(tmp_path, BOARDS[0], tmp_path)
