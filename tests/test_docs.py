"""Every example of the README and of docs/ runs and prints what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedq.show import demo
from scripts import errors_page, examples


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company")
    demo.build(folder)
    return folder


@pytest.mark.parametrize("path", examples.pages(), ids=lambda path: str(path.relative_to(examples.ROOT)))
def test_every_example_prints_what_the_page_says(path: Path, company: Path) -> None:
    page = path.read_text(encoding="utf-8")
    with examples.sample(company) as folder:
        assert examples.rewritten(page, folder) == page, "python scripts/examples.py --write"


@pytest.mark.parametrize("path", examples.pages(), ids=lambda path: str(path.relative_to(examples.ROOT)))
def test_no_block_escapes_for_want_of_a_language(path: Path) -> None:
    strange = [
        f"line {block.line}: {block.language or 'no language'}"
        for block in examples.blocks(path.read_text(encoding="utf-8"))
        if block.language not in (*examples.RUN, *examples.SHOWN)
    ]
    assert strange == []


@pytest.mark.parametrize("path", examples.pages(), ids=lambda path: str(path.relative_to(examples.ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    missing = [link for link in examples.links(page) if not examples.leads_somewhere(path, link)]
    assert missing == []


def test_a_wrong_output_is_seen(company: Path) -> None:
    page = "```python\n1 + 1\n```\n\n```text\n3\n```\n"
    with examples.sample(company) as folder:
        assert examples.rewritten(page, folder) == page.replace("3\n", "2\n")


def test_an_error_nobody_expects_is_raised(company: Path) -> None:
    with examples.sample(company) as folder, pytest.raises(ZeroDivisionError):
        examples.rewritten("```python\n1 / 0\n```\n", folder)


def test_times_do_not_count() -> None:
    assert examples.masked("3 rows · 41 ms · crm") == examples.masked("3 rows · 1.2 s · crm")
    assert examples.masked("3 rows · 41 ms") != examples.masked("4 rows · 41 ms")


def test_the_page_of_errors_is_up_to_date() -> None:
    page = errors_page.PAGE.read_text(encoding="utf-8")
    assert errors_page.page(page) == page, "python scripts/errors_page.py --write"


def test_every_error_says_what_to_do() -> None:
    silent = [section.split("\n")[0] for section in errors_page.PAGE.read_text(encoding="utf-8").split("\n### ")[1:]
              if "FQ" in section and "**Do:**" not in section and "Warning" not in section.split("\n")[0]]  # fmt: skip
    assert silent == ["FQ405 QueryCancelled"]
