"""The journal and the ledger: what is on disk, whose it is, and what a process may settle."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bybit_sync import BybitError, ClientClosedError, ConfigError, OrderNotPlacedError
from bybit_sync.orders.case import Case
from bybit_sync.orders.inquiry import lease_ms
from bybit_sync.orders.journal import Journal
from bybit_sync.orders.ledger import Ledger
from bybit_sync.orders.owner import is_surely_dead, this_process
from bybit_sync.orders.states import ABSENT, PLACED, REFUSED, UNKNOWN

NOW_MS = 1_700_000_000_000
ACCOUNT = "some account"


def case(name: str = "mine-1", content: bytes = b'{"qty":"1"}', begun_ms: int = NOW_MS) -> Case:
    return Case(
        category="spot",
        symbol="BTCUSDT",
        orderLinkId=name,
        content=content,
        window_ms=2000,
        begun_ms=begun_ms,
        timeout_ms=60_000,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(str(path), ACCOUNT)
    yield journal
    journal.close()


def rows(path: Path) -> dict[str, tuple[str, str]]:
    """State and orderId by name, as another program reads them."""
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("SELECT orderLinkId, state, orderId FROM orders").fetchall()
    finally:
        connection.close()
    return {name: (state, orderId) for name, state, orderId in found}


def failure(call: Any) -> BybitError:
    with pytest.raises(BybitError) as caught:
        call()
    return caught.value


# --- the file -----------------------------------------------------------------------------


def test_an_intent_is_on_disk_when_begin_returns_and_the_outcome_after(
    journal: Journal, path: Path
) -> None:
    one, two = case("one"), case("two")

    journal.begin([one, two])
    assert rows(path) == {"one": ("sent", ""), "two": ("sent", "")}

    journal.end({one: (PLACED, "id-1"), two: (REFUSED, "")})
    assert rows(path) == {"one": ("placed", "id-1"), "two": ("refused", "")}


def test_the_file_and_its_companions_are_for_the_owner_alone(journal: Journal, path: Path) -> None:
    os.umask(before := os.umask(0))
    os.umask(0)
    try:
        journal.begin([case()])
    finally:
        os.umask(before)

    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_no_file_is_made_before_it_is_needed(journal: Journal, path: Path) -> None:
    assert not path.exists()
    journal.close()
    assert not path.exists()


@pytest.mark.parametrize("content", [b"[orders]\nnot a journal\n" * 300, b"\x00" * 5000])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(
    content: bytes, journal: Journal, path: Path
) -> None:
    path.write_bytes(content)

    error = failure(lambda: journal.begin([case()]))

    assert isinstance(error, ConfigError | OrderNotPlacedError)
    assert str(path) in str(error)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_alone(
    journal: Journal, path: Path
) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()

    error = failure(lambda: journal.begin([case()]))

    assert isinstance(error, ConfigError)
    assert "something else" in str(error)


def test_a_folder_that_is_not_there_is_a_config_error(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "nowhere" / "orders.sqlite"), ACCOUNT)

    assert isinstance(failure(lambda: journal.begin([case()])), ConfigError)


def test_after_close_nothing_is_taken_up(journal: Journal) -> None:
    journal.begin([case("before")])
    journal.close()
    journal.close()

    assert isinstance(failure(lambda: journal.begin([case("after")])), ClientClosedError)


def test_a_close_waits_for_the_outcome_of_what_is_under_way(journal: Journal, path: Path) -> None:
    under_way = case()
    journal.begin([under_way])
    journal.close()

    journal.end({under_way: (PLACED, "id-1")})

    assert rows(path) == {"mine-1": ("placed", "id-1")}
    assert not path.with_name("orders.sqlite-wal").exists()  # closed, and in one piece


def test_what_cannot_be_written_is_not_sent_and_an_outcome_is_written_later(
    journal: Journal, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = case("first")
    journal.begin([first])
    assert journal._connection is not None
    journal._connection.execute("PRAGMA query_only = ON")

    error = failure(lambda: journal.begin([case("second")]))
    with caplog.at_level(logging.WARNING):
        journal.end({first: (PLACED, "id-1")})

    assert isinstance(error, OrderNotPlacedError)
    assert error.orderLinkId == "second"
    assert "not journalled" in caplog.text
    journal._connection.execute("PRAGMA query_only = OFF")
    journal.begin([case("third")])
    assert rows(path) == {"first": ("placed", "id-1"), "third": ("sent", "")}


def test_settled_orders_are_forgotten_after_a_month_and_open_ones_never(path: Path) -> None:
    month_ms = 31 * 86_400_000
    old, new, still_open = case("old"), case("new", begun_ms=NOW_MS + month_ms), case("open")
    journal = Journal(str(path), ACCOUNT)
    journal.begin([old, new, still_open])
    journal.end({old: (PLACED, "1"), new: (PLACED, "2"), still_open: (UNKNOWN, "")})
    journal.close()

    again = Journal(str(path), ACCOUNT)
    again.unsettled(NOW_MS)
    again.close()

    assert rows(path).keys() == {"new", "open"}


# --- whose it is --------------------------------------------------------------------------

DIES = """
import sys
from tests.unit.test_orders_journal import ACCOUNT, Journal, case
journal = Journal(sys.argv[1], ACCOUNT)
journal.begin([case("orphan")])
import os
os._exit(1)
"""


def test_an_order_in_flight_is_left_to_its_process_while_that_lives(
    journal: Journal, path: Path
) -> None:
    journal.begin([case()])
    other = Journal(str(path), ACCOUNT)

    assert other.unsettled(NOW_MS) == []
    assert isinstance(failure(lambda: other.begin([case()])), ConfigError)
    # Unless the time of its call is long over.
    assert [one.orderLinkId for one in other.unsettled(lease_ms(case()) + 1)] == ["mine-1"]
    other.close()


def test_an_order_whose_process_is_dead_is_anybodys_to_settle(journal: Journal, path: Path) -> None:
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", DIES, str(path)], cwd=root, check=False, timeout=30)

    (orphan,) = journal.unsettled(NOW_MS)
    assert (orphan.orderLinkId, orphan.content, orphan.latest_ms) == (
        "orphan",
        case().content,
        None,  # when it was signed died with the process
    )

    again = case("orphan")
    journal.begin([again])
    assert again.may_be_there


def test_an_order_whose_call_ended_without_an_answer_may_be_settled_at_once(
    journal: Journal, path: Path
) -> None:
    unknown = case()
    journal.begin([unknown])
    unknown.signed(NOW_MS + 5, 1.0)
    journal.end({unknown: (UNKNOWN, "")})
    other = Journal(str(path), ACCOUNT)

    (found,) = other.unsettled(NOW_MS)
    other.close()

    assert found.latest_ms == NOW_MS + 5


def test_orders_of_another_key_are_told_of_and_not_touched(
    journal: Journal, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = Journal(str(path), "another account")
    unknown = case()
    theirs.begin([unknown])
    theirs.end({unknown: (UNKNOWN, "")})
    theirs.close()

    with caplog.at_level(logging.WARNING):
        assert journal.unsettled(NOW_MS) == []
    assert "another key" in caplog.text
    journal.begin([case(content=b"{}")])  # the name is theirs, not ours


def test_a_name_that_the_file_knows_is_not_given_to_another_order(journal: Journal) -> None:
    first = case()
    journal.begin([first])
    journal.end({first: (PLACED, "id-1")})

    error = failure(lambda: journal.begin([case("fresh"), case(content=b'{"qty":"2"}')]))

    assert isinstance(error, ConfigError)
    assert "mine-1" in str(error)
    journal.begin([case("fresh")])  # nothing was written of the refused pair


def test_a_process_is_dead_once_it_is_gone_and_alive_until_then() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    start = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    place = this_process().split()[0]
    name = f"{place} {child.pid} {start}"

    assert not is_surely_dead(name)
    assert is_surely_dead(f"{place} {child.pid} {int(start) - 1}")  # the id was given away again
    assert not is_surely_dead(f"elsewhere {child.pid} {start}")
    assert not is_surely_dead("nonsense")
    child.communicate(b"\n")
    assert is_surely_dead(name)


def test_this_process_is_alive() -> None:
    assert not is_surely_dead(this_process())


def test_a_journal_that_is_forgotten_with_an_order_under_way_closes_its_file(path: Path) -> None:
    journal = Journal(str(path), ACCOUNT)
    journal.begin([case()])
    connection = journal._connection
    assert connection is not None

    del journal

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


# --- many at once -------------------------------------------------------------------------


def write(path: str, who: str, count: int) -> None:
    """Take up and end so many orders."""
    journal = Journal(path, ACCOUNT)
    for number in range(count):
        one = case(f"{who}-{number}")
        journal.begin([one])
        journal.end({one: (PLACED, who)})
    journal.close()


def test_threads_and_processes_share_the_file(journal: Journal, path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=write, args=(str(path), f"p{n}", 30)) for n in range(2)]
    for process in processes:
        process.start()

    def work(thread: int) -> None:
        for number in range(30):
            one = case(f"t{thread}-{number}")
            journal.begin([one])
            journal.end({one: (PLACED, "")})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for each in [*threads, *processes]:
        each.join(60)

    assert [process.exitcode for process in processes] == [0, 0]
    assert len(rows(path)) == 8 * 30
    assert {state for state, _ in rows(path).values()} == {"placed"}


# --- the memory beside it -----------------------------------------------------------------


def test_the_memory_of_settled_names_is_bounded_and_that_of_open_ones_is_not_lost() -> None:
    ledger = Ledger(None)
    unknown = case("unknown")
    ledger.begin([unknown])
    ledger.end({unknown: (UNKNOWN, "")})
    for number in range(10_050):
        one = case(f"n-{number}")
        ledger.begin([one])
        ledger.end({one: (PLACED, "")})

    assert len(ledger._settled) == 10_000
    assert ledger.unsettled(NOW_MS) == [unknown]
    assert isinstance(failure(lambda: ledger.begin([case("n-10049", b"other")])), ConfigError)
    ledger.begin([case("n-0", b"other")])  # long ago


def test_a_name_whose_order_is_provably_absent_is_free_again() -> None:
    ledger = Ledger(None)
    absent = case()
    ledger.begin([absent])
    ledger.end({absent: (ABSENT, "")})

    ledger.begin([case(content=b"other")])


def test_a_late_word_about_an_earlier_try_does_not_undo_the_later_one() -> None:
    ledger = Ledger(None)
    first, second = case(), case()
    ledger.begin([first])
    ledger.end({first: (UNKNOWN, "")})
    ledger.begin([second])
    assert second.may_be_there

    ledger.end({first: (ABSENT, "")})
    assert ledger.in_flight([second]) == [second]
    ledger.end({second: (PLACED, "id-1")})
    ledger.end({first: (ABSENT, "")})

    assert isinstance(failure(lambda: ledger.begin([case(content=b"other")])), ConfigError)


def test_when_the_journal_refuses_the_memory_is_as_before(journal: Journal) -> None:
    ledger = Ledger(journal)
    ledger.begin([case("warm")])
    assert journal._connection is not None
    journal._connection.execute("PRAGMA query_only = ON")

    failure(lambda: ledger.begin([case()]))
    journal._connection.execute("PRAGMA query_only = OFF")

    ledger.begin([case(content=b"other")])  # the name was not taken
