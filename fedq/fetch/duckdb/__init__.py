"""DuckDB files, and the engine that reads files and frames too."""
