# ruff: noqa: T201
from pybit.unified_trading import HTTP

session = HTTP(testnet=False, api_key="...", api_secret="...")

chain = session.get_instruments_info(category="option", baseCoin="BTC")["result"]["list"]
symbol = chain[0]["symbol"]

payload = {"category": "option"}
payload["request"] = [
    {
        "symbol": symbol,
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.01",
        "price": str(price),
        "orderLinkId": f"many-{price}",
    }
    for price in (5, 10, 15)
]
print(session.place_batch_order(payload))

still_open = session.get_open_orders(category="option", baseCoin="BTC")["result"]["list"]
cancels = [{"symbol": each["symbol"], "orderId": each["orderId"]} for each in still_open]
print(session.cancel_batch_order(category="option", request=cancels))
