"""Training: corpora → the features of `edge_runtime.mfcc` → a PyTorch LSTM → checkpoint, report."""
