"""Lines that C libraries print on standard error."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from edge_runtime.native_stderr import silenced


def test_lines_within_are_dropped_and_later_ones_kept():
    """In a process of its own, because other tests may leave threads behind."""
    code = (
        "import os\n"
        "from edge_runtime.native_stderr import silenced\n"
        "os.write(2, b'before ')\n"
        "with silenced():\n"
        "    os.write(2, b'within ')\n"
        "os.write(2, b'after')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stderr == b"before after"


def test_nothing_is_redirected_while_other_threads_run(capfd):
    finished = threading.Event()
    thread = threading.Thread(target=finished.wait)
    thread.start()
    try:
        with silenced():
            os.write(2, b"kept")
    finally:
        finished.set()
        thread.join()
    assert capfd.readouterr().err == "kept"
