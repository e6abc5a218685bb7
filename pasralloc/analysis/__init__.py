"""Arrays and counts in, tables out."""
