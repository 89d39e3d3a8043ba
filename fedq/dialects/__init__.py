"""What each KIND of database can say, and say exactly: pure knowledge, no connection."""
