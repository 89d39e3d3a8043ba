"""Random tables in random places, random queries: what fedq answers is what one DuckDB answers."""
