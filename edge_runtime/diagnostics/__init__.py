"""Diagnostics: checks of recordings and installations, benchmarks, and parity dumps."""
