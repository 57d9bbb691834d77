"""HTTP server of `edge-ser serve` (extra `serve`): API, live streams and the page."""
