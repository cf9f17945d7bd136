"""Data sets that are made by rules instead of read: the same rows for the same seed, on any machine and any threads."""

from hermes_sim.numerics.synthetic.listops import ListOps, listops


__all__ = ["ListOps", "listops"]
