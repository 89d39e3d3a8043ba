"""Queries over `customers` and `orders` that use what DuckDB's dialect has, for tests that move the tables about.

Each is (text, is its order total?). The data has what databases disagree on: texts that differ only in case, accents
and trailing blanks, NULLs everywhere, decimals, dates, duplicates.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

CUSTOMERS = "id BIGINT, name VARCHAR, country VARCHAR, credit DECIMAL(10,2), since DATE, rate DOUBLE, active BOOLEAN"
ORDERS = "id BIGINT, customer_id BIGINT, status VARCHAR, total DECIMAL(10,2), placed TIMESTAMP, note VARCHAR"

_NAMES = ["Ann", "ann", "ANN", "Ann ", "Ánn", "Zoë", "Zoe", "zoe ", "ß", "SS", "", None, "_x", "%", "O'Neil", "Bob"]
_COUNTRIES = ["NL", "nl", "BE", "NL ", None, "DE"]
_STATES = ["open", "Open", "paid", "PAID ", None]
_NOTES = ["rush", "Rush", "rush ", "réush", None, "a_b", "a%b", "100%", "", "x\\y", "it's", "\t", "naïve", "NAÏVE"]


def customers() -> list[tuple[Any, ...]]:
    """Sixteen customers."""
    return [
        (
            number + 1,
            name,
            _COUNTRIES[number % 6],
            None if number % 7 == 3 else Decimal(number * 12345 % 100000) / 100,
            None if number % 5 == 4 else dt.date(2020, 1, 31) + dt.timedelta(days=number * 37),
            None if number % 6 == 5 else number / 8,
            None if number % 4 == 3 else number % 2 == 0,
        )
        for number, name in enumerate(_NAMES)
    ]


def orders() -> list[tuple[Any, ...]]:
    """Sixty orders; some without a customer, some of a customer that is not there."""
    return [
        (
            number + 10,
            None if number % 11 == 10 else (number * 7) % 19 + 3,
            _STATES[number % 5],
            Decimal(number * 9973 % 50000) / 100 if number % 13 else None,
            dt.datetime(2024, 1, 31, 23, 59, 58) + dt.timedelta(hours=number * 13, microseconds=number),
            _NOTES[number % 14],
        )
        for number in range(60)
    ]


_ANY_ORDER = """
select * from customers;
select name, count(*) from customers group by name;
select distinct country from customers;
select country, count(distinct name), min(name), max(name) from customers group by country;
select id from customers where name = 'Ann';
select id from customers where name in ('ann', 'Zoe', 'ss') or country = 'nl';
select id from customers where name not in ('ann', 'Zoë');
select id from customers where name like '%n%' and name not like 'A%';
select id from customers where name ilike 'ann%';
select id from customers where name between 'A' and 'b';
select id from customers where credit between 100 and 500.5 and since >= '2020-06-01';
select id from orders where note like 'a\\_b' escape '\\' or note = '100%' or note is null;
select id from customers where active and rate > 0.5 or not active and credit is null;
select id from customers where (name, country) in (('Ann', 'NL'), ('Bob', 'BE'));
select id from orders where placed >= timestamp '2024-02-10' and placed < '2024-02-15 12:00:00';
select id from orders where date_trunc('month', placed) = date '2024-02-01' and total > 100;
select c.name, o.id from customers c join orders o on o.customer_id = c.id;
select c.id, o.id from customers c left join orders o on o.customer_id = c.id and o.status = 'open';
select c.id, o.id from customers c right join orders o on o.customer_id = c.id and o.total > 200;
select c.id, o.id from customers c full join orders o on o.customer_id = c.id where coalesce(c.country, 'NL') =
    'NL';
select c.country, sum(o.total), count(*), avg(o.total) from customers c join orders o on o.customer_id = c.id
    group by 1;
select country, status, sum(total) from customers c join orders o on customer_id = c.id group by rollup
    (country, status);
select name from customers where id in (select customer_id from orders where status = 'paid');
select name from customers where id not in (select customer_id from orders where customer_id is not null);
select name from customers c where exists (select 1 from orders o where o.customer_id = c.id and o.total >
    c.credit);
