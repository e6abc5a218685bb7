"""Published experiments, and the same with this package: published and own numbers side by side."""
