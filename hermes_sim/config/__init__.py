"""What all config files share: quantities with units and sources, YAML with line numbers, sections, overrides."""
