"""Every other database, through SQLAlchemy."""
