"""The entry point of `edge-ser`: what a process is spared that lives for a fraction of a second,
and quiet from the first moment on when it is interrupted."""

import gc
import os
import sys

# More than are made until a clip is answered: until then next to nothing of them is garbage, and
# looking for it takes a tenth of the time.
OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> None:
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    # numpy's BLAS else starts a thread for every other core, each of which spins for a while,
    # and our matrices are too small for them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from .cli.app import main

        main()
    except KeyboardInterrupt:
        from .cli.terminal import Interruption  # perhaps not imported yet

        _flush()
        Interruption.leave()
    except SystemExit as left:
        if left.code is not None and not isinstance(left.code, int):
            raise
        _leave(left.code or 0)
    _leave(0)


def _leave(status: int) -> None:
    """End the process without taking it apart, which takes longer than to classify a clip.

    Whatever had to be closed has been: `cli.main` has returned.
    """
    _flush()
    os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


if __name__ == "__main__":
    main()
