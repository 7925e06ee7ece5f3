"""Locks across ``fork()``: a child must not wait for a thread that it does not have.

A lock that another thread holds in the moment of a fork stays locked in the child for ever. What
it guarded was copied as it stood; every class here keeps its shared state such that it may be
used from there on.
"""

from __future__ import annotations

import os
import threading
import weakref

_OWNERS: weakref.WeakKeyDictionary[object, tuple[str, ...]] = weakref.WeakKeyDictionary()


def renew_after_fork(owner: object, *names: str) -> None:
    """In a forked child, give `owner` a fresh `threading.Lock` under each of these names."""
    _OWNERS[owner] = names


def _renew() -> None:
    for owner, names in list(_OWNERS.items()):
        for name in names:
            setattr(owner, name, threading.Lock())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
