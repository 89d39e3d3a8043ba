"""Every type of every database with values that its own comparisons see differently: `declaration | value | value | …`."""

from __future__ import annotations

_SQLITE = r"""
integer | 1 | -5 | 9223372036854775807 | '12' | 2.0
bigint | 1 | '007' | 1e3
decimal(8,2) | 1.5 | '1.50' | 2 | -0.01 | 1e2 | 0.1
numeric(10,0) | 1 | '2' | 3.0
date | '2024-01-05' | '2024-02-29' | '0001-01-01' | '9999-12-31' | '2024-1-5' | '20240105' | '2024-01-05 00:00:00'
timestamp | '2024-01-05 10:00:00' | '2024-01-05 10:00:00.5' | '2024-01-05T10:00:00' | '2024-01-05 10:00' | '2024-01-05'
datetime | '2024-01-05 10:00:00.000' | '2024-01-05 10:00:00' | '1969-12-31 23:59:59.999999' | '2024-01-05 10:00:00Z'
boolean | 0 | 1 | 'true' | 'f' | '1'
double | 0.1 | 1 | '1e3' | -1.5 | 9e999
real | 0.1 | 16777217
float | 0.1 | 3
text | 'a' | 'A' | 'a ' | '' | 'é' | 5 | 1.0
text collate nocase | 'a' | 'A' | 'b' | 'B' | 'É' | 'é'
text collate rtrim | 'a' | 'a ' | 'A'
varchar(3) | 'toolong' | 'a'
char(5) | 'a' | 'a ' | 'A'
blob | x'' | x'00ff' | x'61' | x'41' | 'a'
json | '{"a": 1}' | '{"a":1}' | 'null'
time | '10:00:00' | '09:00'
uuid | 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11' | 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
 | 'a' | 'A'
"""
_POSTGRES = r"""
smallint | 1 | -32768
integer | 1 | 2147483647
bigint | 1 | 9223372036854775807
real | 0.1 | 16777216 | 'NaN' | 'Infinity'
double precision | 0.1 | 'NaN' | '-Infinity' | 5e-324 | 1e15
numeric(10,2) | 0.10 | 99999999.99 | -1
numeric(38,10) | 1 | 0.0000000001
numeric | 1 | 1.5 | 0.1
boolean | true | false
text | 'a' | 'A' | 'a ' | '' | 'é' | E'\\'
text collate "C" | 'b' | 'A' | 'a'
varchar(5) | 'a' | 'a ' | 'A'
char(5) | 'a' | 'a  ' | 'A' | 'b'
"char" | 'a' | 'B'
name | 'a' | 'B'
bytea | '' | '\x00ff' | '\x61'
date | '2024-01-05' | 'infinity' | '-infinity' | '4713-01-01 BC' | '9999-12-31'
timestamp | '2024-01-05 10:00' | 'infinity' | '0001-01-01' | '2024-01-05 10:00:00.000001'
timestamp(0) | '2024-01-05 10:00:00.6'
timestamptz | '2024-01-05 10:00+05' | 'infinity' | '2024-01-05 05:00+00'
time | '10:00' | '24:00' | '00:00:00.000001'
interval | '1 mon' | '30 days' | '720:00:00'
uuid | 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11' | 'ffffffff-ffff-ffff-ffff-ffffffffffff'
json | '{"a": 1}' | '{"a":1}' | 'null'
jsonb | '{"a": 1}' | '[]'
int[] | '{1,2}' | '{}' | '{NULL}'
text[] | '{a,A}' | '{""}'
inet | '10.0.0.1' | '10.0.0.1/24' | '9.0.0.1'
cidr | '10.0.0.0/8'
macaddr | '08:00:2b:01:02:03'
bit(3) | '101' | '000'
varbit | '1' | '01'
money | 12.34 | -0.5
oid | 1 | 4294967295
xml | '<a/>'
int4range | '[1,5)' | 'empty'
tsvector | 'a b'
point | '(1,2)'
domain_int | 5 | 6
mood | 'sad' | 'ok' | 'happy'
"""
_MARIADB = r"""
tinyint | 1 | -128
tinyint(1) | 0 | 1 | 2
tinyint unsigned | 255
smallint | 1
mediumint | -8388608
int | 1
int unsigned | 4294967295 | 0
int(5) zerofill | 7
bigint | 1
bigint unsigned | 18446744073709551615 | 0
float | 0.1 | 16777216 | 1e10
double | 0.1 | 1e308 | -1.5
float(7,2) | 0.1
decimal(10,2) | 0.10 | -99999999.99
decimal(38,10) | 1
decimal(10,2) unsigned | 1
bit(1) | b'1' | b'0'
bit(10) | b'1000000001'
char(5) | 'a' | 'A' | 'a ' | 'é'
varchar(5) | 'a' | 'A' | 'a ' | '' | 'é' | 'e'
varchar(5) collate utf8mb4_bin | 'a' | 'A' | 'a '
varchar(5) collate utf8mb4_nopad_bin | 'a' | 'A' | 'a '
varchar(5) collate utf8mb4_swedish_ci | 'a' | 'ä' | 'A'
varchar(5) character set latin1 | 'a' | 'é' | 'e' | 'ß' | 'ss'
varchar(5) character set utf8mb3 | 'a' | 'é'
varchar(5) character set ucs2 | 'a' | 'A'
text | 'a' | 'A' | '\\'
binary(3) | 'a' | 'ab'
varbinary(5) | 'a' | 'A' | x'00ff'
blob | x'' | x'00' | 'a'
date | '2024-01-05' | '0001-01-01' | '9999-12-31'
datetime | '2024-01-05 10:00:00' | '1000-01-01'
datetime(6) | '2024-01-05 10:00:00.000001' | '9999-12-31 23:59:59.999999'
timestamp(3) null | '2024-01-05 10:00:00.5' | '1970-01-02'
time | '10:00:00' | '-01:00:00' | '838:59:59'
time(6) | '00:00:00.000001'
year | 2024 | 1901 | 0
enum('z','a','M') | 'z' | 'a' | 'M'
set('z','a') | 'z,a' | 'a' | ''
json | '{"a": 1}' | 'null'
uuid | 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'
inet6 | '::1' | '1.2.3.4'
"""


def _read(text: str) -> dict[str, list[str]]:
    lines = [[part.strip() for part in line.split(" | ")] for line in text.strip("\n").splitlines()]
    return {declared.removeprefix("| ").strip(): [*values, "null"] for declared, *values in lines}


#: database → declaration → stored values, in the database's own SQL; NULL is always one
STORED = {"sqlite": _read(_SQLITE), "postgres": _read(_POSTGRES), "mariadb": _read(_MARIADB)}
