#!/usr/bin/env bash
# Test the wheel on emulated 64-bit ARM, as on a Raspberry Pi: install it with the published aarch64
# packages in a Debian arm64 system in a folder, run the tests, measure, and compare the outputs with
# those of this machine. Requires root, debootstrap and qemu-user-static. The system and the
# downloads are kept; everything else is created anew.
#
#   deploy/arm64.sh [FOLDER...]    folders of labelled recordings to compare on
#                                  [default: the synthesised voices of the tests]
#   deploy/arm64.sh --check        check the requirements only
#
#   WORK=.cache/arm64              folder of the system, the packages and the outputs
#   SUITE=bookworm                 Debian release [default: that of Raspberry Pi OS]
#   CLIPS=160                      maximum number of recordings, evenly spread; emulation is slow
#   REPORT=reports/arm64.md        the report
#   PY=.venv/bin/python            Python with everything installed by `make setup`
set -euo pipefail
cd "$(dirname "$0")/.."

stop() { echo "arm64: $*" >&2; exit 1; }
step() { echo; echo "== $* ($((SECONDS / 60)) min $((SECONDS % 60)) s)"; }

[ "$(id -u)" = 0 ] || stop "needs root, to mount and to chroot: run it with sudo"
for tool in debootstrap qemu-aarch64-static update-binfmts unshare; do
  command -v "$tool" >/dev/null || stop "$tool is missing:" \
    "apt-get install debootstrap qemu-user-static binfmt-support util-linux"
done
if [ "${1:-}" = --check ]; then exit; fi

