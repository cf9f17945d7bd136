"""Workload -> operator graph, one module per family."""
