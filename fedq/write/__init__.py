"""Writing: INSERT, UPDATE, DELETE and whole tables, each to the one database that owns the rows.

execute("update orders set …")  →  a federated read: keys and new values  →  one transaction: rows by key
write(df, "orders")             →  Arrow, converted lossless or refused   →  one transaction: COPY, LOAD DATA, …
"""
