r"""Columns of texts as the lines that COPY and LOAD DATA take, made by Arrow, a chunk at a time.

["1", "2"], ["a\tb", None]   →   b"1\ta\\tb\n2\t\\N\n"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

#: rows of one chunk: some megabytes
_ROWS = 65_536
_ESCAPED = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


def chunks(
    data: pa.Table, texts: Sequence[Callable[[pa.Array], pa.Array]], *, is_plain: Sequence[bool]
) -> Iterator[bytes]:
    """The lines of a table, some thousands at a time. `texts` makes a column's texts; a plain one needs no escapes."""
    for batch in data.combine_chunks().to_batches(_ROWS):
        columns = [make(array) for make, array in zip(texts, batch.columns, strict=True)]
        yield lines([
            column if plain else escaped(column) for column, plain in zip(columns, is_plain, strict=True)
        ])  # fmt: skip


def escaped(strings: pa.Array) -> pa.Array:
    r"""Texts with what would end a field or a line escaped."""
    for plain, code in _ESCAPED:
        if pc.any(pc.match_substring(strings, plain)).as_py():
            strings = pc.replace_substring(strings, plain, code)
    return strings


def lines(columns: Sequence[pa.Array]) -> bytes:
    r"""Columns of escaped texts as lines.

    >>> lines([pa.array(["1", "2"]), pa.array(["a", None])])
    b'1\ta\n2\t\\N\n'
    """
    filled = [pc.fill_null(column, "\\N") if column.null_count else column for column in columns]
    last = pc.binary_join_element_wise(filled[-1], "", "\n")
    joined = pc.binary_join_element_wise(*filled[:-1], last, "\t") if len(filled) > 1 else last
    _, offsets, text = joined.buffers()
    if text is None or not len(joined):
        return b""
    ends = pa.Array.from_buffers(pa.int32(), len(joined) + 1, [None, offsets], offset=joined.offset)
    return memoryview(text)[ends[0].as_py() : ends[-1].as_py()].tobytes()
