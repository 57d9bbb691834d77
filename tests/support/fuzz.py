"""Fuzz the audio readers: `PYTHONPATH=tests python -m support.fuzz --count 100000`.

Each input is a small valid file, or one of `support.hostile`, with one to eight mutations. Seed and
number determine an input, so every run can be repeated. A separate process tries each file by every
entry point (`support.hostile.outcome`). Inputs that end in anything but a result or an `AudioError`
(a crash, a hang, too much memory) are kept in tests/support/hostile/found/, which `make test` tries
from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from support import hostile
from support.hostile.trial import Result, try_all

MAX_BASE_BYTES = 20_000  # small files are faster, and their headers are hit more often
HEADER_BYTES = 128  # mutated more often than the rest
FIELDS = (
    0,
    1,
    2,
    3,
    4,
    8,
    15,
    16,
    17,
    24,
    32,
    33,
    63,
    64,
    65,
    127,
    128,
    255,
    256,
    999,
    1000,
    1024,
    32_767,
    32_768,
    65_535,
    65_536,
    1 << 24,
    0x7FFF_F000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
    1 << 32,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
)
LAYOUTS = (("<H", 16), (">H", 16), ("<I", 32), (">I", 32), ("<Q", 64), (">Q", 64), ("B", 8))


def bases() -> list[tuple[str, bytes]]:
    """Return names and contents of the files to mutate."""
    files = [(name, hostile.good(name, n)) for name in hostile.GOOD for n in (60, 600)]
    files = files * 8  # mostly valid files with a single mutation
    files += [(name, content) for name, content, _ in hostile.files()]
    return [(name, content) for name, content in files if len(content) <= MAX_BASE_BYTES]


def mutated(content: bytes, rng: random.Random, others: list[tuple[str, bytes]]) -> bytes:
    """Return `content` with one to eight mutations."""
    data = bytearray(content)
    for _ in range(min(8, 1 + int(rng.expovariate(0.7)))):
        if not data:
            break
        reach = min(len(data), HEADER_BYTES) if rng.random() < 0.6 else len(data)
        at = rng.randrange(reach)
        mutation = rng.randrange(9)
        if mutation <= 1:
            data[at] ^= 1 << rng.randrange(8)
        elif mutation <= 3:
            layout, bits = rng.choice(LAYOUTS)
            value = rng.choice(FIELDS) if rng.random() < 0.8 else rng.getrandbits(bits)
            field = struct.pack(layout, value & ((1 << bits) - 1))
            data[at : at + len(field)] = field
        elif mutation == 4:
            del data[at : at + rng.choice((1, 2, 4, 8, rng.randrange(1, 200)))]
        elif mutation == 5:
            data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 8, rng.randrange(1, 200))))
        elif mutation == 6:
            del data[rng.randrange(len(data)) :]
        elif mutation == 7:
            start = rng.randrange(len(data))
            data[at:at] = data[start : start + rng.randrange(1, 64)]
        else:  # splice in a part of another file
            other = rng.choice(others)[1] or b"\0"
            start = rng.randrange(len(other))
            part = other[start : start + rng.randrange(1, 300)]
            data[at : at + len(part)] = part
    return bytes(data)


def inputs(seed: int, first: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the inputs from number `first` on."""
    others = bases()
    for number in range(first, first + count):
        rng = random.Random(f"{seed} {number}")
        name, content = rng.choice(others)
        suffix = name.rsplit(".", 1)[-1] if "." in name else name
        if rng.random() < 0.02:
            content = content[: rng.randrange(1, 16)] + rng.randbytes(rng.randrange(400))
        yield f"{seed}-{number}.{suffix}", mutated(content, rng, others)


def fuzz(
    tried: Iterable[tuple[str, bytes]], folder: Path, keep: Path | None, command: bool = True
) -> Counter[str]:
    """Try the inputs, and copy those that fail to `keep`.

    Args:
        tried: Name and content of each input.
        folder: Where the inputs are written.
        keep: Where failing inputs are copied to.
        command: Try the command line as well.

    Returns:
        The number of inputs per outcome: "read", "refused" or "FAILED".
    """
    outcomes: Counter[str] = Counter()
    started = time.monotonic()

    def files() -> Iterator[Path]:
        for name, content in tried:
            path = folder / name
            path.write_bytes(content)
            yield path

    for number, result in enumerate(try_all(files(), command), 1):
        outcomes[kind(result)] += 1
        if result.message.startswith("FAILED"):
            print(f"{result.path.name}: {result.message}", file=sys.stderr)
            if keep is not None:
                content = result.path.read_bytes()
                keep.mkdir(parents=True, exist_ok=True)
                name = hashlib.sha256(content).hexdigest()[:8] + result.path.suffix
                (keep / name).write_bytes(content)
        result.path.unlink()
        if number % 5000 == 0:
            speed = number / (time.monotonic() - started)
            progress = f"{number} inputs, {speed:.0f} per second, {result.peak / 1024:.0f} MiB"
            print(f"{progress}: {dict(outcomes)}", flush=True)
    return outcomes


def kind(result: Result) -> str:
    """Return "read", "refused" or "FAILED"."""
    if result.message.startswith("FAILED"):
        return "FAILED"
    return "read" if result.message == "read" else "refused"


def main() -> None:
    """Parse the command line and fuzz."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="number of inputs")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, help="[default: the time]")
    parser.add_argument(
        "--sweeps", action="store_true", help="try all systematically damaged files first"
    )
    options = parser.parse_args()
    seed = int(time.time()) if options.seed is None else options.seed
    print(f"--seed {seed} --first {options.first} --count {options.count}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        outcomes: Counter[str] = Counter()
        if options.sweeps:
            outcomes += fuzz(hostile.sweeps(), Path(folder), hostile.FOUND, command=False)
        mutants = inputs(seed, options.first, options.count)
        outcomes += fuzz(mutants, Path(folder), hostile.FOUND)
    print(dict(outcomes))
    sys.exit(1 if outcomes["FAILED"] else 0)


if __name__ == "__main__":
    main()
