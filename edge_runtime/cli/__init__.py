"""The `edge-ser` command line."""
