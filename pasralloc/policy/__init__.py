"""Decisions as values: what is compared when policies are."""
