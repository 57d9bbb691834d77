"""Limit BLAS, OpenMP, MKL and numba to one thread; import this before numpy.

Child processes inherit the limit. By default BLAS starts a thread per core, which spin next to
librosa's mel filters: twice the CPU time for no gain.
"""

import os

for library in ("OPENBLAS", "OMP", "MKL", "NUMBA"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
