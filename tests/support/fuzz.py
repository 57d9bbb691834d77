"""Files that nobody thought of, through every way in: `python -m support.fuzz --count 100000`.

Each input is a small file of some kind, or one of tests/hostile, with a few things wrong; seed and
number say which, so that every run can be repeated. It is tried by a process of its own, as
tests/hostile/outcome.py has it: what ends otherwise than in an answer or in an AudioError, what
crashes, hangs or takes too much memory is kept in tests/hostile/found/, and from then on tried by
`make test`.
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

MAX_BASE = 20_000  # bytes: small ones are tried faster, and their headers are hit more often
HEADER = 128  # bytes at the beginning that are hit more often than the rest
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
    """What inputs are made from: name and content."""
    found = [(name, hostile.good(name, n)) for name in hostile.GOOD for n in (60, 600)]
    found = found * 8  # mostly good files with one thing wrong
    found += [(name, content) for name, content, _ in hostile.files()]
    return [(name, content) for name, content in found if len(content) <= MAX_BASE]


def mutated(content: bytes, rng: random.Random, others: list[tuple[str, bytes]]) -> bytes:
    """`content` with one to eight things wrong."""
    data = bytearray(content)
    for _ in range(min(8, 1 + int(rng.expovariate(0.7)))):
        if not data:
            break
        reach = min(len(data), HEADER) if rng.random() < 0.6 else len(data)
        at = rng.randrange(reach)
        what = rng.randrange(9)
        if what <= 1:
            data[at] ^= 1 << rng.randrange(8)
        elif what <= 3:
            layout, bits = rng.choice(LAYOUTS)
            value = rng.choice(FIELDS) if rng.random() < 0.8 else rng.getrandbits(bits)
            field = struct.pack(layout, value & ((1 << bits) - 1))
            data[at : at + len(field)] = field
        elif what == 4:
            del data[at : at + rng.choice((1, 2, 4, 8, rng.randrange(1, 200)))]
        elif what == 5:
            data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 8, rng.randrange(1, 200))))
        elif what == 6:
            del data[rng.randrange(len(data)) :]
        elif what == 7:
            start = rng.randrange(len(data))
            data[at:at] = data[start : start + rng.randrange(1, 64)]
        else:  # a part of another file
            other = rng.choice(others)[1] or b"\0"
            start = rng.randrange(len(other))
            part = other[start : start + rng.randrange(1, 300)]
            data[at : at + len(part)] = part
    return bytes(data)


def inputs(seed: int, first: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of the inputs from number `first` on."""
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
    """Try names and contents; how often each outcome was seen. What failed is copied to `keep`."""
    seen: Counter[str] = Counter()
    started = time.monotonic()

    def files() -> Iterator[Path]:
        for name, content in tried:
            path = folder / name
            path.write_bytes(content)
            yield path

    for number, result in enumerate(try_all(files(), command), 1):
        seen[kind(result)] += 1
        if result.said.startswith("FAILED"):
            print(f"{result.path.name}: {result.said}", file=sys.stderr)
            if keep is not None:
                content = result.path.read_bytes()
                keep.mkdir(parents=True, exist_ok=True)
                name = hashlib.sha256(content).hexdigest()[:8] + result.path.suffix
                (keep / name).write_bytes(content)
        result.path.unlink()
        if number % 5000 == 0:
            speed = number / (time.monotonic() - started)
            about = f"{number} inputs, {speed:.0f} a second, {result.peak / 1024:.0f} MiB"
            print(f"{about}: {dict(seen)}", flush=True)
    return seen


def kind(result: Result) -> str:
    """ "read", "refused" or "FAILED"."""
    if result.said.startswith("FAILED"):
        return "FAILED"
    return "read" if result.said == "read" else "refused"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="how many inputs")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, help="[default: another one each time]")
    parser.add_argument("--sweeps", action="store_true", help="before, all that are systematic")
    options = parser.parse_args()
    seed = int(time.time()) if options.seed is None else options.seed
    print(f"--seed {seed} --first {options.first} --count {options.count}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        seen: Counter[str] = Counter()
        if options.sweeps:
            seen += fuzz(hostile.sweeps(), Path(folder), hostile.FOUND, command=False)
        more = inputs(seed, options.first, options.count)
        seen += fuzz(more, Path(folder), hostile.FOUND)
    print(dict(seen))
    sys.exit(1 if seen["FAILED"] else 0)


if __name__ == "__main__":
    main()
