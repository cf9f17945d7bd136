"""Mutation testing: does a test die of a one-line bug? Sites and operators, the fixed sample, and its runner."""
