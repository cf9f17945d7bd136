"""Accuracy of workloads on the chip, beside the digital one, and its comparison with measurements."""
