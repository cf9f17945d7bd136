"""Ranges of assumed values, carried through to intervals on the results; which assumption moves what."""
