"""Chips beside digital accelerators over many workloads, and where the winner changes."""