WORK=$(realpath -m "${WORK:-.cache/arm64}")
SUITE=${SUITE:-bookworm}
CLIPS=${CLIPS:-160}
REPORT=${REPORT:-reports/arm64.md}
PY=${PY:-.venv/bin/python}
ROOT="$WORK/$SUITE"
if [ $# = 0 ]; then set -- tests/data/voices; fi
"$PY" -c 'import torch, sklearn' 2>/dev/null || stop "$PY lacks torch or scikit-learn: run make setup"

# In a separate mount namespace: the kernel removes the mounts when this process ends.
if [ -z "${ARM64_ALONE:-}" ]; then
  ARM64_ALONE=yes exec unshare --mount --propagation private "$0" "$@"
fi

# Register the emulator for aarch64 programs.
mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || update-binfmts --enable qemu-aarch64 ||
  stop "the kernel does not allow registering the emulator for aarch64 programs"

# Without the environment variables of this machine; packages come from $WORK only.
enter=(chroot "$ROOT" /usr/bin/env -i QEMU_CPU=cortex-a72 HOME=/root LANG=C.UTF-8
  PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
  PATH=/opt/edge-ser/bin:/usr/sbin:/usr/bin:/sbin:/bin)

mkdir -p "$WORK/wheels" "$WORK/debs"
if [ ! -d "$ROOT" ]; then
  step "create a Debian $SUITE arm64 system in $ROOT: some minutes, once"
  rm -rf "$ROOT.partial"  # left by an interruption
  debootstrap --arch=arm64 --variant=minbase --include=python3-venv --cache-dir="$WORK/debs" \
    "$SUITE" "$ROOT.partial" > "$WORK/debootstrap.log" 2>&1 ||
    stop "debootstrap failed: see $WORK/debootstrap.log"
  mv "$ROOT.partial" "$ROOT"
fi
mount -t proc proc "$ROOT/proc"
mount -t tmpfs tmpfs "$ROOT/tmp"
mkdir -p "$ROOT/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$ROOT/dev/pts"  # terminals for the tests
ln -sf pts/ptmx "$ROOT/dev/ptmx"
# onnxruntime reads the processor from these files, and crashes on one of another family. They
# describe a Raspberry Pi 4, which the emulator emulates.
mount -t tmpfs tmpfs "$ROOT/sys"
mkdir -p "$ROOT/sys/devices/system/cpu"
echo 0-3 | tee "$ROOT/sys/devices/system/cpu/possible" > "$ROOT/sys/devices/system/cpu/present"
for core in 0 1 2 3; do
  printf '%s\n' "processor : $core" "Features : fp asimd evtstrm crc32 cpuid" \
    "CPU implementer : 0x41" "CPU architecture: 8" "CPU variant : 0x0" "CPU part : 0xd08" \
    "CPU revision : 3" ""
done > "$ROOT/sys/cpuinfo"
mount --bind "$ROOT/sys/cpuinfo" "$ROOT/proc/cpuinfo"

step "build the wheel, and download the published aarch64 packages it requires"
rm -f "$WORK"/wheels/edge_ser-*.whl
"$PY" -m pip wheel --quiet --no-deps --wheel-dir "$WORK/wheels" .
version=$("${enter[@]}" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
platforms=()
for glibc in 17 24 26 27 28 31 34; do platforms+=(--platform "manylinux_2_${glibc}_aarch64"); done
# The tests create small models with onnx.
"$PY" -m pip download --quiet --dest "$WORK/wheels" --only-binary :all: \
  --python-version "$version" "${platforms[@]}" --platform manylinux2014_aarch64 \
  "$WORK"/wheels/edge_ser-*.whl pytest hypothesis onnx
mkdir -p "$ROOT/wheels"
mount --bind "$WORK/wheels" "$ROOT/wheels"

step "install"
rm -rf "$ROOT/opt/edge-ser"
"${enter[@]}" python3 -m venv /opt/edge-ser
"${enter[@]}" sh -c 'pip install --quiet /wheels/edge_ser-*.whl'
sizes=$("${enter[@]}" python3 - <<'PYTHON'
from importlib.metadata import distributions
from pathlib import Path

def size(distribution):
    paths = map(Path, map(distribution.locate_file, distribution.files or []))
    return sum(path.stat().st_size for path in paths if path.is_file())

packages = [(size(d), d.name, d.version) for d in distributions()]
packages = sorted((p for p in packages if p[1] not in ("pip", "setuptools")), reverse=True)
for n_bytes, name, version in packages:
    print(f"| {name} | {version} | {n_bytes / 2**20:.1f} |")
print(f"| total | | {sum(p[0] for p in packages) / 2**20:.1f} |")
PYTHON
)

step "measure processes"
# Print CPU seconds and peak MiB of a command: medians of three runs after a warm-up. Measured by a
# small process outside, because the peak of a process starts at that of its parent. CPU time does
# not depend on other programs.
cost() {
  python3 - "$@" <<'PYTHON'
import os, statistics, subprocess, sys

def run():
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(sys.argv[1:])} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

run()
print(*map(statistics.median, zip(*(run() for _ in range(3)))))
PYTHON
}
cp -r samples tests train pyproject.toml "$ROOT/tmp/"  # edge_runtime comes from the wheel
clip=tests/data/voices/sad/speaker01-1.wav
many=$(printf "$clip %.0s" {1..101})
costs=""
for command in "--help" "classify $clip" "classify $many"; do
  emulated=$(cost "${enter[@]}" sh -c "cd /tmp && edge-ser $command")
  native=$(cost sh -c "$PY -m edge_runtime $command")
  costs+="$emulated $native"$'\n'
done
costs=$(python3 - "$costs" <<'PYTHON'
import sys

names = ("`edge-ser --help`", "`edge-ser classify`, one clip", "`edge-ser classify`, 101 clips")
rows = [list(map(float, line.split())) for line in sys.argv[1].splitlines()]
for name, (seconds, mib, native, native_mib) in zip(names, rows):
    print(f"| {name} | {seconds:.2f} | {mib:.0f} | {native:.2f} | {native_mib:.0f} |")
emulated, native = ((rows[2][k] - rows[1][k]) / 100 for k in (0, 2))
print(f"| each further clip | {emulated:.3f} | | {native:.3f} | |")
PYTHON
)

step "compare the outputs for the same clips"
mkdir "$ROOT/tmp/clips"
"$PY" - "$CLIPS" "$ROOT/tmp/clips" "$@" <<'PYTHON'
import shutil, sys
from pathlib import Path
from edge_runtime import EmotionModel
from edge_runtime.datasets.corpora import scan

limit, folder, data = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
clips = [clip for clip in scan(data) if clip.label in EmotionModel.load().labels]
for k, clip in enumerate(clips[:: -(-len(clips) // limit)]):
    shutil.copy(clip.path, folder / f"{k:04}{clip.path.suffix}")
PYTHON
"${enter[@]}" sh -c 'cd / && python3 -m edge_runtime parity-dump --out /tmp/outputs.npz /tmp/clips/*'
cp "$ROOT/tmp/outputs.npz" "$WORK/outputs.npz"
rm -f "$WORK"/parity.json "$WORK"/parity.md
data=(); for folder in "$@"; do data+=(--data "$folder"); done
holds=yes
"$PY" -m export device "$WORK/outputs.npz" "${data[@]}" --report "$WORK/parity" || holds=no

step "run the tests of edge_runtime"
# Tests that need more than a device has, onnx and pytest are skipped.
"${enter[@]}" pip install --quiet pytest hypothesis onnx
chosen="tests/edge_runtime tests/robustness"
"${enter[@]}" sh -c "cd /tmp && HYPOTHESIS_PROFILE=slow python3 -m pytest -p no:cacheprovider \
  $chosen" | tee "$WORK/tests.log" || holds=no

emulator=$(qemu-aarch64-static --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')
machine=$("${enter[@]}" python3 -c \
  'import platform as p; print(f"{p.machine()}, glibc {p.libc_ver()[1]}")')
cat > "$REPORT.tmp" <<MARKDOWN
# 64-bit ARM

\`make arm64\`: the wheel in a Debian $SUITE arm64 system ($machine, Python $version) that
qemu $emulator emulates on $(uname -m) as a Cortex-A72, with the published aarch64 packages.
Seconds are CPU time; those of the emulator do not predict those of a device. Its peak memory
includes the emulator and its translated code.

| process | seconds, emulated | peak MiB, emulated | seconds, native | peak MiB, native |
|---|---:|---:|---:|---:|
$costs

Packages that \`pip install\` of the wheel installs:

| package | version | MiB on disk |
|---|---|---:|
$sizes

Differences between emulated and native outputs for the same clips; UAR in percentage points:

$(grep '^|' "$WORK/parity.md")

Tests in the emulated system, of $(echo $chosen | sed 's/ / and /'): $(tail -1 "$WORK/tests.log").
MARKDOWN
mv "$REPORT.tmp" "$REPORT"
step "wrote $REPORT"
cat "$REPORT"
[ "$holds" = yes ] || stop "a test failed or an output differs: see above"