select name, (select max(total) from orders o where o.customer_id = c.id) as top from customers c;
select id, total, sum(total) over (partition by customer_id order by id) as running from orders;
select customer_id, id from orders qualify row_number() over (partition by customer_id order by total desc nulls
    last, id) = 1;
select name from customers union select note from orders;
select name from customers intersect select note from orders;
select country from customers except all select status from orders;
select id from customers union all select customer_id from orders;
with big as (select * from orders where total > 300) select c.name, count(*) from big join customers c on c.id =
    customer_id group by 1;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 5) select i, name from n join customers
    on id = i;
pivot orders on status using sum(total) group by customer_id;
select * from (pivot orders on status using count(*) group by customer_id) where customer_id > 3;
with p as (pivot orders on status using count(*) group by customer_id) select count(*) from p;
unpivot (select id, name, country from customers) on name, country into name field value text;
select c.id, t.id, t.total from customers c, lateral (select id, total from orders o where o.customer_id = c.id
    order by id limit 2) t;
select v.x, c.name from (values (1), (2), (40)) v(x) left join customers c on c.id = v.x;
select o.id, c.id from orders o asof join customers c on o.customer_id = c.id and o.placed >= c.since;
select list(name order by id) as names, len(list(id)) as n from customers where country = 'NL';
select id, list_transform([id, 2], lambda x: x + 1) as l, {'a': name} as s from customers;
select t from (select id, name from customers) t;
select c from customers c where id < 4;
from orders select status, count(*) group by all;
from customers where id = 1;
select columns('.*n.*') from customers where id < 5;
select * exclude (credit, rate) replace (upper(name) as name) from customers;
select c.*, o.total as t from customers c join orders o on o.customer_id = c.id where o.id % 7 = 0;
select string_agg(name, '|' order by id) as names, median(credit) as m, arg_max(country, id) as k from customers;
select count(*) filter (where total > 100) as n, sum(case when status = 'open' then 1 else 0 end) as s from
    orders;
select upper(name) as u, length(name) as n, substring(name, 1, 2) as p, coalesce(country, '?') as k from
    customers;
select customer_id, total from orders where total = (select max(total) from orders);
select a.id, b.id from customers a join customers b on a.name = b.name and a.id <= b.id;
select * from customers c join orders o using (id);
select c.id from customers c semi join orders o on o.customer_id = c.id and o.status = 'open';
select c.id from customers c anti join orders o on o.customer_id = c.id;
select count(*) from customers, orders;
select case when name = 'ann' then 1 when name = 'Ann' then 2 end as k, count(*) from customers group by all;
select status, count(*) from orders group by status having count(*) > 10 and max(note) > 'r';
select id, cast(total as integer) as i, total::varchar as v, total * 2 as d from orders where total is not null;
select grouping(country) as g, country, count(*) from customers group by grouping sets ((), (country));
select "name" as "Name", c."COUNTRY" from customers c;
select s.a.b from (select {'a': {'b': name}} as s from customers) q;
select date_diff('day', since, date '2024-01-01') as days, since + interval 1 month as next from customers;
"""

_TOTAL_ORDER = """
select name from customers order by name, id limit 5;
select name, id from customers order by name desc nulls first, id limit 6 offset 2;
select c.name, o.total from customers c join orders o on o.customer_id = c.id order by o.total desc, o.id limit
    10;
select country, count(*) from customers group by country order by country;
select distinct status from orders order by status desc;
select id from orders order by total desc, id limit 3;
select country, sum(total) as s from customers c join orders o on customer_id = c.id group by 1 order by s desc,
    1 limit 2;
select * from (select id from customers order by id limit 4) a positional join (select id as o from orders order
    by id limit 6) b;
select id from customers order by since desc nulls last, id limit 4;
select name, country from customers order by all;
select id, name from customers union all select id, note from orders order by 1 desc, 2 limit 7;
summarize select id from customers;
"""

QUERIES = [
    (" ".join(text.split()), is_total)
    for texts, is_total in ((_ANY_ORDER, False), (_TOTAL_ORDER, True))
    for text in texts.split(";")
    if text.strip()
]
