"""Answers judged as pybit judges them: by HTTP status first, and with some retCodes let through."""

from __future__ import annotations

from bybit_sync.call.list_text import TakeList
from bybit_sync.call.parse import Body, Parser
from bybit_sync.call.records import Endpoint
from bybit_sync.exceptions import ApiError, BadAnswerError
from bybit_sync.net.answer import Answer

from .options import Options

UNREADABLE = 409
"""pybit's ``status_code`` where an answer that says 200 is not JSON."""


class PybitParser(Parser):
    """The client's parser with pybit's two exceptions: any status but 200 is a failed request, and
    an answer with one of the ``ignore_codes`` is an answer."""

    __slots__ = ("_options",)
    _options: Options

    @classmethod
    def of(cls, parser: Parser, options: Options, host: str) -> PybitParser:
        """A parser of `host`'s answers, otherwise as the given one."""
        made = cls(parser._clock, parser._hidden, host)
        made._options = options
        return made

    def parse(self, endpoint: Endpoint, answer: Answer, take_list: TakeList | None = None) -> Body:
        """The envelope of an answer that pybit would return.

        Raises:
            ApiError: Bybit says no with HTTP 200.
            BadAnswerError: any other status, or no envelope.
        """
        try:
            return super().parse(endpoint, answer, take_list)
        except ApiError as error:
            if answer.status == 200:
                return self._ignored(error)
            failed = _as_failed(error, answer.status)
        except BadAnswerError as error:
            if answer.status == 200:
                error.status_code = UNREADABLE
                error.transient = True
            raise
        raise failed

    def _ignored(self, error: ApiError) -> Body:
        options = self._options
        if error.ret_code in options.retry_codes or error.ret_code not in options.ignore_codes:
            raise error.with_traceback(None)
        return dict(error.body)


def _as_failed(error: ApiError, status: int) -> BadAnswerError:
    """Bybit's refusal in an answer whose HTTP status is one already."""
    return BadAnswerError(
        f"HTTP {status}: {error.message}",
        status_code=status,
        resp_headers=error.resp_headers,
        effect_unknown=error.effect_unknown,
    )
