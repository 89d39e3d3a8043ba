"""Parquet, CSV and JSON: a file, a glob, a folder."""
