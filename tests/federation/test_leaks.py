"""What queries leave behind that were cancelled or broken off: as many sessions, files and transactions as before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import fedq
from benchmarks import leaks
from tests.servers import MariaDBServer, PostgresServer

KINDS = ("pg", "my", "lite")


@pytest.fixture(scope="module")
def place(
    postgres: PostgresServer, mariadb: MariaDBServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[leaks.Ground]:
    with leaks.ground(postgres, mariadb, tmp_path_factory.mktemp("leaks")) as made:
        made.fill_pools()
        yield made


def test_a_hundred_queries_leave_nothing_behind(place: leaks.Ground) -> None:
    """A tenth cancelled, a tenth abandoned half-read, by four threads at a time; the long version is a benchmark."""
    before = place.held()
    ended = leaks.storm(place, range(100))
    assert sum(ended.values()) == 100
    assert sum(number for how, number in ended.items() if how.startswith("cancelled")) == 10
    assert sum(number for how, number in ended.items() if how.startswith("abandoned")) == 10
    assert place.settled(before).exceeds(before) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop", [leaks.Abandoned, KeyboardInterrupt])
def test_an_abandoned_transaction_is_undone(place: leaks.Ground, kind: str, stop: type[BaseException]) -> None:
    before = place.held()
    with pytest.raises(stop), place.fed.transaction():
        place.fed.execute("INSERT INTO written VALUES (7)", using=kind)
        place.fed.query("SELECT * FROM written", using=kind)
        raise stop
    assert place.settled(before).exceeds(before) == []
    assert place.fed.query("SELECT count(*) FROM written", using=kind).scalar() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_transaction_whose_commit_fails_is_undone(
    place: leaks.Ground, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = place.held()
    with pytest.raises(KeyboardInterrupt), place.fed.transaction() as transaction:
        place.fed.execute("INSERT INTO written VALUES (7)", using=kind)

        def interrupted() -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(transaction.writer(kind), "commit", interrupted)
    assert place.settled(before).exceeds(before) == []
    assert place.fed.query("SELECT count(*) FROM written", using=kind).scalar() == 0


def test_what_is_counted_is_seen(place: leaks.Ground) -> None:
    """A session that is open half-read, in each database, is more than before; a closed one is not."""
    before = place.held()
    for name, table in zip(KINDS, ("orders", "customers", "visits"), strict=True):
        session = place.fed._sources.primary(name).open()
        batches = session.native(f"SELECT * FROM {table}")
        next(iter(batches))
        assert place.held().transactions > before.transactions, name
        batches.close()  # type: ignore[attr-defined]
        session.close()
        assert place.settled(before).exceeds(before) == []


def test_close_gives_back_everything(place: leaks.Ground, tmp_path: Path) -> None:
    before = place.held()
    with fedq.connect(place.fed.catalog) as other:
        assert other.query("SELECT count(*) FROM orders").scalar() == leaks.ROWS
        assert other.query("SELECT count(*) FROM customers").scalar() == leaks.ROWS
        assert place.held().exceeds(before)
    assert place.settled(before).exceeds(before) == []
