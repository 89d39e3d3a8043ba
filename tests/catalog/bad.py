"""What a bad catalog must end in: one error that names file, line, key and the nearest valid name, and no secret."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedq.catalog.config import check_catalog, load_catalog
from fedq.errors import CatalogError

CANARY = "fq-CANARY-7f3a"


@dataclass(frozen=True)
class Bad:
    """One bad catalog: the text, and what its only problem must say."""

    id: str
    text: str
    line: int | None
    key: str | None
    says: str
    suggestion: str | None = None
    hint: str = ""


CRM = f'[databases.crm]\nurl = "postgresql://app:{CANARY}@db1/crm"\n'


def check(case: Bad, tmp_path: Path) -> None:
    """Load the catalog; look for the problem, and for the secret in everything that is shown of it."""
    file = tmp_path / "fedq.toml"
    file.write_text(case.text, encoding="utf-8")
    catalog, problems = check_catalog(file, environment={}, directory=tmp_path)
    assert len(problems) == 1, [str(problem) for problem in problems]
    problem = problems[0]
    assert (problem.code, problem.file, problem.line, problem.key) == ("FQ101", str(file), case.line, case.key)
    assert case.says in problem.message
    assert case.hint in (problem.hint or "")
    assert problem.facts.get("suggestion") == case.suggestion
    if case.suggestion:
        assert f"did you mean {case.suggestion!r}?" in str(problem)
    with pytest.raises(CatalogError) as caught:
        load_catalog(file, environment={}, directory=tmp_path)
    shown = [catalog, problem, caught.value, caught.value.problems, catalog and catalog.warnings]
    everything = "\n".join([*map(str, shown), *map(repr, shown), *traceback.format_exception(caught.value)])
    assert CANARY not in everything.replace(str(tmp_path), "")
    assert (case.line is None or f"{file}:{case.line}" in str(problem)) and (case.key or "") in str(problem)
