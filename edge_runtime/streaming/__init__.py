"""Predictions for audio that arrives in chunks: streams, timelines and live listening."""
