"""Training: recordings to features, a PyTorch LSTM, a checkpoint and a report."""
