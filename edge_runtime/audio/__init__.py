"""Audio input: bytes of files, pipes and microphones to mono float32 samples."""
