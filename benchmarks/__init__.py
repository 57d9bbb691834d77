"""Benchmarks of speed, memory and robustness; each module is a program (`--help`)."""
