"""Datasets: clips, labels, speakers, splits and cached features."""
