"""Export of trained networks to ONNX: fp32, int8 and waveform graphs, parity and model card."""
