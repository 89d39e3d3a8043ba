"""docs/errors.md, made from fedq/errors.py: the meaning of every code, and what to do.

    python scripts/errors_page.py            says whether the page is up to date
    python scripts/errors_page.py --write    writes it

Meaning and advice are the docstrings of the classes: there is one text, and it stands where the error is defined.
The examples stand in the page, under the text that is made, and are kept; `scripts/examples.py` runs them.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
from pathlib import Path

from fedq import errors

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"

HEAD = """\
# Errors and warnings

<!-- Made by scripts/errors_page.py from fedq/errors.py. Change it there. -->

Every error fedq raises is a `fedq.FedqError`, has a code that does not change, says what is wrong, where, and what to
do, and never shows a password. What it was built from (`error.table`, `error.database`, …) are its attributes, and the
error of the driver or the database is its `__cause__`. After an error everything is as it was before: nothing is
half-done, and the next query works.

`%fedq :help FQ201` in a notebook says what this page says. The examples run on the
[sample company](../sample_dbs/README.md):

```python
import fedq

fed = fedq.connect("sample_dbs/fedq.toml")
```
"""


def page(old: str) -> str:
    """The page as it should be, with the examples that `old` has."""
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    kinds = sorted(set(classes) - {errors.FedqError, errors.FedqWarning}, key=lambda kind: kind.code)
    examples = _examples(old)
    parts = [HEAD, "\n## Errors\n"]
    parts += [_section(kind) + examples.get(_title(kind), "") for kind in kinds if not issubclass(kind, Warning)]
    parts.append("\n## Warnings\n\nAll are `fedq.FedqWarning`, which is a `UserWarning`: Python's own filters hold.\n")
    parts += [_section(kind) + examples.get(_title(kind), "") for kind in kinds if issubclass(kind, Warning)]
    return "".join(parts)


def _title(kind: type[BaseException]) -> str:
    return f"{getattr(kind, 'code', '')} {kind.__name__}"


def _examples(old: str) -> dict[str, str]:
    """By title: everything of a section from its first fence on."""
    found = re.findall(r"^### (.+)\n(?:(?!```|#).*\n)*((?:```(?:.*\n)+?```\n+)*)", old, flags=re.M)
    return {title: f"\n{fences.strip()}\n" for title, fences in found if fences.strip()}


def _section(kind: type[BaseException]) -> str:
    meaning, _, advice = inspect.cleandoc(kind.__doc__ or "").partition("Do: ")
    lines = [f"\n### {_title(kind)}\n", meaning.strip()]
    if advice:
        lines.append(f"\n**Do:** {advice.strip()}")
    bases = [f"`{base.__name__}`" for base in kind.__bases__ if base.__module__ in ("builtins", errors.__name__)]
    if also := [base for base in bases if base not in ("`FedqError`", "`FedqWarning`")]:
        lines.append(f"\nIt is also {' and '.join(map(_with_article, also))}.")
    if kind.__name__ not in _used():
        lines.append("\nThis version never raises it.")
    return "\n".join(lines) + "\n"


@functools.cache
def _with_article(name: str) -> str:
    return f"{'an' if name.strip('`')[0] in 'AEIOU' else 'a'} {name}"


def _used() -> set[str]:
    """Every name that the package's code mentions outside the file that defines the errors."""
    names = set()
    for path in (ROOT / "fedq").rglob("*.py"):
        if path.name != "errors.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return names


def main() -> int:
    """Compare or write the page."""
    old = PAGE.read_text(encoding="utf-8")
    new = page(old)
    if "--write" in sys.argv:
        PAGE.write_text(new, encoding="utf-8")
    elif old != new:
        print("docs/errors.md is out of date: python scripts/errors_page.py --write")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
