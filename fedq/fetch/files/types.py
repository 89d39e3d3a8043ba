"""The types of columns in CSV and JSON files: a type only where every value, written back, would be the same.

    0012, 0013         → VARCHAR    not 12 and 13
    1, 2, 3            → BIGINT
    1.10, 2.5          → DOUBLE
    1, 12345678901234567890.12 → VARCHAR   a DOUBLE would be another number
    2026-01-31         → DATE       05/01/2026 stays text: nobody knows whether that is May

DuckDB's sniffer looks at a sample and takes every form that its casts take. What it finds is only a candidate here: all
values are checked in one pass, and the result is kept until the file changes. A file too large for that is checked
while it is read: a value that does not fit is loud then.

A JSON number with a point or an exponent is a double, as every reader of JSON takes it (RFC 8259, section 6); DuckDB's
parser does not keep more digits. Integers keep all of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping

#: what a column is tried as, in order, when the sniffer takes it for something
_CANDIDATES: Mapping[str, tuple[str, ...]] = {
    "BOOLEAN": ("BOOLEAN",),
    "BIGINT": ("BIGINT", "HUGEINT", "DOUBLE"),
    "UBIGINT": ("HUGEINT", "DOUBLE"),
    "HUGEINT": ("HUGEINT", "DOUBLE"),
    "DOUBLE": ("DOUBLE", "HUGEINT"),
    "DATE": ("DATE", "TIMESTAMP"),
    "TIMESTAMP": ("TIMESTAMP",),
    "TIMESTAMP WITH TIME ZONE": ("TIMESTAMP WITH TIME ZONE",),
    "TIME": ("TIME",),
}
_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_FORMS = {
    "BOOLEAN": "(?i)true|false",
    "BIGINT": r"0|-?[1-9][0-9]{0,18}",
    "HUGEINT": r"0|-?[1-9][0-9]{0,37}",
    "DATE": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "TIMESTAMP": rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([ T]{_CLOCK})?",
    "TIMESTAMP WITH TIME ZONE": rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T]{_CLOCK} ?(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)",
    "TIME": _CLOCK,
}
#: digits that every double keeps
_EXACT_DIGITS = 15


def candidates(sniffed: str) -> tuple[str, ...]:
    """What a column may be that the sniffer takes for `sniffed`; nothing is plain text, or left as it is."""
    return _CANDIDATES.get(sniffed, ())


def fits(sql: str, type_: str, *, is_json: bool = False) -> str:
    """A condition: the text `sql` is NULL, or a value of the type that, written back, is the same."""
    value = f"TRY_CAST({sql} AS {type_})"
    form = f"{value} IS NOT NULL AND regexp_full_match({sql}, '{_FORMS.get(type_, '')}')"
    if type_ == "DOUBLE":
        digits = f"length(regexp_replace(regexp_replace({sql}, '[eE].*', ''), '[^0-9]|^[-0.]+', '', 'g'))"
        is_number = f"regexp_full_match({sql}, '{_NUMBER}') AND isfinite({value})"
        is_short = f"({digits} <= {_EXACT_DIGITS}" + (
            f" OR contains({sql}, '.') OR contains({sql}, 'e'))" if is_json else ")"
        )
        form = f"({is_number} AND {is_short}) OR lower({sql}) IN ('nan', 'inf', '-inf')"
    # most values come back as they are, and regular expressions cost ten times as much
    return f"(CASE WHEN {sql} IS NULL OR CAST({value} AS VARCHAR) = {sql} THEN true ELSE {form} END)"
