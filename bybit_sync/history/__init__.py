"""Long downloads: split into windows, fetched side by side, put together without gap or double."""

from __future__ import annotations

from .download import Download
from .fetch import fetch
from .history import History
from .plan import Plan, Task
from .saved import DownloadInterrupted, Saved
from .series import SERIES, Series

__all__ = [
    "SERIES",
    "Download",
    "DownloadInterrupted",
    "History",
    "Plan",
    "Saved",
    "Series",
    "Task",
    "fetch",
]
