# ruff: noqa: T201
import uuid

from pybit.unified_trading import HTTP

session = HTTP(testnet=True, api_key="...", api_secret="...")

print(session.get_account_information())
print(session.get_ads_list())
print(session.get_orders(page=1, size=10))
print(session.get_pending_orders(page=1, size=10))
print(session.get_order_details(orderId="1234567890123456789"))

uploaded = session.upload_chat_file(upload_file="receipt.png")
print(
    session.send_chat_message(
        orderId="1234567890123456789",
        contentType="pic",
        message=uploaded["result"]["url"],
        msgUuid=uuid.uuid4().hex,
    )
)
print(session.get_chat_messages(orderId="1234567890123456789", size=30))
