"""Wrong tables, relations and policies: each an error with its line, key and the nearest valid name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.catalog.bad import CANARY, CRM, Bad, check

CASES = [
    # tables
    Bad(
        "unknown database",
        CRM + '[tables]\nusers = "cmr"\n',
        4,
        "tables.users",
        "no database 'cmr'",
        "crm",
        hint="Databases: crm.",
    ),
    Bad(
        "unknown database in a table",
        CRM + '[tables]\nusers = { database = "cmr" }\n',
        4,
        "tables.users.database",
        "no database",
        "crm",
    ),
    Bad(
        "url as a database",
        CRM + f'[tables]\nusers = "mysql://a:{CANARY}@h/d"\n',
        4,
        "tables.users",
        "must be the name of a database",
    ),
    Bad("four parts", CRM + '[tables]\nusers = "crm.a.b.c"\n', 4, "tables.users", "database.schema.table"),
    Bad("table of a wrong type", CRM + "[tables]\nusers = 1\n", 4, "tables.users", "not a whole number"),
    Bad(
        "unknown key of a table",
        CRM + '[tables]\nusers = { database = "crm", tabel = "u" }\n',
        4,
        "tables.users.tabel",
        "unknown",
        "table",
    ),
    Bad("table without database", CRM + '[tables]\nusers = { table = "u" }\n', 4, "tables.users", "has no database"),
    Bad(
        "dotted name",
        CRM + '[tables]\npublic.users = "crm"\n',
        4,
        "tables.public.users",
        "has no dots",
        hint="to the right",
    ),
    Bad("quoted dotted name", CRM + '[tables]\n"public.users" = "crm"\n', 4, 'tables."public.users"', "has no dots"),
    Bad("braces", CRM + '[tables]\n"{a,b}_*" = "crm"\n', 4, 'tables."{a,b}_*"', "* and ? only"),
    Bad("pattern to a table", CRM + '[tables]\n"a_*" = "crm.users"\n', 4, 'tables."a_*"', "not to one table"),
    Bad(
        "shards",
        CRM + '[tables]\nevents = { shards = ["crm"], by = "hash", key = "id" }\n',
        4,
        "tables.events.shards",
        "sharded tables are not available yet",
    ),
    Bad(
        "unknown column type",
        CRM + '[tables]\nu = { database = "crm", columns = { a = { type = "VARCHR" } } }\n',
        4,
        "tables.u.columns.a.type",
        "no type",
        "VARCHAR",
    ),
    Bad(
        "decimal too wide",
        CRM + '[tables]\nu = { database = "crm", columns = { a = { type = "decimal(50,2)" } } }\n',
        4,
        "tables.u.columns.a.type",
        "at most 38",
    ),
    Bad(
        "storage",
        CRM + '[tables]\nu = { database = "crm", columns = { a = { storage = "unixms" } } }\n',
        4,
        "tables.u.columns.a.storage",
        "one of iso",
        "unix_ms",
    ),
    Bad(
        "one column twice",
        CRM + '[tables]\nu = { database = "crm", columns = { a = "x", b = "x" } }\n',
        4,
        "tables.u.columns.b",
        "'x' is 'a' already",
    ),
    Bad("empty key", CRM + '[tables]\nu = { database = "crm", key = [] }\n', 4, "tables.u.key", "at least one column"),
    Bad("tables that differ in case", CRM + '[tables]\nu = "crm"\nU = "crm"\n', 5, "tables.U", "in case only"),
    # relations
    Bad("relation without to", CRM + '[[relations]]\nfrom = "a.b"\n', 3, "relations[0]", "has no to"),
    Bad(
        "relation without column",
        CRM + '[[relations]]\nfrom = "a"\nto = "b.c"\n',
        4,
        "relations[0].from",
        '"table.column"',
    ),
    Bad(
        "relation of two tables",
        CRM + '[[relations]]\nfrom = ["a.x", "b.x"]\nto = ["c.x", "c.y"]\n',
        4,
        "relations[0].from",
        "one table",
    ),
    Bad(
        "relation of two lengths",
        CRM + '[[relations]]\nfrom = "a.x"\nto = ["c.x", "c.y"]\n',
        3,
        "relations[0]",
        "1 columns and to has 2",
    ),
    Bad(
        "two relations",
        CRM + '[[relations]]\nfrom = "a.x"\nto = "c.x"\n[[relations]]\nfrom = "a.y"\nto = "c.y"\n',
        6,
        "relations[1]",
        "two relations 'a'",
    ),
    Bad("relations as a table", CRM + '[relations]\nfrom = "a.x"\n', 3, "relations", "must be a list, not a table"),
    # policy
    Bad(
        "on_cross_db",
        CRM + '[policy]\non_cross_db = "wran"\n',
        4,
        "policy.on_cross_db",
        "one of warn, error, allow",
        "warn",
    ),
    Bad("pair of one", CRM + '[policy.pairs]\n"crm" = "error"\n', 4, "policy.pairs.crm", "two databases with a +"),
    Bad(
        "pair with an unknown",
        CRM + '[policy.pairs]\n"crm+billing" = "error"\n',
        4,
        'policy.pairs."crm+billing"',
        "no database 'billing'",
    ),
    Bad("max_pull", CRM + '[policy]\nmax_pull = "5XB"\n', 4, "policy.max_pull", "a size such as"),
    Bad("max_pull of a wrong type", CRM + "[policy]\nmax_pull = true\n", 4, "policy.max_pull", "number of rows"),
    Bad(
        "max_pull_rows",
        CRM + "[policy]\nmax_pull_rows = 5\n",
        4,
        "policy.max_pull_rows",
        "unknown",
        hint="max_pull = 1000000",
    ),
    Bad(
        "timeout",
        CRM + '[policy]\ntimeout = "5 parsecs"\n',
        4,
        "policy.timeout",
        "must be a duration of more than zero",
    ),
    Bad("timeout zero", CRM + "[policy]\ntimeout = 0\n", 4, "policy.timeout", "more than zero"),
    Bad("freshness", CRM + '[policy]\nfreshness = "fresh"\n', 4, "policy.freshness", "one of session, any, strong"),
    Bad(
        "local_files",
        CRM + "[policy]\nlocal_files = true\n",
        4,
        "policy.local_files",
        "must be a text, not true or false",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_bad_entry_is_one_named_error(case: Bad, tmp_path: Path) -> None:
    check(case, tmp_path)
