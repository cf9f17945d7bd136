"""Training of the networks that workload files describe: recipes, the loop, and the files that it leaves."""
