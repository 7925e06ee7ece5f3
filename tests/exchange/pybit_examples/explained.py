# ruff: noqa: T201
import logging

from pybit.unified_trading import HTTP

logging.getLogger("pybit").setLevel(logging.DEBUG)

session = HTTP(testnet=True, api_key="...", api_secret="...", log_requests=True)

print(session.get_kline(category="inverse", symbol="BTCUSD", interval=60, limit=5))
print(session.get_tickers(category="linear", symbol="BTCUSDT"))

order = session.place_order(
    category="spot",
    symbol="ETHUSDT",
    side="Buy",
    orderType="Limit",
    qty="0.1",
    price=1000,
    timeInForce="PostOnly",
    orderLinkId="explained-01",
    isLeverage=0,
    orderFilter="Order",
)
print(order)

found = session.get_open_orders(category="spot", symbol="ETHUSDT", openOnly=0, limit=1)
for each in found["result"]["list"]:
    print(session.cancel_order(category="spot", symbol=each["symbol"], orderId=each["orderId"]))

print(session.get_wallet_balance(accountType="UNIFIED", coin="USDT"))
print(session.get_positions(category="linear", symbol="BTCUSDT"))
