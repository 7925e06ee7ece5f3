"""Accounts and their orders: checking, matching, money, positions, and the endpoints on them."""
