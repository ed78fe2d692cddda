"""Predict emotions with a trained network: NumPy and ONNX Runtime, without TensorFlow."""
