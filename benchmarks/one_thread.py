"""Imported before numpy, this leaves its BLAS, OpenMP and MKL one thread.

A thread for every core spins beside librosa's mel filters: twice the time of a processor, no gain.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
