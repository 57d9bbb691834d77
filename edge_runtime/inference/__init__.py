"""Inference: the network of one .onnx file, its model card, and speaker profiles."""
