"""What is simulated: nodes, zones, regions and watermarks of a machine, as values."""
