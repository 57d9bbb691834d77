"""Build systems and package managers accept the C library."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.c_models import write_model

from edge_runtime import EmotionModel, MfccConfig, __version__
from edge_runtime.diagnostics.synthetic_voice import synthetic_voice
from export.c.library import Library
from export.c.package import write_package
from export.c.packaging import packaging_files
from train.network_config import NetworkConfig

ARDUINO = Path(__file__).with_name("arduino")
PREFIX = "my_voice"


def requires(*tools: str):
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"requires {', '.join(missing)}")


def run(*command: object, **options) -> str:
    result = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, **options
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(
        tmp_path_factory.mktemp("model") / "model.onnx",
        NetworkConfig(hidden_size=8),
        MfccConfig(n_fft=512, hop_length=256, fmax=4000.0),
        labels=('quo"ted', "back\\slash", "ü*/", "${A}: #1"),
        gate_units=8,
    )


@pytest.fixture(scope="module")
def package(model, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("package") / "c"
    write_package(str(model), out, PREFIX, 2, 30.0)
    return out


def test_manifests_agree(package):
    manifest = json.loads((package / "library.json").read_text())
    lines = (package / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    component = yaml.safe_load((package / "idf_component.yml").read_text())
    module = yaml.safe_load((package / "zephyr" / "module.yml").read_text())
    assert manifest["name"] == properties["name"] == module["name"] == PREFIX
    assert manifest["version"] == properties["version"] == component["version"] == __version__
    assert component["description"] == properties["sentence"]
    assert 'quo"ted, back\\slash, ?*/, ${A}: #1' in properties["sentence"]
    assert "Licence of the weights: MIT" in manifest["description"]
    assert (package / "src" / manifest["headers"]).exists()
    assert properties["includes"] == manifest["headers"]
    assert [*package.glob(manifest["examples"][0])]


def test_library_without_statistics_lists_no_files_of_them(model, package):
    library = Library(model, 30.0)
    files = packaging_files(library, ["src/engine/model.c"], PREFIX)
    assert set(files) <= {file.relative_to(package).as_posix() for file in package.rglob("*")}
    assert "functionals.c" not in (package / "CMakeLists.txt").read_text()


@pytest.mark.slow
@requires("cmake", "gcc")
def test_cmake_builds_and_runs_the_vectors(package, tmp_path):
    run("cmake", "-S", package, "-B", tmp_path)
    run("cmake", "--build", tmp_path)
    assert "100% tests passed" in run("ctest", "--test-dir", tmp_path)
    assert (tmp_path / "edge-ser-c").exists()


@requires("cmake")
def test_cmake_files_of_firmware_name_existing_sources(package, tmp_path):
    script = tmp_path / "check.cmake"
    script.write_text(
        """
        function(idf_component_register)
          cmake_parse_arguments(COMPONENT "" "" "SRC_DIRS;INCLUDE_DIRS" ${ARGN})
          foreach(folder ${COMPONENT_SRC_DIRS})
            file(GLOB sources ${PACKAGE}/${folder}/*.c)
            message("${sources}")
          endforeach()
          if(NOT EXISTS ${PACKAGE}/${COMPONENT_INCLUDE_DIRS}/my_voice.h)
            message(FATAL_ERROR "no header")
          endif()
        endfunction()
        function(zephyr_library)
        endfunction()
        function(zephyr_library_sources)
          foreach(source ${ARGN})
            file(REAL_PATH ${source} path BASE_DIRECTORY ${PACKAGE}/zephyr)
            list(APPEND sources ${path})
          endforeach()
          message("${sources}")
        endfunction()
        function(zephyr_include_directories folder)
          if(NOT EXISTS ${PACKAGE}/zephyr/${folder}/my_voice.h)
            message(FATAL_ERROR "no header")
          endif()
        endfunction()
        set(ESP_PLATFORM 1)
        include(${PACKAGE}/CMakeLists.txt)
        set(CONFIG_MY_VOICE y)
        include(${PACKAGE}/zephyr/CMakeLists.txt)
        """
    )
    printed = run("cmake", f"-DPACKAGE={package}", "-P", script, stdin=subprocess.DEVNULL)
    assert printed == ""


@pytest.mark.slow
@requires("gcc", "g++")
def test_arduino_example_prints_the_answer_of_python(package, model, tmp_path):
    sketch = next(package.glob("examples/*/*.ino"))
    sources = [*map(str, package.rglob("src/**/*.c"))]
    run("gcc", "-std=c99", "-O1", "-c", *sources, cwd=tmp_path)
    rate = "-DRATE=16000"
    options = ["-std=c++17", "-Wall", "-Wextra", "-Werror", rate, f"-I{package / 'src'}"]
    run(
        "g++",
        *options,
        f"-I{ARDUINO}",
        "-x",
        "c++",
        sketch,
        "-x",
        "none",
        *tmp_path.glob("*.o"),
        "-o",
        tmp_path / "sketch",
    )
    samples = np.float32(synthetic_voice(10.0))
    raw = np.rint(samples.astype(np.float64) * 2**31).clip(-(2**31), 2**31 - 1).astype(np.int32)
    result = subprocess.run(
        [tmp_path / "sketch"], input=raw.tobytes(), capture_output=True, check=True
    )
    expected = EmotionModel.load(model).classify(samples)
    assert result.stdout.decode() == f"{expected.label} {expected.confidence:.2f}\n"


@pytest.mark.slow
@requires("pio")
def test_platformio_packs_the_library(package, tmp_path):
    environment = {**os.environ, "PLATFORMIO_CORE_DIR": str(tmp_path)}
    run("pio", "pkg", "pack", "--output", tmp_path / "packed.tar.gz", package, env=environment)
    assert (tmp_path / "packed.tar.gz").exists()


@pytest.mark.slow
@requires("compote")
def test_component_manager_packs_the_library(package, tmp_path):
    run(
        "compote",
        "component",
        "pack",
        "--name",
        PREFIX,
        "--project-dir",
        package,
        "--dest-dir",
        tmp_path,
    )
    assert [*tmp_path.glob("*.tgz")]


@pytest.mark.slow
@requires("alldefconfig")
def test_kconfig_is_valid(package, tmp_path):
    config = tmp_path / "config"
    environment = {**os.environ, "KCONFIG_CONFIG": str(config)}
    run("alldefconfig", package / "zephyr" / "Kconfig", env=environment)
    assert "# CONFIG_MY_VOICE is not set" in config.read_text()
