"""Results as JSON, CSV and subtitles, for the command line and the server."""
