"""ONNX import: a network's nodes become operators, or are listed with the reason why not."""
