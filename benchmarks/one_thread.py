"""Imported before numpy, this leaves its BLAS, OpenMP, MKL and numba one thread, here and in the
processes that begin here.

Left alone, BLAS has a thread for every core that spins beside librosa's mel filters: twice the CPU
time, no gain.
"""

import os

for library in ("OPENBLAS", "OMP", "MKL", "NUMBA"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
