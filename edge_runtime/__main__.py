"""Entry point: start-up optimisations for a short-lived process, and clean Ctrl-C handling."""

import gc
import os
import sys

# More objects than are created before a clip is classified. Hardly any of them are garbage, and
# collecting takes a tenth of the time.
OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> None:
    """Run the command line and exit with its status."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    # By default numpy's BLAS starts a thread for every other core, each of which spins for a
    # while. The matrices are too small for them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from .cli.app import main

        main()
    except KeyboardInterrupt:
        from .cli.terminal import Interruption  # perhaps not imported yet

        _flush()
        Interruption.leave()
    except SystemExit as exit:
        if exit.code is not None and not isinstance(exit.code, int):
            raise
        _leave(exit.code or 0)
    _leave(0)


def _leave(status: int) -> None:
    """Exit without tearing down the interpreter, which takes longer than classifying a clip.

    All files are closed: `cli.app.main` has returned.
    """
    _flush()
    os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


if __name__ == "__main__":
    main()
