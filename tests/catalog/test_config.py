"""Where a catalog comes from, what lies over it, and what is made of each key."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import fedq.catalog.config
from fedq.catalog.config import check_catalog, find_catalog, load_catalog
from fedq.catalog.model import Catalog, ColumnEntry, Database, Place, Policy, Relation, SecretReference, TableEntry
from fedq.catalog.secrets import Secret
from fedq.errors import CatalogError, CatalogWarning, SecretError

FULL = """\
version = 1

[databases.accounts]
url      = "postgresql+psycopg://app@pg1:5433/accounts?sslmode=require"
password = { env = "ACCOUNTS_PASSWORD" }             # or keyring, file, command, prompt
replicas = ["postgresql://app@pg2/accounts", "postgresql://app@pg3/accounts"]
schemas  = ["audit", "legacy"]
options  = { connect_timeout = "5s", max_connections = 3, sslrootcert = "ca.pem" }

[databases.billing]
url = "mysql+pymysql://app@my1/billing"
read_only = true
on_unrepresentable = "null"

[databases.lake]
url = "data/events/*.parquet"

[tables]
users    = "accounts"
"auth_*" = "accounts"
log      = "ACCOUNTS.audit.log_v1"
visits   = "billing.page_visits"
invoices = { database = "billing", table = "inv_v2", columns = { total = "AMT_TTL" }, key = "id" }
legacy   = { db = "billing", schema = "old", key = ["a", "b"], on_unrepresentable = "text" }

[tables.orders]
database = "billing"
columns.day = { name = "ORD_DT", type = "date", storage = "unix_ms", on_unrepresentable = "null" }
columns.note = { collation = "nocase" }
columns.price = { type = "numeric(12, 2)" }
columns.tags = { type = "VARCHAR[]" }

[[relations]]
name = "invoices"
from = "invoices.user_id"
to   = "users.id"

[[relations]]
from = ["lines.order", "lines.year"]
to   = ["orders.id", "orders.year"]

[policy]
on_cross_db = "error"
pairs       = { "accounts + BILLING" = "allow" }
max_pull    = "5GB"
timeout     = "5m"
freshness   = "1500ms"
local_files = "allow"
memory_limit = "2GiB"

[profiles.dev.databases]
accounts.url = "sqlite:///sample_dbs/accounts.db"

