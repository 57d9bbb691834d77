"""Lines that C libraries print on standard error."""

from __future__ import annotations

import os
import threading

from edge_runtime.native_stderr import silenced


def test_lines_within_are_dropped_and_later_ones_kept(capfd):
    os.write(2, b"before ")
    with silenced():
        os.write(2, b"within ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


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
