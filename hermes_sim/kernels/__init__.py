"""Kernel methods: exact kernels, random features, ridge, Performer attention, scikit-learn estimators."""
