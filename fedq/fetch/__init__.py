"""One statement → Arrow batches from ONE database."""
