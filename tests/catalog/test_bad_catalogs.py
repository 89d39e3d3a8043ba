"""A wrong catalog is an error with code, file, line, key and the nearest valid name, and without a secret."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from fedq.catalog.config import check_catalog, load_catalog
from fedq.errors import CatalogError
from tests.catalog.bad import CANARY, CRM, Bad, check

CASES = [
    # TOML
    Bad(
        "no quotes",
        f"[databases.crm]\nurl = postgresql://app:{CANARY}@h/d\n",
        2,
        "databases.crm.url",
        "not valid TOML",
        hint="double quotes",
    ),
    Bad(
        "pattern without quotes",
        CRM + '[tables]\nauth_* = "crm"\n',
        4,
        "tables.auth_*",
        "not valid TOML",
        hint="double quotes",
    ),
    Bad("key twice", CRM + f'url = "{CANARY}"\n', 3, "databases.crm.url", "there twice, first on line 2"),
    Bad("table twice", CRM + "[databases.crm]\nread_only = true\n", 3, "databases.crm", "there twice, first on line 1"),
    Bad("inline key twice", CRM + '[tables]\nu = { db = "crm", db = "crm" }\n', 4, "tables.u.db", "there twice"),
    Bad("open string", CRM + f'password = "{CANARY}\n', 3, "databases.crm.password", "not valid TOML"),
    Bad(
        "open array",
        CRM + f'replicas = ["postgresql://app:{CANARY}@h/d"\n',
        3,
        "databases.crm.replicas",
        "not valid TOML",
    ),
    Bad("nested too deep", CRM + "[tables]\nx = " + "[" * 5000, 4, "tables.x", "nested too deep"),
    # sections and keys
    Bad("unknown section", CRM + "[tabels]\n", 3, "tabels", "unknown", "tables"),
    Bad(
        "unknown key of a database", CRM + f'pasword = "{CANARY}"\n', 3, "databases.crm.pasword", "unknown", "password"
    ),
    Bad(
        "unlike any key",
        CRM + f'zzz = "{CANARY}"\n',
        3,
        "databases.crm.zzz",
        "unknown",
        hint="Known here: url, password",
    ),
    Bad(
        "option in the wrong place",
        CRM + 'sslmode = "require"\n',
        3,
        "databases.crm.sslmode",
        "unknown",
        hint="options = { sslmode = … }",
    ),
    Bad("version 2", "version = 2\n" + CRM, 1, "version", "version 1 only"),
    Bad("version true", "version = true\n" + CRM, 1, "version", "version 1 only"),
    Bad("databases is a text", f'databases = "{CANARY}"\n', 1, "databases", "must be a table, not a text"),
    Bad("tables is a list", CRM + "[[tables]]\n", 3, "tables", "must be a table, not a list"),
    Bad("profile key", CRM + "[profiles.dev.database]\n", 3, "profiles.dev.database", "unknown", "databases"),
    # databases
    Bad("no url", f'[databases.crm]\npassword = {{ env = "X" }}\n# {CANARY}\n', 1, "databases.crm", "no url"),
    Bad(
        "a bare url",
        f'[databases]\ncrm = "postgresql://app:{CANARY}@h/d"\n',
        2,
        "databases.crm",
        "a table with a url",
        hint="[databases.crm]",
    ),
    Bad(
        "url of a wrong type",
        "[databases.crm]\nurl = 5432\n",
        2,
        "databases.crm.url",
        "must be a text, not a whole number",
    ),
    Bad("empty url", '[databases.crm]\nurl = ""\n', 2, "databases.crm.url", "it is empty"),
    Bad("name with a dot", f'[databases."a.b"]\nurl = "x.db"\n# {CANARY}', 1, 'databases."a.b"', "name of a database"),
    Bad(
        "names that differ in case",
        CRM + '[databases.CRM]\nurl = "x.db"\n',
        3,
        "databases.CRM",
        "differs from 'crm' in case",
    ),
    Bad(
        "@ in the password",
        f'[databases.crm]\nurl = "postgresql://app:{CANARY}@x@h/d"\n',
        2,
        "databases.crm.url",
        "an @ in the wrong",
        hint="%40",
    ),
    Bad(
        "/ in the password",
        f'[databases.crm]\nurl = "mysql://app:{CANARY}/x@h/d"\n',
        2,
        "databases.crm.url",
        "an @ in the wrong",
        hint="%2F",
    ),
    Bad(
        "? in the password",
        f'[databases.crm]\nurl = "mysql://app:{CANARY}?x@h/d"\n',
        2,
        "databases.crm.url",
        "an @ in the wrong",
        hint="%3F",
    ),
    Bad(
        "% in the password",
        f'[databases.crm]\nurl = "mysql://app:{CANARY}%x@h/d"\n',
        2,
        "databases.crm.url",
        "hexadecimal",
        hint="%25",
    ),
    Bad(
        "a port that is none", f'[databases.crm]\nurl = "mysql://app:x@h:{CANARY}/d"\n', 2, "databases.crm.url", "port"
    ),
    Bad(
        "several hosts",
        '[databases.crm]\nurl = "postgresql://app@a,b/d"\n',
        2,
        "databases.crm.url",
        "several hosts",
        hint="replicas",
    ),
    Bad(
        "misspelt scheme",
        f'[databases.crm]\nurl = "postgressql://app:{CANARY}@h/d"\n',
        2,
        "databases.crm.url",
        "no kind of database",
        "postgresql",
    ),
    Bad(
        "jdbc",
        f'[databases.crm]\nurl = "jdbc:postgresql://h/d?password={CANARY}"\n',
        2,
        "databases.crm.url",
        "no scheme",
    ),
    Bad(
        "one slash", f'[databases.crm]\nurl = "postgresql:app:{CANARY}@h/d"\n', 2, "databases.crm.url", "followed by //"
    ),
    Bad(
        "two slashes",
        '[databases.crm]\nurl = "sqlite://x.db"\n',
        2,
        "databases.crm.url",
        "followed by a host",
        hint="three slashes",
    ),
    Bad("in memory", '[databases.crm]\nurl = "sqlite://"\n', 2, "databases.crm.url", "in memory"),
    Bad("s3", '[databases.crm]\nurl = "s3://bucket/x.parquet"\n', 2, "databases.crm.url", "on this machine"),
    Bad(
        "password twice",
        f'[databases.crm]\nurl = "mysql://a@h/d"\npassword = {{ env = "A", file = "{CANARY}" }}\n',
        3,
        "databases.crm.password",
        "exactly one of env",
    ),
    Bad(
        "password in url and key",
        CRM + 'password = { env = "A" }\n',
        3,
        "databases.crm.password",
        "has a password already",
    ),
    Bad(
        "misspelt secret",
        f'[databases.crm]\nurl = "mysql://a@h/d"\npassword = {{ evn = "{CANARY}" }}\n',
        3,
        "databases.crm.password.evn",
        "unknown",
        "env",
    ),
    Bad(
        "password in env",
        f'[databases.crm]\nurl = "mysql://a@h/d"\npassword = {{ env = "{CANARY}" }}\n',
        3,
        "databases.crm.password.env",
        "name of an environment variable",
    ),
    Bad(
        "command as a text",
        f'[databases.crm]\nurl = "mysql://a@h/d"\npassword = {{ command = "echo {CANARY}" }}\n',
        3,
        "databases.crm.password.command",
        "must be a list",
    ),
    Bad(
        "keyring without user",
        f'[databases.crm]\nurl = "mysql://a@h/d"\npassword = {{ keyring = "{CANARY}" }}\n',
        3,
        "databases.crm.password.keyring",
        "service/user",
    ),
    Bad(
        "password of a file",
        f'[databases.crm]\nurl = "x.db"\npassword = "{CANARY}"\n',
        3,
        "databases.crm.password",
        "no password",
    ),
    Bad(
        "read_only as text",
        CRM + f'read_only = "{CANARY}"\n',
        3,
        "databases.crm.read_only",
        "true or false, not a text",
    ),
    Bad(
        "replica of another kind",
        CRM + f'replicas = ["mysql://app:{CANARY}@h/d"]\n',
        3,
        "databases.crm.replicas[0]",
        "of kind mysql",
    ),
    Bad(
        "bad second replica",
        CRM + f'replicas = [\n "postgresql://h2/crm",\n "postgresql://a:{CANARY}@@h/d"\n]\n',
        5,
        "databases.crm.replicas[1]",
        "an @ in the wrong place",
    ),
    Bad(
        "fallback",
        CRM + f'on_unrepresentable = "nul"\n# {CANARY}',
        3,
        "databases.crm.on_unrepresentable",
        "one of error, null",
        "null",
    ),
    Bad(
        "unknown option",
        CRM + f'options = {{ sslmod = "{CANARY}" }}\n',
        3,
        "databases.crm.options.sslmod",
        "unknown",
        "sslmode",
    ),
    Bad(
        "unknown option in the url",
        f'[databases.crm]\nurl = "mysql://a:{CANARY}@h/d?conect_timeout=3"\n',
        2,
        "databases.crm.url.conect_timeout",
        "unknown",
        "connect_timeout",
    ),
    Bad(
        "init_command",
        f'[databases.crm]\nurl = "mysql://a:{CANARY}@h/d?init_command=DROP+TABLE+x"\n',
        2,
        "databases.crm.url.init_command",
        "unknown",
        hint="refused: it would run SQL",
    ),
    Bad(
        "local_infile",
        CRM + "options = { local_infile = 1 }\n",
        3,
        "databases.crm.options.local_infile",
        "unknown",
        hint="read this machine's files",
    ),
    Bad(
        "read_default_file",
        f'[databases.crm]\nurl = "mysql://a@h/d?read_default_file={CANARY}"\n',
        2,
        "databases.crm.url.read_default_file",
        "unknown",
        hint="another file",
    ),
    Bad(
        "service",
        f'[databases.crm]\nurl = "postgresql:///d?service={CANARY}"\n',
        2,
        "databases.crm.url.service",
        "unknown",
        hint="another file",
    ),
    Bad(
        "host in the query",
        f'[databases.crm]\nurl = "postgresql:///d?host=/tmp/{CANARY}"\n',
        2,
        "databases.crm.url.host",
        "unknown",
        hint="one place only",
    ),
    Bad(
        "server options",
        f'[databases.crm]\nurl = "postgresql://h/d?options=-c+{CANARY}"\n',
        2,
        "databases.crm.url.options",
        "unknown",
        hint="server settings",
    ),
    Bad(
        "init_command of another driver",
        f'[databases.crm]\nurl = "mssql+pyodbc://a:{CANARY}@h/d?init_command=x"\n',
        2,
        "databases.crm.url",
        "refused: it would run SQL",
    ),
    Bad(
        "socket as a host",
        f'[databases.crm]\nurl = "postgresql://a:{CANARY}@%2Ftmp%2Fx/d"\n',
        2,
        "databases.crm.url",
        "socket",
    ),
    Bad(
        "bad sslmode",
        CRM + 'options = { sslmode = "verify" }\n',
        3,
        "databases.crm.options.sslmode",
        "one of disable",
        "verify-ca",
    ),
    Bad(
        "bad max_connections",
        CRM + f'options = {{ max_connections = "{CANARY}" }}\n',
        3,
        "databases.crm.options.max_connections",
        "whole number of at least 1",
    ),
    Bad(
        "bad connect_timeout",
        CRM + f'options = {{ connect_timeout = "{CANARY}" }}\n',
        3,
        "databases.crm.options.connect_timeout",
        "must be a duration",
    ),
    Bad(
        "variable not set",
        f'# {CANARY}\n[databases.crm]\nurl = "mysql://${{NO_SUCH}}@h/d"\n',
        3,
        "databases.crm.url",
        "NO_SUCH is not set",
    ),
    Bad(
        "a broken variable",
        f'# {CANARY}\n[databases.crm]\nurl = "mysql://${{NO-SUCH}}@h/d"\n',
        3,
        "databases.crm.url",
        "$${",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_bad_catalog_is_one_named_error(case: Bad, tmp_path: Path) -> None:
    check(case, tmp_path)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    file = tmp_path / "fedq.toml"
    file.write_text(CRM + 'pasword = "x"\n[tables]\na = "cmr"\nb = "crm"\n[policy]\ntimeout = "x"\n', encoding="utf-8")
    with pytest.raises(CatalogError) as caught:
        load_catalog(file, environment={})
    error = caught.value
    assert [problem.key for problem in error.problems] == ["databases.crm.pasword", "tables.a", "policy.timeout"]
    assert (error.line, error.key, error.suggestion) == (3, "databases.crm.pasword", "password")
    lines = str(error).splitlines()
    assert lines[0].startswith("FQ101: ") and "did you mean 'password'?" in lines[0]
    more = lines.index("2 more problems:")
    assert f"{file}:5 [tables.a]" in lines[more + 1] and f"{file}:8 [policy.timeout]" in lines[more + 2]
    catalog, problems = check_catalog(file, environment={})
    assert len(problems) == 3
    assert catalog is not None and set(catalog.databases) == {"crm"} and set(catalog.tables) == {"b"}


def test_a_bad_database_is_not_reported_again_by_the_tables_in_it(tmp_path: Path) -> None:
    file = tmp_path / "fedq.toml"
    file.write_text('[databases.crm]\nurl = ""\n[tables]\nusers = "crm"\n', encoding="utf-8")
    _, problems = check_catalog(file, environment={})
    assert [problem.key for problem in problems] == ["databases.crm.url"]


def test_what_is_not_text_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "fedq.toml"
    file.write_bytes(b"version = 1\n# caf\xe9\n")
    with pytest.raises(CatalogError, match=r"fedq.toml:2: the file is not UTF-8 text"):
        load_catalog(file)
    with pytest.raises(CatalogError, match=r"nothing.toml: the catalog cannot be read: No such file"):
        load_catalog(tmp_path / "nothing.toml")
    file.chmod(0)
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(CatalogError, match="cannot be read"):
        load_catalog(tmp_path / "folder.toml")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (f"postgresql://app:{CANARY}@h/d", "this is the URL of a database"),
        ("data/crm.db", "a catalog is a .toml file"),
        (42, "not a int"),
        ({1: 2}, "keys must be texts"),
        ({"databases": {"crm": {"url": object()}}}, "must be a text, not a Python object"),
        ({"databases": {"crm": object()}}, "must be a table, not a Python object"),
    ],
)
def test_a_source_that_is_no_catalog(source: object, says: str) -> None:
    with pytest.raises(CatalogError) as caught:
        load_catalog(source, environment={})  # type: ignore[arg-type]
    assert says in str(caught.value) and CANARY not in str(caught.value)


def test_warnings_name_the_line_and_not_the_secret(tmp_path: Path) -> None:
    file = tmp_path / "fedq.toml"
    file.write_text(CRM + f'[databases.b]\nurl = "mysql://a@h/d"\npassword = "{CANARY}"\n', encoding="utf-8")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        catalog = load_catalog(file, environment={})
    assert [str(warning.message).partition(": ")[2].partition("]")[0] for warning in caught] == [
        f"{file}:2 [databases.crm.url",
        f"{file}:5 [databases.b.password",
    ]
    assert {warning.filename for warning in caught} == {__file__}
    assert all(CANARY not in str(warning.message) for warning in caught)
    assert CANARY not in repr(catalog) and CANARY not in str(catalog)
