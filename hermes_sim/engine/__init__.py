"""Event engines: one contract (README.md), a readable engine on SimPy and a fast one in machine code."""
