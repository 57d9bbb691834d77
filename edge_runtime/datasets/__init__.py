"""Labelled recordings: clips with labels and speakers, from folders, file names and manifests."""
