"""What a call may take, and what error it becomes when it takes more."""

from __future__ import annotations

import http.client
import ssl

import pytest
import urllib3

from bybit_sync.clock import Deadline
from bybit_sync.exceptions import (
    BadAnswerError,
    ConnectError,
    ConnectionLostError,
    DnsError,
    FailedRequestError,
    ReadTimeoutError,
    TlsError,
    TotalTimeoutError,
)
from bybit_sync.net.budget import AnswerFaultError, Budget, CutAnswerError, PeerClosedError
from tests.conftest import FakeClock


def make(clock: FakeClock, total: float = 60.0) -> Budget:
    return Budget(Deadline.after(total, clock), connect=10.0, read=30.0)


def test_a_wait_is_bounded_by_the_read_timeout_and_by_what_is_left(clock: FakeClock) -> None:
    budget = make(clock)
    budget.start_writing()

    assert budget.patience() == 30.0
    clock.advance(45.0)
    assert budget.patience() == 15.0
    clock.advance(15.0)
    with pytest.raises(TimeoutError):
        budget.patience()


def test_connecting_has_its_own_bound_and_no_step_has_another(clock: FakeClock) -> None:
    budget = Budget(Deadline.after(60.0, clock), connect=10.0, read=1.0)
    deadline = budget.start_connecting()
    budget.phase = "tls"

    assert deadline.remaining() == 10.0
    clock.advance(4.0)
    assert budget.patience() == 6.0
    clock.advance(6.0)
    with pytest.raises(TimeoutError):
        budget.patience()
    budget.end_connecting()
    assert budget.patience() == 1.0


def test_connecting_takes_no_more_than_the_call_has_left(clock: FakeClock) -> None:
    budget = make(clock, total=3.0)

    assert budget.start_connecting().remaining() == 3.0
    assert budget.connect_timeout == 3.0
    assert budget.read_timeout == 3.0


def test_urllib3_gets_no_fresh_time_from_a_clone(clock: FakeClock) -> None:
    budget = make(clock)

    assert budget.clone() is budget
    budget.start_connect()
    budget.start_connect()  # a repeat on a fresh connection starts once more
    clock.advance(50.0)
    assert budget.clone().read_timeout == 10.0


def test_what_is_written_to_a_proxy_is_not_the_request(clock: FakeClock) -> None:
    budget = make(clock)
    budget.start_connecting()
    budget.phase = "connect"

    budget.note_write()
    assert not budget.written
    budget.start_writing()
    budget.note_write()
    assert budget.written


def test_the_time_on_the_wire_leaves_out_what_came_before(clock: FakeClock) -> None:
    budget = make(clock)
    clock.advance(5.0)
    budget.start_writing()
    clock.advance(0.25)

    assert budget.on_the_wire() == 0.25


FAULTS = [
    ("dns", OSError("unknown"), DnsError),
    ("dns", TimeoutError(), DnsError),
    ("connect", ConnectionRefusedError(), ConnectError),
    ("connect", TimeoutError(), ConnectError),
    ("connect", OSError("Tunnel connection failed: 407"), ConnectError),
    ("tls", ssl.SSLCertVerificationError("bad"), TlsError),
    ("tls", ssl.SSLError("alert"), TlsError),
    ("tls", urllib3.exceptions.SSLError("bad"), TlsError),
    ("tls", ssl.SSLEOFError("cut"), ConnectError),
    ("tls", ssl.SSLZeroReturnError("cut"), ConnectError),
    ("tls", ConnectionResetError(), ConnectError),
    ("tls", TimeoutError(), ConnectError),
    ("write", BrokenPipeError(), ConnectionLostError),
    ("write", TimeoutError(), ReadTimeoutError),
    ("read", ConnectionResetError(), ConnectionLostError),
    ("read", PeerClosedError("closed"), ConnectionLostError),
    ("read", TimeoutError(), ReadTimeoutError),
    ("read", urllib3.exceptions.ReadTimeoutError(None, "", ""), ReadTimeoutError),  # type: ignore[arg-type]
    ("read", AnswerFaultError("garbage"), BadAnswerError),
    ("read", CutAnswerError("cut"), BadAnswerError),
    ("read", http.client.RemoteDisconnected("gone"), ConnectionLostError),
]


@pytest.mark.parametrize(("phase", "fault", "expected"), FAULTS)
@pytest.mark.parametrize("written", [True, False])
def test_a_fault_becomes_the_error_of_its_phase(
    written: bool,
    phase: str,
    fault: Exception,
    expected: type[FailedRequestError],
    clock: FakeClock,
) -> None:
    budget = make(clock)
    clock.advance(1.5)
    budget.phase = phase
    budget.written = written and phase in ("write", "read")

    error = budget.fault(fault, "host:1")

    assert isinstance(error, expected)
    assert isinstance(error, TlsError) is (expected is TlsError)
    assert error.effect_unknown is budget.written
    assert "host:1" in error.message
    assert "1.500 s" in error.message
    assert getattr(error, "phase", phase) == phase


@pytest.mark.parametrize("phase", ["dns", "connect", "tls", "write", "read"])
def test_a_time_out_at_the_deadline_is_the_total_one_in_every_phase(
    phase: str, clock: FakeClock
) -> None:
    budget = make(clock)
    budget.phase = phase
    clock.advance(60.0)

    error = budget.fault(TimeoutError(), "host:1")

    assert type(error) is TotalTimeoutError
    assert error.phase == phase
    assert not error.effect_unknown


def test_a_connection_that_breaks_inside_an_answer_is_a_bad_answer(clock: FakeClock) -> None:
    budget = make(clock)
    budget.phase, budget.written, budget.answered = "read", True, True

    error = budget.fault(ConnectionResetError(), "host:1")

    assert type(error) is BadAnswerError
    assert error.effect_unknown
