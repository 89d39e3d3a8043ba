"""Arrow from several databases → one Arrow table, by the user's own text."""
