"""Run the examples of README.md and docs/, and compare what they print with what the page says they print.

    python scripts/examples.py            compares, prints differences
    python scripts/examples.py --write    puts the real output into the pages

| block      | is run                                                        | is compared with                     |
|------------|---------------------------------------------------------------|--------------------------------------|
| `python`   | in one namespace per page                                     | the `text` block right below, if any |
| `ipython`  | as a notebook's cell, in one shell per page                   | the same                             |
| `sql`      | with `query()` on the sample company                          | the same                             |
| `console`  | every line after `$`, in one working directory per page       | the lines below the command          |
| `toml`     | loaded as a catalog, or as a part of the sample company's     | nothing: it must load                |
| `sh`       | not at all: installs, servers, windows to open                |                                      |

A page starts in an empty directory that holds the sample company in `sample_dbs/`. The pages are run as they are
rather than tested as doctests: an example then looks like what a reader types, with no prompts in it.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RUN = ("python", "ipython", "sql", "console", "toml")
SHOWN = ("sh", "text")
#: what differs from run to run and from machine to machine
VOLATILE = (
    (re.compile(r"\b\d[\d,.]*\s?(µs|ms|s)\b"), "0 ms"),
    (re.compile(r"\b\d[\d,.]*\s?(B|KB|MB|GB)\b"), "0 B"),  # as the versions of Arrow and of the drivers have it
    (re.compile(r"[ \t]+$", re.M), ""),
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    language: str
    text: str
    line: int
    """Of the fence, from 1."""
    output: Block | None = None
    """The `text` block right below it."""


def pages() -> list[Path]:
    """Every page whose examples are run."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, a `text` block attached to the one it belongs to.

    >>> [block] = blocks("```python\\n1 + 1\\n```\\n\\n```text\\n2\\n```")
    >>> block.text, block.output.text
    ('1 + 1\\n', '2\\n')
    """
    found: list[Block] = []
    last_end = -1
    for match in re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```[ ]*$", page, re.M | re.S):
        block = Block(match[1], match[2], page.count("\n", 0, match.start()) + 1)
        is_output = block.language == "text" and found and not page[last_end : match.start()].strip()
        if is_output and found[-1].language in RUN and found[-1].output is None:
            owner = found.pop()
            block = Block(owner.language, owner.text, owner.line, block)
        found.append(block)
        last_end = match.end()
    return found


def links(page: str) -> list[str]:
    """Where the page's links to other files of the project lead, code left out."""
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", page, flags=re.M | re.S)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if not re.match(r"[a-z]+:", link)]


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether the file of a relative link exists, and its heading when the link names one."""
    file, _, heading = link.partition("#")
    target = page.parent / file if file else page
    if not target.exists() or not heading:
        return target.exists()
    titles = re.findall(r"^#+ +(.*)$", target.read_text(encoding="utf-8"), re.M)
    return heading in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def masked(text: str) -> str:
    """The text without what may differ between two runs."""
    for pattern, instead in VOLATILE:
        text = pattern.sub(instead, text)
    return text.strip("\n")


@dataclass(slots=True)
class Runner:
    """Runs the blocks of one page, in order, in `folder`."""

    folder: Path
    directory: Path = field(init=False)
    """Where the console stands."""
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    shell: Any = None

    def __post_init__(self) -> None:
        self.directory = self.folder

    def run(self, block: Block) -> str:
        """What the block prints; `console` gives the whole block as it should read."""
        done: str = getattr(self, f"_{block.language}")(block)
        return done

    def close(self) -> None:
        """Leave nothing open behind the page."""
        if self.shell is not None:
            type(self.shell).clear_instance()
        for value in self.names.values():
            if type(value).__name__ == "Federation":
                value.close()

    def _python(self, block: Block) -> str:
        tree = ast.parse(block.text)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        with _heard() as out:
            try:
                exec(compile(tree, f"<line {block.line}>", "exec"), self.names)
                if last is not None:
                    value = eval(compile(ast.Expression(last.value), f"<line {block.line}>", "eval"), self.names)
                    print(*([] if value is None else [value if isinstance(value, str) else repr(value)]), file=out)
            except Exception as error:
                if block.output is None:
                    raise
                print(f"{type(error).__name__}: {error}", file=out)
        return out.getvalue()

    def _sql(self, block: Block) -> str:
        import fedq

        with fedq.connect(self.folder / "sample_dbs" / "fedq.toml") as federation, _heard() as out:
            print(federation.query(block.text, on_cross_db="allow"), file=out)
        return out.getvalue()

    def _ipython(self, block: Block) -> str:
        if self.shell is None:
            self.shell = _new_shell()
            self.shell.user_ns.update(self.names)
        with _heard() as out, contextlib.redirect_stderr(out):
            done = self.shell.run_cell(block.text)
        if done.error_in_exec and block.output is None:
            raise done.error_in_exec
        return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())

    def _console(self, block: Block) -> str:
        lines = []
        for command in re.findall(r"^\$ (.*(?:\\\n.*)*)", block.text, re.M):
            lines.append(f"$ {command}")
            if found := re.fullmatch(r"cd (\S+)", command):
                self.directory = (self.directory / found[1]).resolve()
                continue
            env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "120"}
            done = subprocess.run(
                ["bash", "-c", command], cwd=self.directory, env=env, text=True, check=False, timeout=100,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            lines.append(done.stdout.rstrip("\n")) if done.stdout.strip() else None
        return "\n".join(lines)

    def _toml(self, block: Block) -> str:
        import fedq

        text = block.text
        if "databases" not in tomllib.loads(text):
            sample = (self.folder / "sample_dbs" / "fedq.toml").read_text(encoding="utf-8")
            text = f"{sample.split('[tables]')[0]}\n{text}"
        path = self.folder / f"line-{block.line}.toml"
        path.write_text(text if "version" in text else f"version = 1\n{text}", encoding="utf-8")
        fedq.connect(path).close()
        return ""


def _new_shell() -> Any:
    """A shell that prints what a notebook would draw, in the order in which it comes."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Value(DisplayHook):
        def __call__(self, result: Any = None) -> None:
            if result is not None:
                self.update_user_ns(result)
                print(self.compute_format_data(result)[0]["text/plain"])

    class Shown(DisplayPublisher):
        def publish(self, data: dict[str, str], *_: Any, **__: Any) -> None:
            print(data["text/plain"])

    settings = Config()
    settings.HistoryManager.enabled = False
    settings.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()  # `display` goes to the instance
    return InteractiveShell.instance(config=settings, displayhook_class=Value, display_pub_class=Shown)


