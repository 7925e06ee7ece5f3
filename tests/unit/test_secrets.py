"""The key, the secret and the signatures are in no log, message, repr, traceback or pickle."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bybit_sync.call.records import CallOptions
from bybit_sync.exceptions import BybitError, ConnectError, ConnectionLostError
from tests.conftest import FakeClock
from tests.unit.call_fakes import (
    API_KEY,
    GET_ORDERS,
    ORDER,
    PLACE_ORDER,
    SECRET,
    FakeTransport,
    Sent,
    answer,
    envelope,
    pipeline,
)


def _echo(request: Sent) -> Any:
    """A proxy that throws back what it was sent."""
    return answer(f"<pre>{request.method} {request.target} {request.signed}</pre>".encode())


def _origin(request: Sent) -> Any:
    text = f"error sign! origin_string[{request.signed['X-BAPI-TIMESTAMP']}{API_KEY}5000]"
    return answer(envelope(retCode=10004, retMsg=text))


def _signature(request: Sent) -> Any:
    return answer(envelope(retCode=10004, retMsg=f"bad sign {request.signed['X-BAPI-SIGN']}"))


FAULTS: dict[str, Any] = {
    "refused": ConnectError("refused", phase="connect"),
    "lost": ConnectionLostError("reset", phase="read", effect_unknown=True),
    "echo": _echo,
    "echo of the string to sign": _origin,
    "echo of the signature": _signature,
    "banned": answer(f"go away {API_KEY}".encode(), 403),
    "unauthorised": answer(f"who is {API_KEY}?".encode(), 401),
    "gateway": answer(f"X-BAPI-API-KEY: {API_KEY}".encode(), 502),
    "limited": answer(envelope(retCode=10006, retMsg="Too many visits!")),
    "interrupted": ZeroDivisionError("in a user's hook"),
}


def surfaces(error: BaseException) -> Iterator[str]:
    yield str(error)
    yield repr(error)
    yield repr(error.args)
    yield repr(vars(error))
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    if isinstance(error, BybitError):
        yield repr(pickle.dumps(error))


@pytest.mark.parametrize("act", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("endpoint", [GET_ORDERS, PLACE_ORDER], ids=lambda row: row.name)
def test_no_fault_gives_a_secret_away(
    clock: FakeClock, caplog: pytest.LogCaptureFixture, act: Any, endpoint: Any
) -> None:
    transport = FakeTransport(clock, [act])
    lines = pipeline(transport)
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises((BybitError, ZeroDivisionError)) as raised,
    ):
        lines.call(endpoint, ORDER, CallOptions(attempts=2, timeout=5.0))
    signatures = [sent.signed["X-BAPI-SIGN"] for sent in transport.sent]
    seen = [*_of_our_frames(raised.value, surfaces), caplog.text]
    for secret in (SECRET, API_KEY, *signatures):
        for surface in seen:
            assert secret not in surface


def _of_our_frames(error: BaseException, look: Callable[[BaseException], Iterator[str]]) -> Any:
    """What can be seen of an error, without the frames of this test and its fakes."""
    trace = error.__traceback__
    kept = []
    while trace is not None:
        if "/bybit_sync/" in trace.tb_frame.f_code.co_filename:
            kept.append((trace.tb_frame, trace.tb_lasti, trace.tb_lineno))
        trace = trace.tb_next
    assert kept, "the error came through our code"
    from types import TracebackType

    chain: TracebackType | None = None
    for frame, lasti, lineno in reversed(kept):
        chain = TracebackType(chain, frame, lasti, lineno)
    return [*look(error.with_traceback(chain))]


def test_the_pipelines_own_repr_and_parts_show_nothing(clock: FakeClock) -> None:
    lines = pipeline(FakeTransport(clock))
    seen = [repr(lines), *(repr(part) for part in vars(lines).values())]
    for secret in (SECRET, API_KEY):
        assert not [surface for surface in seen if secret in surface]
    with pytest.raises(TypeError):
        pickle.dumps(lines)


def test_a_reply_that_holds_a_new_key_is_not_logged(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    transport = FakeTransport(
        clock, [answer(envelope({"apiKey": "n3wK3y", "secret": "n3wS3cr3t"}))]
    )
    with caplog.at_level(logging.DEBUG):
        pipeline(transport).call(PLACE_ORDER, ORDER)
    assert "n3w" not in caplog.text
    assert "trade.place_order" in caplog.text
