"""Emotions for the cues, segments and turns of transcripts."""
