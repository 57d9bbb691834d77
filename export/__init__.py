"""Export: checkpoint → fp32 ONNX → int8 ONNX, with the model card inside, → parity report."""
