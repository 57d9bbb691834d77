"""Feature extraction: samples to MFCC frames, and the frames that hold speech."""
