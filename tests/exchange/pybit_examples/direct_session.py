# ruff: noqa: T201
from pybit.exceptions import FailedRequestError, InvalidRequestError
from pybit.helpers import Helpers
from pybit.unified_trading import HTTP

session = HTTP(api_key="...", api_secret="...", return_response_headers=True)

answer, elapsed, headers = session.get_tickers(category="spot", symbol="BTCUSDT")
print(answer["retMsg"], elapsed.total_seconds() > 0, headers.get("Content-Type"))

try:
    session.cancel_order(category="linear", symbol="BTCUSDT", orderId="nobody-knows")
except (InvalidRequestError, FailedRequestError) as error:
    print(error.status_code, error.message, str(error).startswith(error.message))

session.place_order(
    category="linear", symbol="BTCUSDT", side="Sell", orderType="Market", qty="0.01"
)
for answer, *_ in Helpers(session).close_position(category="linear", symbol="BTCUSDT"):
    print(answer)
