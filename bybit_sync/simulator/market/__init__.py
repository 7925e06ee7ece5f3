"""The outside market: instruments, prices, trades and books, and the endpoints that show them."""
