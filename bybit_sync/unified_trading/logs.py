"""pybit's way to be heard by people who have set up no logging."""

from __future__ import annotations

import logging

_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
_DATES = "%Y-%m-%d %H:%M:%S"


class _PybitHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """The one handler that a session may add, told apart from the user's own."""


def show_at(logger: logging.Logger, level: int | str) -> None:
    """Write records from `level` on to stderr, unless somebody has set up logging.

    It is what pybit's ``logging_level`` does, and the one place where this package adds a handler.
    A second session does not add a second one, which would write every line twice: it sets the
    level of the first.
    """
    own = [each for each in logger.handlers if isinstance(each, _PybitHandler)]
    if not own and not logger.hasHandlers():
        own = [_PybitHandler()]
        own[0].setFormatter(logging.Formatter(fmt=_FORMAT, datefmt=_DATES))
        logger.addHandler(own[0])
    for handler in own:
        handler.setLevel(level)
