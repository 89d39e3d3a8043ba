"""What an import costs: `import fedq` loads the standard library only, and no stage loads more than it uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Everything that is neither ours nor the standard library, as the new interpreter sees it.
FOREIGN = """
import sys
before = set(sys.modules)
{statement}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(name for name in new - sys.stdlib_module_names - {{"fedq"}} if not name.startswith("__editable")))
"""

IMPORT_ALL = "for module in pkgutil.walk_packages(s.__path__, s.__name__ + '.'): __import__(module.name)"


def _foreign_modules(statement: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FOREIGN.format(statement=statement)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_import_fedq_loads_the_standard_library_only() -> None:
    assert _foreign_modules("import fedq") == set()


def test_every_public_name_is_there_and_in_dir() -> None:
    import fedq

    assert len(fedq.__all__) == len(set(fedq.__all__))
    for name in fedq.__all__:
        assert getattr(fedq, name) is not None
        assert name in dir(fedq)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import fedq

    with pytest.raises(AttributeError, match="qery"):
        _ = fedq.qery  # type: ignore[attr-defined]


@pytest.mark.parametrize("stage", ["errors", "types", "events", "catalog.model", "dialects.base"])
def test_the_stages_of_pure_data_load_the_standard_library_only(stage: str) -> None:
    assert _foreign_modules(f"import fedq.{stage}") == set()


@pytest.mark.parametrize("stage", ["bind", "plan"])
def test_the_stages_of_pure_thought_load_only_sqlglot_beside_it(stage: str) -> None:
    assert _foreign_modules(f"import pkgutil, fedq.{stage} as s\n{IMPORT_ALL}") <= {"sqlglot", "mypy_extensions"}


FIRST_ANSWER = """
import sqlite3, sys, fedq
file = sys.argv[1] + "/a.db"
made = sqlite3.connect(file)
made.execute("create table t (id integer primary key, name text, n integer)")
made.executemany("insert into t values (?, ?, ?)", [(n, str(n), n % 3 or None) for n in range(5000)])
made.commit()
with fedq.connect({"version": 1, "databases": {"a": {"url": f"sqlite:///{file}"}}}) as fed:
    assert len(fed.query("select * from t")) == 5000 and repr(fed.query("select * from t where id < 3"))
print("pandas" in sys.modules)
"""


def test_numbers_and_texts_are_read_without_pandas(tmp_path: Path) -> None:
    """It takes a sixth of a second and 35 MB, and nobody has asked for a DataFrame."""
    command = [sys.executable, "-c", FIRST_ANSWER, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout == "False\n"