@contextlib.contextmanager
def _heard() -> Iterator[io.StringIO]:
    """Standard output, and fedq's warnings as one would see them, without the line of the example they come from."""
    out = io.StringIO()

    def show(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        print(f"{category.__name__}: {message}", file=out)

    with warnings.catch_warnings(), contextlib.redirect_stdout(out):
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield out


@contextlib.contextmanager
def sample(company: Path | None = None) -> Iterator[Path]:
    """Work in an empty directory with the sample company in `sample_dbs/`, copied from `company` or built."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="fedq-docs-") as name:
        folder = Path(name)
        if company is None:
            from fedq.show import demo

            demo.build(folder / "sample_dbs")
        else:
            shutil.copytree(company, folder / "sample_dbs")
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


def rewritten(page: str, folder: Path) -> str:
    """The page with the real output of every block that shows one."""
    runner = Runner(folder)
    lines = page.split("\n")
    shift = 0
    try:
        for block in blocks(page):
            if block.language not in RUN:
                continue
            try:
                got = runner.run(block).replace(str(folder), "…").strip("\n")
            except Exception as error:
                error.add_note(f"in the {block.language} block at line {block.line}")
                raise
            shown = block if block.language == "console" else block.output
            if shown is None or masked(got) == masked(shown.text):
                continue
            start, count = shown.line + shift, shown.text.count("\n")
            new = [line.rstrip() for line in got.split("\n")]
            lines[start : start + count] = new
            shift += len(new) - count
    finally:
        runner.close()
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare or rewrite every page, or the pages named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--write", action="store_true", help="put the real output into the pages")
    parser.add_argument("pages", nargs="*", type=Path, help="all of them where none is named")
    options = parser.parse_args(arguments)
    wrong = 0
    for path in [path.resolve() for path in options.pages] or pages():
        page = path.read_text(encoding="utf-8")
        with sample() as folder:
            new = rewritten(page, folder)
        if new == page:
            continue
        wrong += 1
        if options.write:
            path.write_text(new, encoding="utf-8")
        name = str(path.relative_to(ROOT))
        print("".join(difflib.unified_diff(page.splitlines(True), new.splitlines(True), name, f"{name} as it runs")))
    return 0 if options.write or not wrong else 1


if __name__ == "__main__":
    raise SystemExit(main())
