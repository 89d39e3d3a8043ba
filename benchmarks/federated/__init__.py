"""TPC-H over PostgreSQL, MariaDB and SQLite: fedq beside the other ways to ask one query of several databases.

place.py     which table stands in which database, and how it looks there
site.py      the servers and what is loaded into them; both outlive a run
link.py      the way from a client to the servers: loopback, or a slower link on which bytes are counted
clients/     one small process per system, all with one protocol
race.py      the systems take turns at every query
report.py    tables, plots, and the page that quotes them
"""
