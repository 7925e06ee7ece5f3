"""Names for whatever a call creates: given where none was, left alone where one was."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from bybit_sync.api import endpoints
from bybit_sync.call.client_ids import with_client_ids
from bybit_sync.call.records import Endpoint

ROWS = [row for row in endpoints() if row.idempotency]


def row(name: str) -> Endpoint:
    return next(row for row in ROWS if row.key == name)


@pytest.mark.parametrize("endpoint", ROWS, ids=lambda row: row.key)
def test_every_row_with_a_name_column_gets_one_and_keeps_the_callers(endpoint: Endpoint) -> None:
    batch, _, name = str(endpoint.idempotency).rpartition("[].")

    def given(params: dict[str, Any]) -> Any:
        wrapped = {batch: [params]} if batch else params
        filled = with_client_ids(endpoint, wrapped, None)
        return (filled[batch][0] if batch else filled)[name]

    assert re.fullmatch(r"[A-Za-z0-9_-]{8,36}", given({}))
    assert given({}) != given({})
    assert given({name: "mine"}) == "mine"


def test_a_transfer_is_named_by_a_uuid_and_a_voucher_by_eight_characters() -> None:
    transfer = with_client_ids(row("asset.create_internal_transfer"), {}, None)["transferId"]
    voucher = with_client_ids(row("broker.issue_voucher"), {}, None)["specCode"]
    withdrawal = with_client_ids(row("asset.withdraw"), {}, None)["requestId"]

    assert str(uuid.UUID(transfer)) == transfer
    assert len(voucher) == 8
    assert re.fullmatch("[0-9a-zA-Z]{1,32}", withdrawal)  # as its documentation asks


def test_a_name_in_extra_counts_and_the_callers_dicts_are_left_alone() -> None:
    order = row("trade.place_order")
    params = {"symbol": "BTCUSDT"}

    assert with_client_ids(order, params, {"orderLinkId": "mine"}) is params
    assert "orderLinkId" in with_client_ids(order, params, None)
    assert params == {"symbol": "BTCUSDT"}
