"""Seeded generators of load for a simulation."""
