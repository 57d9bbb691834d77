"""Scores of a model on labelled clips."""
