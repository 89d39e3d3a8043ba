"""Catalogs that are wrong: the error names the file, the line, the key and the nearest valid name, and no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fedq
from fedq.errors import CatalogError, DriverMissing, FedqError, SecretError, TableNotFound
from tests.badinput.support import CANARY, Company, fails

URL = f"postgresql://app:{CANARY}@127.0.0.1:1/crm"
#: each is the text of a file, the words that must be in the error; {url} is a URL with a secret
WRONG = {
    "a key that is not there": ("[databases.crm]\nurll = '{url}'\n", ["urll", "url", "2"]),
    "a section that is not there": ("[databasses.crm]\nurl = '{url}'\n", ["databasses", "databases", "1"]),
    "no url": ("[databases.crm]\nread_only = true\n", ["crm", "url"]),
    "a url of the wrong type": ("[databases.crm]\nurl = 5\n", ["url", "2"]),
    "an empty url": ("[databases.crm]\nurl = ''\n", ["url", "2"]),
    "not toml": ("[databases.crm\nurl = '{url}'\n", ["1"]),
    "a key twice": ("[databases.crm]\nurl = '{url}'\nurl = '{url}'\n", ["3", "url"]),
    "a table in no database": ("[databases.crm]\nurl = '{url}'\n[tables]\nusers = 'cmr'\n", ["cmr", "crm", "4"]),
    "a table of the wrong type": ("[databases.crm]\nurl = '{url}'\n[tables]\nusers = 5\n", ["users", "4"]),
    "a column of the wrong type": ("[databases.crm]\nurl='{url}'\n[tables.users]\ndatabase='crm'\ncolumns = { a = 5 }\n", ["5", "a"]),
    "a type that is none": (
        "[databases.crm]\nurl = '{url}'\n[tables.users]\ndatabase = 'crm'\ncolumns = {{ a = {{ type = 'INTGER' }} }}\n", ["INTGER", "INTEGER"],
    ),
    "a policy that is none": ("[policy]\non_cross_db = 'wran'\n", ["on_cross_db", "warn", "2"]),
    "a size that is none": ("[policy]\nmax_pull = 'much'\n", ["max_pull", "2"]),
    "a timeout that is none": ("[policy]\ntimeout = 'soon'\n", ["timeout", "2"]),
    "a version of later": ("version = 99\n", ["version", "1"]),
    "an option that runs SQL": ("[databases.crm]\nurl = '{url}?init_command=DROP TABLE x'\n", ["init_command"]),
    "an option that reads files": ("[databases.crm]\nurl = 'mysql://a:fq-CANARY-7f3a@h/d?read_default_file=/x'\n", ["read_default_file"]),
    "a port that is none": ("[databases.crm]\nurl = 'postgresql://app:fq-CANARY-7f3a@host:port/crm'\n", ["port"]),
    "an unescaped password": ("[databases.crm]\nurl = 'postgresql://app:fq-CANARY-7f3a@x/y@host/crm'\n", ["@"]),
    "a scheme misspelt": ("[databases.crm]\nurl = 'postgers://app:fq-CANARY-7f3a@host/crm'\n", ["postgers", "postgres"]),
    "a password twice": ("[databases.crm]\nurl = '{url}'\npassword = {{ env = 'X' }}\n", ["password"]),
    "a secret of two kinds": ("[databases.crm]\nurl = 'postgresql://a@h/d'\npassword = {{ env = 'X', file = 'y' }}\n", ["password"]),
    "a relation to nowhere": ("[databases.crm]\nurl = '{url}'\n[[relations]]\nname = 'r'\nfrom = 'a'\nto = 'b.id'\n", ["from"]),
    "a profile that is not there": (None, ["staging"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.filterwarnings("ignore::fedq.errors.CatalogWarning")
def test_a_catalog_file_that_is_wrong(name: str, tmp_path: Path) -> None:
    text, words = WRONG[name]
    file = tmp_path / "fedq.toml"
    if text is None:
        file.write_text(f"[databases.crm]\nurl = '{URL}'\n[profiles.dev.databases]\ncrm.url = 'x.db'\n")
        fails(lambda: fedq.connect(file, profile="staging"), CatalogError, *words)
        return
    file.write_text(text.replace("{url}", URL).replace("{{", "{").replace("}}", "}"))
    error = fails(lambda: fedq.connect(file), CatalogError, *words)
    assert "fedq.toml" in str(error)


def test_every_problem_at_once(tmp_path: Path) -> None:
    file = tmp_path / "fedq.toml"
    file.write_text("[databases.crm]\nurll = 'x.db'\n[tables]\nusers = 'cmr'\n[policy]\ntimeout = 'soon'\n")
    error = fails(lambda: fedq.connect(file), CatalogError, "urll", "cmr", "timeout")
    assert len(error.problems) >= 3


NOT_CATALOGS: list[Any] = [5, b"x", [1], {"databases": 5}, {"databases": {"x": 5}}, {"databases": {"": {"url": "x.db"}}},
                           {"tables": ["a"]}, {1: 2}, {"databases": {"a.b": {"url": "x.db"}}}]  # fmt: skip


@pytest.mark.parametrize("catalog", NOT_CATALOGS, ids=str)
def test_what_is_no_catalog(catalog: Any) -> None:
    fails(lambda: fedq.connect(catalog), CatalogError)


def test_no_file(tmp_path: Path) -> None:
    fails(lambda: fedq.connect(tmp_path / "missing.toml"), CatalogError, "missing.toml")
    fails(lambda: fedq.connect(tmp_path), CatalogError)


def secret(company: Company, password: Any) -> fedq.Federation:
    databases = {**company.databases, "crm": {"url": "postgresql://app@127.0.0.1:1/crm", "password": password}}
    return fedq.connect(company.catalog(databases=databases, tables={**company.tables, "accounts": "crm"}))


SECRETS = [({"env": "FQ_NOT_SET"}, "FQ_NOT_SET"), ({"file": "/nonexistent/secret"}, "/nonexistent/secret"), ({"command": ["false"]}, "false"),
           ({"command": ["/nonexistent/program"]}, "/nonexistent/program"), ({"command": ["sh", "-c", f"echo {CANARY} >&2; exit 3"]}, "3")]  # fmt: skip


@pytest.mark.parametrize(("password", "word"), SECRETS, ids=str)
def test_secrets_that_cannot_be_had(company: Company, password: Any, word: str) -> None:
    """Only queries that need the secret fail, and the other databases go on."""
    with secret(company, password) as federation:
        company.fails(lambda: federation.query("select * from accounts"), SecretError, "crm", federation=federation)


def test_a_file_that_is_not_there(company: Company) -> None:
    databases = {**company.databases, "gone": {"url": f"sqlite:///{company.folder}/gone.db"}, "lost": {"url": f"{company.folder}/none/*.csv"},
                 "away": {"url": f"duckdb:///{company.folder}/away.duckdb"}}  # fmt: skip
    tables = {**company.tables, "a": "gone", "b": "lost", "c": "away"}
    with fedq.connect(company.catalog(databases=databases, tables=tables)) as federation:
        for table in "abc":
            error = company.fails(
                lambda table=table: federation.query(f"select * from {table}"),
                (fedq.ConnectionFailed, TableNotFound, CatalogError, fedq.DatabaseError),
                federation=federation,
            )
            assert not [*company.folder.glob("gone*"), *company.folder.glob("away*")], error


def test_a_driver_that_is_missing(company: Company) -> None:
    databases = {**company.databases, "ora": {"url": f"oracle+cx_oracle://app:{CANARY}@127.0.0.1:1/x"}}
    with fedq.connect(company.catalog(databases=databases, tables={**company.tables, "t": "ora"})) as federation:
        error = company.fails(lambda: federation.query("select * from t"), DriverMissing, federation=federation)
        assert isinstance(error, ImportError)


def test_no_secret_in_what_is_shown(servers: Company, capsys: pytest.CaptureFixture[str]) -> None:
    """Canaries in the URLs of two servers; everything that is made to be looked at."""
    federation = servers.federation
    result = servers.query("select * from accounts a join invoices i on a.id = i.id limit 3")
    plan = federation.explain("select * from accounts where id = 1")
    shown = [
        repr(federation),
        str(federation),
        repr(federation.catalog),
        str(federation.catalog),
        repr(vars(federation)),
    ]
    shown += [
        repr(federation.databases()),
        str(federation.tables()),
        repr(plan),
        str(plan),
        repr(result),
        str(result.plan),
    ]
    shown += [
        repr(result.sources),
        repr(result.to_pandas().attrs),
        result._repr_mimebundle_()["text/html"],
        repr(federation.check()),
    ]
    shown += [repr(federation.catalog.databases), repr(servers.federation.using("crm"))]
    captured = capsys.readouterr()
    for text in (*shown, captured.out, captured.err):
        assert CANARY not in text


@pytest.mark.parametrize("call", ["close", "context"])
def test_a_federation_that_is_closed(company: Company, call: str) -> None:
    federation = fedq.connect(company.catalog())
    if call == "close":
        federation.close()
        federation.close()
    else:
        with federation:
            pass
    try:
        federation.query("select * from customers")
    except FedqError as error:
        assert error.hint
