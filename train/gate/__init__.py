"""The speech gate: training data, labels, network and training."""