[profiles.dev.tables]
"*" = "accounts"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project with a catalog."""
    (tmp_path / "fedq.toml").write_text(FULL, encoding="utf-8")
    return tmp_path


def test_the_whole_of_a_catalog(home: Path) -> None:
    file = str(home / "fedq.toml")
    catalog = load_catalog(home / "fedq.toml", environment={})
    assert catalog.file == file and catalog.profile is None and catalog.warnings == ()
    assert catalog.databases == {
        "accounts": Database(
            "accounts",
            "postgres",
            "postgresql://app@pg1:5433/accounts",
            password=SecretReference("env", "ACCOUNTS_PASSWORD", Place(file, 5, "databases.accounts.password")),
            replicas=("postgresql://app@pg2/accounts", "postgresql://app@pg3/accounts"),
            schemas=("audit", "legacy"),
            options={
                "sslmode": "require",
                "connect_timeout": 5.0,
                "max_connections": 3,
                "sslrootcert": str(home / "ca.pem"),
            },
            place=Place(file, 3, "databases.accounts"),
        ),
        "billing": Database(
            "billing",
            "mysql",
            "mysql://app@my1/billing",
            read_only=True,
            on_unrepresentable="null",
            place=Place(file, 10, "databases.billing"),
        ),
        "lake": Database("lake", "files", str(home / "data/events/*.parquet"), place=Place(file, 15, "databases.lake")),
    }
    tables = {name: entry for name, entry in catalog.tables.items() if name != "orders"}
    assert tables == {
        "users": TableEntry("users", "accounts", place=Place(file, 19, "tables.users")),
        "auth_*": TableEntry("auth_*", "accounts", place=Place(file, 20, 'tables."auth_*"')),
        "log": TableEntry("log", "accounts", "audit", "log_v1", place=Place(file, 21, "tables.log")),
        "visits": TableEntry("visits", "billing", None, "page_visits", place=Place(file, 22, "tables.visits")),
        "invoices": TableEntry(
            "invoices",
            "billing",
            None,
            "inv_v2",
            {"total": ColumnEntry("AMT_TTL")},
            ("id",),
            place=Place(file, 23, "tables.invoices"),
        ),
        "legacy": TableEntry(
            "legacy",
            "billing",
            "old",
            key=("a", "b"),
            on_unrepresentable="text",
            place=Place(file, 24, "tables.legacy"),
        ),
    }
    assert catalog.tables["orders"].columns == {
        "day": ColumnEntry("ORD_DT", "DATE", storage="unix_ms", on_unrepresentable="null"),
        "note": ColumnEntry(collation="nocase"),
        "price": ColumnEntry(type="DECIMAL(12,2)"),
        "tags": ColumnEntry(type="VARCHAR[]"),
    }
    assert catalog.relations == (
        Relation("invoices", "invoices", ("user_id",), "users", ("id",), Place(file, 33, "relations[0]")),
        Relation("lines", "lines", ("order", "year"), "orders", ("id", "year"), Place(file, 38, "relations[1]")),
    )
    assert catalog.policy == Policy(
        on_cross_db="error",
        pairs={frozenset({"accounts", "billing"}): "allow"},
        max_pull_bytes=5_000_000_000,
        timeout=300.0,
        freshness="1.5s",
        local_files="allow",
        memory_limit="2GiB",
    )


def test_exact_names_win_over_patterns_and_case_does_not_matter(home: Path) -> None:
    catalog = load_catalog(
        {
            "databases": {"a": {"url": "a.db"}, "b": {"url": "b.db"}},
            "tables": {"auth_*": "a", "AUTH_user": "b", "log_202?": "b", "x[1]": "b"},
        },
        environment={},
    )
    found = {
        name: entry and entry.database
        for name in ("auth_user", "Auth_Group", "log_2025", "log_20255", "X[1]", "x1")
        for entry in [catalog.entry(name)]
    }
    assert found == {"auth_user": "b", "Auth_Group": "a", "log_2025": "b", "log_20255": None, "X[1]": "b", "x1": None}
    assigned = catalog.assign("auth_USER", "a")
    assert next(iter(assigned.tables.items()))[0] == "AUTH_user" and assigned.tables["AUTH_user"].database == "a"
    assert len(assigned.tables) == len(catalog.tables)


# --- where it is found


def test_the_nearest_catalog_upwards_is_found(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    own = tmp_path / "config" / "fedq" / "fedq.toml"
    own.parent.mkdir(parents=True)
    own.write_text("version = 1\n")
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert find_catalog(environment, deep) == own
    assert find_catalog({"HOME": str(tmp_path)}, deep) is None
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'fedq'\n")
    assert find_catalog(environment, deep) == own
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.fedq.databases.x]\nurl = 'x.db'\n")
    assert find_catalog(environment, deep) == tmp_path / "a" / "pyproject.toml"
    (tmp_path / "a" / "fedq.toml").write_text("version = 1\n")
    assert find_catalog(environment, deep) == tmp_path / "a" / "fedq.toml"
    (tmp_path / "a" / "b" / "fedq.toml").write_text("version = 1\n")
    assert find_catalog(environment, deep) == tmp_path / "a" / "b" / "fedq.toml"
    named = {**environment, "FEDQ_CATALOG": "elsewhere.toml"}
    assert find_catalog(named, deep) == deep / "elsewhere.toml"
    with pytest.raises(CatalogError, match=r"elsewhere\.toml: the catalog cannot be read"):
        load_catalog(environment=named, directory=deep)


def test_without_a_catalog_the_error_says_where_it_looked_and_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(CatalogError) as caught:
        load_catalog(environment={"HOME": str(tmp_path)}, directory=tmp_path)
    text = str(caught.value)
    for part in ("FEDQ_CATALOG", str(tmp_path), f"{tmp_path}/.config/fedq/fedq.toml", "fedq demo", "fedq.connect(crm="):
        assert part in text


def test_pyproject_has_the_keys_and_lines_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[project]\nname = "x"\n[tool.fedq.databases.crm]\nurl = "crm.db"\nreadonly = true\n')
    catalog, problems = check_catalog(environment={}, directory=tmp_path)
    assert catalog is not None and catalog.databases["crm"].url == f"sqlite:///{tmp_path}/crm.db"
    assert [(problem.line, problem.key) for problem in problems] == [(5, "tool.fedq.databases.crm.readonly")]
    file.write_text("[project]\n")
    with pytest.raises(CatalogError, match=r"no \[tool.fedq\] table"):
        load_catalog(file)


def test_a_folder_stands_for_the_catalog_in_it(home: Path) -> None:
    assert load_catalog(home, environment={}) == load_catalog("fedq.toml", environment={}, directory=home)


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "fedq.toml").write_bytes(b'\xef\xbb\xbfversion = 1\r\n[databases.a]\r\nurl = "a.db"\r\n')
    assert load_catalog(tmp_path, environment={}).databases["a"].place.line == 2


# --- profiles and environment


def test_a_profile_replaces_a_server_and_what_belonged_to_it(home: Path) -> None:
    for catalog in (
        load_catalog(home, profile="dev", environment={}),
        load_catalog(home, environment={"FEDQ_PROFILE": "dev"}),
    ):
        accounts = catalog.databases["accounts"]
        assert catalog.profile == "dev"
        assert accounts == Database(
            "accounts",
            "sqlite",
            f"sqlite:///{home}/sample_dbs/accounts.db",
            place=Place(str(home / "fedq.toml"), 3, "databases.accounts"),
        )
        assert next(iter(catalog.tables)) == "*", "a profile's patterns come first"
        assert catalog.databases["billing"].url == "mysql://app@my1/billing"


def test_a_profile_of_the_same_kind_keeps_the_password_but_no_replica() -> None:
    source = {
        "databases": {"a": {"url": "mysql://u@prod/d", "password": {"env": "P"}, "replicas": ["mysql://u@prod2/d"]}},
        "profiles": {
            "dev": {"databases": {"a": {"url": "mysql://u@dev/d"}}},
            "file": {"databases": {"a": {"password": {"file": "p"}}}},
        },
    }
    dev = load_catalog(source, profile="dev", environment={}).databases["a"]
    assert (dev.url, dev.replicas, dev.password and dev.password.value) == ("mysql://u@dev/d", (), "P")
    file = load_catalog(source, profile="file", environment={}, directory=Path("/srv")).databases["a"]
    assert (file.password and (file.password.kind, file.password.value)) == ("file", "/srv/p"), (
        "references are not merged"
    )
    assert len(file.replicas) == 1


def test_an_unknown_profile_names_those_there_are(home: Path) -> None:
    with pytest.raises(CatalogError) as caught:
        load_catalog(home, profile="devv", environment={})
    assert "it has dev; did you mean 'dev'?" in str(caught.value)
    assert caught.value.suggestion == "dev" and caught.value.line == 51
    with pytest.raises(CatalogError, match="it has none"):
        load_catalog({}, profile="dev", environment={})


def test_a_mistake_in_a_profile_is_placed_there(home: Path) -> None:
    text = FULL.replace("sample_dbs/accounts.db", "").replace("accounts.url", "accounts.ulr")
    (home / "fedq.toml").write_text(text)
    _, problems = check_catalog(home, profile="dev", environment={})
    assert [(problem.line, problem.key, problem.suggestion) for problem in problems] == [
        (52, "profiles.dev.databases.accounts.ulr", "url")
    ]


def test_environment_variables_lie_over_everything(home: Path) -> None:
    environment = {
        "FEDQ_PROFILE": "dev",
        "FEDQ__DATABASES__ACCOUNTS__URL": "postgresql://ci@ci/accounts",
        "FEDQ__DATABASES__ACCOUNTS__PASSWORD": "true",
        "FEDQ__DATABASES__BILLING__READ_ONLY": "false",
        "FEDQ__DATABASES__BILLING__OPTIONS__MAX_CONNECTIONS": "2",
        "FEDQ__DATABASES__NEW__URL": "new.db",
        "FEDQ__TABLES__USERS": "new",
        "FEDQ__TABLES__AUTH_*": '{ database = "new", schema = "main" }',
        "FEDQ__POLICY__MAX_PULL": "1000",
        "fedq__policy__timeout": "10",
    }
    catalog = load_catalog(home, environment=environment)
    accounts = catalog.databases["accounts"]
    assert accounts.url == "postgresql://ci@ci/accounts"
    assert accounts.password is not None and accounts.password.value == Secret("true")
    assert str(accounts.password.place).startswith("environment variable FEDQ__DATABASES__ACCOUNTS__PASSWORD")
    assert catalog.databases["billing"].read_only is False
    assert catalog.databases["billing"].options == {"max_connections": 2}
    assert catalog.databases["new"].url == f"sqlite:///{home}/new.db"
    assert (catalog.tables["users"].database, catalog.tables["auth_*"].schema) == ("new", "main")
    assert (catalog.policy.max_pull_rows, catalog.policy.max_pull_bytes, catalog.policy.timeout) == (1000, None, 10.0)


def test_a_name_with_two_underscores_is_found_by_its_whole() -> None:
    catalog = load_catalog(
        {"databases": {"my__db": {"url": "a.db"}}}, environment={"FEDQ__DATABASES__MY__DB__URL": "/b.db"}
    )
    assert {name: database.url for name, database in catalog.databases.items()} == {"my__db": "sqlite:////b.db"}


def test_a_mistake_in_a_variable_names_the_variable(home: Path) -> None:
    _, problems = check_catalog(home, environment={"FEDQ__DATABSES__X__URL": "x", "FEDQ__POLICY__TIMEOUT": "soon"})
    assert {problem.file for problem in problems} == {
        "environment variable FEDQ__POLICY__TIMEOUT",
        "environment variable FEDQ__DATABSES__X__URL",
    }
    assert {problem.facts.get("suggestion") for problem in problems} == {None, "databases"}


def test_variables_in_texts_are_expanded() -> None:
    source = {
        "databases": {
            "a": {"url": "mysql://${U}@${H}/d$${x}", "password": "${PW}"},
            "b": {"url": "mysql://u:${PW}@h/d"},
        }
    }
    catalog = load_catalog(source, environment={"U": "me", "H": "db1"})
    assert catalog.databases["a"].url == "mysql://me@db1/d${x}"
    for name in ("a", "b"):  # read when connecting: neither set nor encoded now
        password = catalog.databases[name].password
        assert password is not None and (password.kind, password.value) == ("env", "PW")


def test_a_variable_with_a_whole_url_is_no_secret_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "fedq.toml").write_text('[databases.a]\nurl = "${A_URL}"\n')
    catalog = load_catalog(tmp_path, environment={"A_URL": "mysql://u:pw@h/d"})
    assert catalog.warnings == () and catalog.databases["a"].password is not None


# --- in code


def test_databases_of_a_call_need_no_catalog(home: Path) -> None:
    catalog = load_catalog(
        databases={
            "crm": "postgresql://app:pw@db1/crm",
            "lake": Path("data"),
            "shop": {"url": "shop.duckdb", "read_only": True},
            "old": Database("x", "generic", "oracle://h"),
        },
        environment={"FEDQ_CATALOG": "/nowhere", "FEDQ_PROFILE": "dev", "FEDQ__DATABASES__CRM__URL": "x.db"},
        directory=home,
    )
    assert {name: (database.kind, database.url) for name, database in catalog.databases.items()} == {
        "crm": ("postgres", "postgresql://app@db1/crm"),
        "lake": ("files", str(home / "data")),
        "shop": ("duckdb", f"duckdb:///{home}/shop.duckdb"),
        "old": ("generic", "oracle://h"),
    }
    assert catalog.file is None and catalog.warnings == () and catalog.databases["old"].name == "old"


def test_databases_of_a_call_win_over_the_file(home: Path) -> None:
    catalog = load_catalog(home, databases={"Accounts": "other.db", "extra": "x.db"}, environment={}, directory=home)
    assert list(catalog.databases) == ["billing", "lake", "Accounts", "extra"]
    assert catalog.tables["users"].database == "Accounts"
    again = load_catalog(catalog, databases={"lake": "new.db"}, directory=home)
    assert again.databases["lake"].kind == "sqlite" and again.tables == catalog.tables
    assert load_catalog(catalog) is catalog
    with pytest.raises(CatalogError, match="loaded already"):
        load_catalog(catalog, profile="dev")


def test_bad_databases_of_a_call_are_catalog_errors() -> None:
    with pytest.raises(CatalogError) as caught:
        load_catalog(databases={"a": "postgresql://u:p@ss@h/d", "b": 3, "c.d": "x.db"}, environment={})
    assert [problem.key for problem in caught.value.problems] == [
        "databases.a.url",
        "databases.b.url",
        'databases."c.d"',
    ]
    assert "ss" not in str(caught.value).replace("password", "").replace("passed", "")


def test_a_sqlalchemy_url_keeps_its_password() -> None:
    from sqlalchemy.engine import make_url

    crm = load_catalog(databases={"crm": make_url("postgresql://u:s3%40t@h/d")}, environment={}).databases["crm"]
    assert crm.url == "postgresql://u@h/d" and crm.password is not None and crm.password.value == Secret("s3@t")


def test_unset_secrets_are_found_when_asked_for(home: Path) -> None:
    assert check_catalog(home, environment={})[1] == ()
    _, problems = check_catalog(home, environment={}, secrets=True)
    assert len(problems) == 1 and isinstance(problems[0], SecretError)
    assert (problems[0].line, problems[0].key) == (5, "databases.accounts.password")
    assert check_catalog(home, environment={"ACCOUNTS_PASSWORD": "x"}, secrets=True)[1] == ()


def test_a_warning_points_at_the_line_that_asked(tmp_path: Path) -> None:
    (tmp_path / "fedq.toml").write_text('[databases.a]\nurl = "mysql://u:pw@h/d"\n')
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_catalog(tmp_path)
    assert [warning.filename for warning in caught] == [__file__]


# --- what it costs


def test_it_loads_the_standard_library_only_and_little_of_it() -> None:
    code = (
        "import sys; before = set(sys.modules); import fedq.catalog.config, fedq.catalog.edit\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new - sys.stdlib_module_names - {'fedq'}))\n"
        "print(*sorted(new & {'tomllib', 'difflib', 'subprocess', 'getpass', 'asyncio', 'json'}))"
    )
    root = Path(fedq.catalog.config.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []


def test_a_catalog_of_a_thousand_lines_loads_at_once(tmp_path: Path) -> None:
    text = '[databases.a]\nurl = "a.db"\n[tables]\n' + "".join(f'table_{n} = "a.main.t{n}"\n' for n in range(1000))
    (tmp_path / "fedq.toml").write_text(text)
    started = time.process_time()
    catalog: Catalog = load_catalog(tmp_path, environment=dict(os.environ))
    assert len(catalog.tables) == 1000
    assert time.process_time() - started < 1.5


def test_a_catalog_shows_what_there_is_and_where_it_lives(tmp_path: Path) -> None:
    (tmp_path / "fedq.toml").write_text("""
[databases.crm]
url = "postgresql://app:geheim@db1/crm"
read_only = true
[databases.lake]
url = "lake/"
[tables]
customers = "crm.sales.clients"
"auth_*"  = "crm"
[[relations]]
name = "orders"
from = "orders.cid"
to   = "customers.id"
""")
    with pytest.warns(CatalogWarning):
        catalog = load_catalog(tmp_path / "fedq.toml")
    assert repr(catalog).splitlines() == [
        f"catalog {tmp_path}/fedq.toml",
        "databases",
        "  crm   postgres  postgresql://app@db1/crm  read only",
        f"  lake  files  {tmp_path}/lake",
        "tables",
        "  customers  crm.sales.clients",
        "  auth_*     crm",
        "relations",
        "  orders  orders.cid → customers.id",
    ]
