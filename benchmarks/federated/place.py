"""Which table stands in which database, and how a TPC-H table is declared there.

    placement(3) → Place("pg", "postgres", ("lineitem", "orders")), Place("maria", …), Place("lite", …)

Lengths are the specification's; every text is VARCHAR, because dbgen writes no padding. Keys and the foreign keys'
indexes are the ones that a database with these tables would have; there is no index on a date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Engine = Literal["postgres", "mariadb", "sqlite"]

MONEY = "decimal(15,2)"
COLUMNS: dict[str, dict[str, str]] = {
    "region": {"r_regionkey": "integer", "r_name": "varchar(25)", "r_comment": "varchar(152)"},
    "nation": {
        "n_nationkey": "integer", "n_name": "varchar(25)", "n_regionkey": "integer", "n_comment": "varchar(152)",
    },
    "supplier": {
        "s_suppkey": "bigint", "s_name": "varchar(25)", "s_address": "varchar(40)", "s_nationkey": "integer",
        "s_phone": "varchar(15)", "s_acctbal": MONEY, "s_comment": "varchar(101)",
    },
    "customer": {
        "c_custkey": "bigint", "c_name": "varchar(25)", "c_address": "varchar(40)", "c_nationkey": "integer",
        "c_phone": "varchar(15)", "c_acctbal": MONEY, "c_mktsegment": "varchar(10)", "c_comment": "varchar(117)",
    },
    "part": {
        "p_partkey": "bigint", "p_name": "varchar(55)", "p_mfgr": "varchar(25)", "p_brand": "varchar(10)",
        "p_type": "varchar(25)", "p_size": "integer", "p_container": "varchar(10)", "p_retailprice": MONEY,
        "p_comment": "varchar(23)",
    },
    "partsupp": {
        "ps_partkey": "bigint", "ps_suppkey": "bigint", "ps_availqty": "bigint", "ps_supplycost": MONEY,
        "ps_comment": "varchar(199)",
    },
    "orders": {
        "o_orderkey": "bigint", "o_custkey": "bigint", "o_orderstatus": "varchar(1)", "o_totalprice": MONEY,
        "o_orderdate": "date", "o_orderpriority": "varchar(15)", "o_clerk": "varchar(15)", "o_shippriority": "integer",
        "o_comment": "varchar(79)",
    },
    "lineitem": {
        "l_orderkey": "bigint", "l_partkey": "bigint", "l_suppkey": "bigint", "l_linenumber": "bigint",
        "l_quantity": MONEY, "l_extendedprice": MONEY, "l_discount": MONEY, "l_tax": MONEY,
        "l_returnflag": "varchar(1)", "l_linestatus": "varchar(1)", "l_shipdate": "date", "l_commitdate": "date",
        "l_receiptdate": "date", "l_shipinstruct": "varchar(25)", "l_shipmode": "varchar(10)",
        "l_comment": "varchar(44)",
    },
}  # fmt: skip

PRIMARY: dict[str, tuple[str, ...]] = {
    "region": ("r_regionkey",), "nation": ("n_nationkey",), "supplier": ("s_suppkey",), "customer": ("c_custkey",),
    "part": ("p_partkey",), "partsupp": ("ps_partkey", "ps_suppkey"), "orders": ("o_orderkey",),
    "lineitem": ("l_orderkey", "l_linenumber"),
}  # fmt: skip

# What a primary key does not already begin with.
FOREIGN: dict[str, tuple[tuple[str, ...], ...]] = {
    "nation": (("n_regionkey",),), "supplier": (("s_nationkey",),), "customer": (("c_nationkey",),),
    "partsupp": (("ps_suppkey",),), "orders": (("o_custkey",),),
    "lineitem": (("l_partkey", "l_suppkey"), ("l_suppkey",)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """One database of a placement."""

    name: str
    engine: Engine
    tables: tuple[str, ...]


PLACEMENTS: dict[int, tuple[Place, ...]] = {
    2: (
        Place("pg", "postgres", ("lineitem", "orders", "part")),
        Place("maria", "mariadb", ("customer", "supplier", "partsupp", "nation", "region")),
    ),
    3: (
        Place("pg", "postgres", ("lineitem", "orders")),
        Place("maria", "mariadb", ("customer", "supplier", "partsupp")),
        Place("lite", "sqlite", ("part", "nation", "region")),
    ),
    4: (
        Place("pg_sales", "postgres", ("lineitem", "orders")),
        Place("pg_people", "postgres", ("customer", "nation")),
        Place("maria", "mariadb", ("supplier", "partsupp")),
        Place("lite", "sqlite", ("part", "region")),
    ),
    8: (
        Place("pg_lines", "postgres", ("lineitem",)),
        Place("pg_orders", "postgres", ("orders",)),
        Place("pg_parts", "postgres", ("part",)),
        Place("maria_people", "mariadb", ("customer",)),
        Place("maria_stock", "mariadb", ("partsupp",)),
        Place("maria_trade", "mariadb", ("supplier",)),
        Place("lite_nations", "sqlite", ("nation",)),
        Place("lite_regions", "sqlite", ("region",)),
    ),
}


def create_table(table: str, engine: Engine) -> str:
    """The CREATE TABLE with its primary key.

    >>> create_table("region", "sqlite")[:55]
    'CREATE TABLE region (r_regionkey integer NOT NULL, r_na'
    """
    columns = [f"{name} {type_} NOT NULL" for name, type_ in COLUMNS[table].items()]
    options = " ENGINE=InnoDB" if engine == "mariadb" else ""
    return f"CREATE TABLE {table} ({', '.join(columns)}, PRIMARY KEY ({', '.join(PRIMARY[table])})){options}"


def create_indexes(table: str) -> list[str]:
    """The indexes of a table's foreign keys."""
    return [
        f"CREATE INDEX {table}_{'_'.join(columns)} ON {table} ({', '.join(columns)})"
        for columns in FOREIGN.get(table, ())
    ]
