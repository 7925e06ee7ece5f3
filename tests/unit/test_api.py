"""The generated methods as a user meets them: names, signatures, docstrings, what they hand on."""

from __future__ import annotations

import inspect
import rlcompleter
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bybit_sync._codegen.load import load
from bybit_sync._codegen.ret_codes import error_class
from bybit_sync._codegen.spec import EndpointRow, LimitRow, ParamRow
from bybit_sync.api import GROUPS, Groups, endpoints, find
from bybit_sync.call.records import CallOptions, Endpoint, Limit, Param
from bybit_sync.call.ret_codes import is_listed, verdict
from bybit_sync.call.unknown import nearest

SPEC = load()
ROWS = [(group, row) for group in SPEC for row in group.endpoints]
EACH_GROUP = pytest.mark.parametrize("group", SPEC, ids=lambda group: group.name)


class Recorder:
    """Stands for the pipeline and keeps what it is handed."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __call__(
        self,
        endpoint: Endpoint,
        params: dict[str, Any],
        options: CallOptions | None = None,
        extra: Any = None,
    ) -> Any:
        self.calls.append((endpoint, params, options, extra))
        return {"retCode": 0}


@pytest.fixture
def made() -> Recorder:
    return Recorder()


@pytest.fixture
def groups(made: Recorder) -> Groups:
    return Groups(made)


def method_of(groups: Groups, group: str, name: str) -> Any:
    return getattr(getattr(groups, group), name)


def public(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


# --- names --------------------------------------------------------------------------------


def test_there_are_446_endpoints_in_27_groups():
    assert len(GROUPS) == 27
    assert len(list(endpoints())) == 446
    assert len({endpoint.key for endpoint in endpoints()}) == 446


def test_every_row_is_a_method_and_nothing_else_is(groups):
    for group in SPEC:
        names = {name for row in group.endpoints for name in (row.name, *row.aliases)}
        assert public(getattr(groups, group.name)) == names, group.name


def test_every_method_of_pybit_is_there(groups):
    http = pytest.importorskip("pybit.unified_trading").HTTP
    theirs = {name for name in public(http) if inspect.isfunction(getattr(http, name))}
    ours = {name for group in GROUPS for name in public(getattr(groups, group))}

    assert theirs - ours == {"prepare_payload"}  # a helper of theirs that calls nothing


def test_an_alias_makes_the_same_call(groups, made):
    groups.fiat.get_fiat_coin_list(side=0)
    groups.fiat.get_fiat_trading_pair_list(side=0)

    assert made.calls[0] == made.calls[1]


def test_groups_are_attributes_that_completion_sees(groups):
    assert set(GROUPS) <= set(dir(groups))
    assert groups.market is groups.market
    assert repr(groups.market) == "<bybit_sync.api.market.Market>"


def test_a_group_takes_no_other_attributes(groups):
    with pytest.raises(AttributeError):
        groups.market.timeout = 3


# --- what is handed on --------------------------------------------------------------------


def test_a_method_hands_on_its_row_and_parameters(groups, made):
    options = CallOptions(timeout=3)

    reply = groups.market.get_tickers(
        category="linear", symbol="BTCUSDT", options=options, extra={"new": 1}
    )

    assert reply == {"retCode": 0}
    endpoint, params, given, extra = made.calls[0]
    assert (endpoint.key, endpoint.path) == ("market.get_tickers", "/v5/market/tickers")
    assert params == {"category": "linear", "symbol": "BTCUSDT", "baseCoin": None, "expDate": None}
    assert given is options
    assert extra == {"new": 1}


@EACH_GROUP
def test_every_method_hands_each_parameter_on_by_its_own_name(group, groups, made):
    for row in group.endpoints:
        values = {param.name: object() for param in row.params}

        method_of(groups, group.name, row.name)(**values)

        endpoint, params, options, extra = made.calls.pop()
        assert endpoint.key == f"{group.name}.{row.name}"
        assert params == values
        assert list(params) == [param.name for param in row.params]  # the order on the wire
        assert (options, extra) == (None, None)


# --- signatures ---------------------------------------------------------------------------


@EACH_GROUP
def test_every_signature_is_keyword_only_with_required_ones_first(group, groups):
    for row in group.endpoints:
        taken = inspect.signature(method_of(groups, group.name, row.name)).parameters
        *own, options, extra, unknown = taken.values()
        required = [param.name for param in row.params if param.required]

        assert (options.name, extra.name) == ("options", "extra")
        assert (unknown.kind, unknown.annotation) == (inspect.Parameter.VAR_KEYWORD, "NoReturn")
        assert {param.kind for param in own} <= {inspect.Parameter.KEYWORD_ONLY}, row.name
        assert [param.name for param in own if param.default is param.empty] == required
        assert [param.name for param in own[: len(required)]] == required
        assert all(param.default is None for param in own[len(required) :]), row.name


def hint(groups: Groups, group: str, name: str, param: str) -> str:
    method = method_of(groups, group, name)
    return str(inspect.signature(method).parameters[param].annotation)


@pytest.mark.parametrize(
    ("group", "name", "param", "annotation"),
    [
        ("market", "get_tickers", "symbol", "str | None"),
        ("market", "get_kline", "symbol", "str"),
        ("market", "get_kline", "interval", "Interval"),
        ("market", "get_kline", "start", "datetime | int | None"),
        ("market", "get_kline", "limit", "int | None"),
        ("trade", "place_order", "side", 'Literal["Buy", "Sell"]'),
        ("trade", "place_order", "qty", "Decimal | str | int"),
        ("trade", "place_order", "price", "Decimal | str | int | None"),
        ("trade", "place_order", "isLeverage", "Literal[0, 1] | None"),
        ("trade", "place_order", "reduceOnly", "bool | None"),
        ("trade", "place_batch_order", "request", "Sequence[Mapping[str, Any]]"),
        ("account", "get_wallet_balance", "coin", "str | Sequence[str] | None"),
        ("asset", "withdraw", "timestamp", "datetime | int"),
        ("asset", "withdraw", "beneficiary", "Mapping[str, Any] | None"),
        ("asset", "request_a_quote_small_balance", "fromCoinList", "list[str] | tuple[str, ...]"),
        (
            "alpha",
            "alpha_lp_get_order_list",
            "orderStatus",
            'Sequence[Literal["1", "2", "3"]] | None',
        ),
        ("asset", "get_funding_acc_history", "createTimeFrom", "int | None"),
        ("asset", "get_funding_acc_history", "limit", "int | str | None"),
    ],
)
def test_parameters_are_typed_by_what_they_are(groups, group, name, param, annotation):
    assert hint(groups, group, name, param).replace("'", '"') == annotation


def test_a_named_enum_holds_what_the_row_allows():
    from bybit_sync.api import market

    assert market.Interval.__args__ == market.GET_KLINE.by_name["interval"].allowed
    assert "D" in market.GET_KLINE.by_name["interval"].allowed


@EACH_GROUP
def test_every_signature_names_the_type_of_its_answer(group, groups):
    for row in group.endpoints:
        told = inspect.signature(method_of(groups, group.name, row.name)).return_annotation
        result = group.answers.methods.get(row.name)
        shape = result.hint if result else "dict[str, Any]"

        assert told.replace("answers.", "") == f"Reply[{shape}]", row.name


def test_completion_finds_groups_methods_and_parameters(groups):
    complete = rlcompleter.Completer({"client": groups}).complete

    assert complete("client.mark", 0) == "client.market"
    assert complete("client.market.get_tick", 0).rstrip("()") == "client.market.get_tickers"
    assert "startTime" in inspect.signature(groups.trade.get_executions).parameters


def test_shift_tab_shows_a_signature_and_a_docstring(groups):
    place = groups.trade.place_order
    signature = str(inspect.signature(place)).replace("'", "").replace('"', "")

    assert signature.startswith("(*, category: Literal[")
    assert "qty: Decimal | str | int, " in signature
    assert "orderLinkId: str | None = None" in signature
    assert signature.endswith("-> Reply[answers.OrderIds]")
    assert (inspect.getdoc(place) or "").startswith("Place an order.\n\nPOST /v5/order/create (")


# --- wrong keywords -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("symbl", "symbol"),
        ("start_time", "startTime"),
        ("base_coin", "baseCoin"),
        ("option", "options"),
    ],
)
def test_an_unknown_keyword_names_the_nearest(groups, made, given, meant):
    with pytest.raises(TypeError, match=rf"'{given}' \(nearest: '{meant}'\)"):
        groups.trade.get_executions(category="linear", **{given: 1})
    assert made.calls == []


def test_an_unknown_keyword_says_where_new_parameters_go(groups):
    with pytest.raises(TypeError, match=r"market\.get_server_time\(\) takes no 'x'.*extra=\{"):
        groups.market.get_server_time(x=1)


@EACH_GROUP
def test_every_method_refuses_unknown_keywords(group, groups, made):
    for row in group.endpoints:
        required = {param.name: "1" for param in row.params if param.required}

        with pytest.raises(TypeError, match=rf"{row.name}\(\) takes no 'zzz' \(nearest: "):
            method_of(groups, group.name, row.name)(**required, zzz=1)
    assert made.calls == []


def test_a_missing_parameter_is_named(groups, made):
    with pytest.raises(TypeError, match="'symbol'"):
        groups.market.get_kline(interval="1")
    assert made.calls == []


def test_parameters_cannot_be_given_by_position(groups):
    with pytest.raises(TypeError):
        groups.market.get_tickers("linear")


def test_nearest_does_not_mind_case_or_underscores():
    assert nearest("ORDER_LINK_ID", ["orderId", "orderLinkId", "order"]) == "orderLinkId"


# --- constants ----------------------------------------------------------------------------


@EACH_GROUP
def test_every_row_is_its_constant(group):
    for row in group.endpoints:
        assert find(row.method, row.path) == as_endpoint(group.name, row)


def as_endpoint(group: str, row: EndpointRow) -> Endpoint:
    return Endpoint(
        group=group,
        name=row.name,
        method=row.method,
        path=row.path,
        auth=row.auth,
        repeat=row.repeat,
        limit=as_limit(row.limit),
        params=tuple(as_param(param) for param in row.params),
        idempotency=row.idempotency or None,
        envelope=row.envelope,
    )


def as_limit(row: LimitRow | None) -> Limit | None:
    if row is None:
        return None
    assert row.scope in ("uid", "ip")
    scope = "ip" if row.scope == "ip" else "uid"
    return Limit(row.calls, row.window, scope, dict(row.by_category))


def as_param(row: ParamRow) -> Param:
    return Param(
        row.name,
        row.type,
        row.required,
        row.allowed,
        tuple(as_param(inner) for inner in row.fields),
        row.joined,
        (row.min, row.max) if row.has_bounds else None,
        row.max_length,
    )


def test_find_knows_no_other_path_or_verb():
    assert find("GET", "/v5/market/nothing") is None
    assert find("POST", "/v5/market/time") is None


def test_changing_calls_are_not_repeated_and_reads_are():
    for endpoint in endpoints():
        if endpoint.method == "GET":
            assert endpoint.repeat == "always", endpoint.key
    for key in ("place_order", "amend_order", "cancel_order", "place_batch_order"):
        assert next(e for e in endpoints() if e.name == key).repeat == "if_unsent"


# --- docstrings ---------------------------------------------------------------------------


def lines_of(groups: Groups, group: str, name: str) -> list[str]:
    return (inspect.getdoc(method_of(groups, group, name)) or "").split("\n")


@EACH_GROUP
def test_every_docstring_tells_the_facts(group, groups):
    for row in group.endpoints:
        lines = lines_of(groups, group.name, row.name)
        text = " ".join(" ".join(lines).split())

        assert lines[:2] == [row.summary, ""]
        assert text.count(f"{row.method} {row.path} (") == 1
        assert ("(public, " in text) == (row.auth == "none"), row.name
        assert ("always safe to repeat" in text) == (row.repeat == "always"), row.name
        assert ("Deprecated: " in text) == bool(row.deprecated), row.name
        for param in row.params:
            assert f" {param.name}: {param.summary}" in text
            if param.default is not None:
                assert f"{param.default} by default" in text
        if row.doc:
            page = row.doc.replace(" ", "%20")
            assert lines[-1] == f"https://bybit-exchange.github.io/docs/{page}"


def described(groups: Groups, group: str, name: str) -> Iterator[str]:
    return (" ".join(line.split()) for line in lines_of(groups, group, name))


def test_a_docstring_tells_units_values_bounds_and_limits(groups):
    tickers = list(described(groups, "market", "get_tickers"))
    executions = list(described(groups, "trade", "get_executions"))
    place = list(described(groups, "trade", "place_order"))

    assert tickers[2] == (
        "GET /v5/market/tickers (public, always safe to repeat; 120 calls/s per IP, shared)"
    )
    assert "limit: Rows per page; 1 to 100, 50 by default." in executions
    assert "side: Buy or sell; one of Buy, Sell." in place
    assert (
        "POST /v5/order/create (signed, repeated only if nothing was sent; 10 calls/s, spot 20)"
        in place
    )
    assert any("endTime: End of time window; unix milliseconds or" in line for line in executions)


def test_a_docstring_tells_the_shape_of_the_answer(groups):
    kline = list(described(groups, "market", "get_kline"))
    orders = " ".join(described(groups, "trade", "get_open_orders"))
    nothing = list(described(groups, "position", "set_leverage"))

    row = "[[startTime, openPrice, highPrice, lowPrice, closePrice, volume, turnover]]"
    assert row in " ".join(kline)
    assert "Returns: result: {" in orders
    assert "list: [{orderId, orderLinkId, " in orders
    assert "typed as OpenOrders in bybit_sync.api.answers.trade" in orders
    assert "result: empty" in nothing


def test_a_docstring_tells_the_refusals_that_matter(groups):
    order = " ".join(described(groups, "trade", "place_order"))
    leverage = " ".join(described(groups, "position", "set_leverage"))
    tickers = " ".join(described(groups, "market", "get_tickers"))

    assert "InsufficientFundsError: available balance too small (110007)" in order
    assert "OrderError: orderLinkId used before (110072)" in order
    assert "FailedRequestError: no usable answer; perhaps it was done" in order
    assert "leverage is this already (110043)" in leverage
    assert "Raises:" not in tickers


def test_the_refusals_are_the_errors_that_the_client_raises():
    for _, row in ROWS:
        for code in row.errors:
            assert error_class(int(code)) == verdict(int(code)).error.__name__, (row.name, code)
            assert is_listed(int(code)), (row.name, code)


def test_lines_of_docstrings_fit_the_page(groups):
    for group, row in ROWS:
        for line in (method_of(groups, group.name, row.name).__doc__ or "").split("\n"):
            assert len(line) <= 100 or "https://" in line, (row.name, line)


def test_the_map_lists_every_method():
    from bybit_sync._codegen.output import API

    text = (API / "README.md").read_text(encoding="utf-8")
    for group, row in ROWS:
        assert f"## {group.name}\n" in text
        assert f"`{row.name}`" in text
        assert f"{row.method} {row.path}" in text


# --- import -------------------------------------------------------------------------------


def loaded_by(code: str) -> set[str]:
    """The modules of the package that a fresh interpreter holds after `code`."""
    tail = "; import sys; print(*[m for m in sys.modules if m.startswith('bybit_sync')])"
    ran = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


def test_importing_the_package_imports_no_group():
    loaded = loaded_by("import bybit_sync.api; bybit_sync.api.Groups(print); bybit_sync.api.find")

    assert not {f"bybit_sync.api.{name}" for name in (*GROUPS, "_index")} & loaded


def test_a_group_is_imported_at_its_first_use():
    loaded = loaded_by("import bybit_sync.api; bybit_sync.api.Groups(print).market")

    assert {m for m in loaded if m.startswith("bybit_sync.api.")} == {
        "bybit_sync.api._group",
        "bybit_sync.api.market",
    }
    assert "bybit_sync.call.reply" not in loaded
