"""PostgreSQL: read by COPY, described by its catalog."""
