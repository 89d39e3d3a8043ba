"""MySQL and MariaDB: rows by the text and binary protocols, described by information_schema."""
