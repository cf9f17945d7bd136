"""Physics of a chip below any mapping: routes over its network, where things lie, what every stage costs."""
