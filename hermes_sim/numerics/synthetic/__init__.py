"""Data sets that are made by rules instead of read: the same rows for the same seed, however many threads there are."""

from hermes_sim.numerics.synthetic.listops import LISTOPS_LENGTHS, ListOps, make_listops
from hermes_sim.numerics.synthetic.pathfinder import PATHFINDER_LENGTHS, make_pathfinder

__all__ = ["LISTOPS_LENGTHS", "PATHFINDER_LENGTHS", "ListOps", "make_listops", "make_pathfinder"]
