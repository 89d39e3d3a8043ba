"""The same SQL on one DuckDB that holds every table, and federated: the same rows, columns and types."""
