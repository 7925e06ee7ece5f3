"""Cutting a bar into smaller ones, and a minute into trades, so that all add up to the last digit.

Open, high, low, close, volume and turnover of the whole are given. The parts get a path that
wanders from open to close, one of them takes the high and one the low, and what is missing in
turnover is spread over them within what their own prices allow.
"""

from __future__ import annotations

from itertools import accumulate

from .bars import MINUTE_MS, SLOT_MS, SLOTS, Bar, Trade

# How far a path of n steps strays, as 1024ths of the range that it has to fill.
_STRAY = {24: 232, 20: 254, 4: 568, 3: 656, 5: 508}
# How far a step's wick reaches beyond its body, as 1024ths of the parent's range.
_WICK = {24: 104, 4: 256, 3: 296, 5: 229}


def bridge(whole: Bar, count: int, dice: tuple[int, ...]) -> list[int]:
    """`count + 1` prices from open to close that wander within low and high."""
    reach = (whole.high - whole.low) * _STRAY[count]
    walk, at = [0], 0
    for step in dice[:count]:
        at += step - 32768
        walk.append(at)
    drift, rise = at, whole.close - whole.open
    low, high, start = whole.low, whole.high, whole.open
    points = [
        start + (rise * i + ((walk[i] * count - drift * i) * reach >> 25)) // count
        for i in range(count + 1)
    ]
    goal = whole.turnover * count // max(whole.volume, 1) + (start + whole.close) // 2
    for _ in range(2):
        # Bend the path as a bow until its average is the bar's; what the bounds cut off, again.
        bow = 6 * (goal - sum(points)) // (count * count - 1)
        for i in range(1, count):
            bent = points[i] + bow * i * (count - i) // count
            points[i] = low if bent < low else high if bent > high else bent
    return points


def cut(whole: Bar, count: int, dice: tuple[int, ...]) -> tuple[Bar, ...]:
    """`count` bars in a row that add up to `whole`; needs four numbers for each."""
    points = bridge(whole, count, dice)
    reach = (whole.high - whole.low) * _WICK[count]
    highs, lows = [], []
    for i in range(count):
        a, b = points[i], points[i + 1]
        top, bottom = (a, b) if a > b else (b, a)
        top += dice[count + i] * reach >> 26
        bottom -= dice[2 * count + i] * reach >> 26
        highs.append(top if top < whole.high else whole.high)
        lows.append(bottom if bottom > whole.low else whole.low)
    highs[highs.index(max(highs))] = whole.high
    lows[lows.index(min(lows))] = whole.low
    volumes = _share_volume(whole.volume, dice[3 * count :])
    turnovers = _share_turnover(whole, points, highs, lows, volumes)
    befores = accumulate(turnovers, initial=whole.before)
    return tuple(map(Bar, points, highs, lows, points[1:], volumes, turnovers, befores))


def _share_volume(total: int, dice: tuple[int, ...]) -> list[int]:
    weight = 32768 * len(dice) + sum(dice)
    shares = [total * (32768 + die) // weight for die in dice]
    shares[-1] += total - sum(shares)
    return shares


def _share_turnover(
    whole: Bar, points: list[int], highs: list[int], lows: list[int], volumes: list[int]
) -> list[int]:
    """Turnovers that add up to the whole's, each with its mean price well inside its bar.

    May move volume between the bars where their prices alone cannot give the sum.
    """
    missing, shares, rooms = _first_shares(whole, points, highs, lows, volumes)
    room = sum(rooms)
    if abs(missing) > abs(room):
        limits = [share + free for share, free in zip(shares, rooms, strict=True)]
        _crowd(volumes, limits, highs, lows, whole.turnover, upwards=missing > 0)
        missing, shares, rooms = _first_shares(whole, points, highs, lows, volumes)
        room = sum(rooms)
    spread = missing if abs(missing) <= abs(room) else room
    missing -= spread
    for i, free in enumerate(rooms):
        part = spread * free // room if room else 0
        shares[i] += part
        spread -= part
        room -= free
    if missing:
        _widen(whole, highs, lows, volumes, shares, missing)
    return shares


def _widen(
    whole: Bar,
    highs: list[int],
    lows: list[int],
    volumes: list[int],
    shares: list[int],
    missing: int,
) -> None:
    """Let bars reach the whole's high, or low, until what is missing fits into their prices.

    A bar that reaches further needs some lots out there: what it takes too much for that, the bar
    with most room gives.
    """
    for i, volume in enumerate(volumes):
        if missing > 0:
            highs[i] = whole.high
            reach = whole.high - lows[i]
            most = whole.high * volume - reach * volume // 4 - shares[i]
            part = max(min(missing, most), min(most, reach * SLOTS))
        else:
            lows[i] = whole.low
            reach = highs[i] - whole.low
            least = whole.low * volume + reach * volume // 4 - shares[i]
            part = min(max(missing, least), max(least, -reach * SLOTS))
        if not reach or part * missing <= 0:
            continue
        shares[i] += part
        is_enough = abs(part) >= abs(missing)
        missing -= part
        if is_enough:
            break
    if missing:
        others = [j for j in range(len(volumes)) if j != i]
        shares[max(others, key=lambda j: (highs[j] - lows[j]) * volumes[j])] += missing


def _first_shares(
    whole: Bar, points: list[int], highs: list[int], lows: list[int], volumes: list[int]
) -> tuple[int, list[int], list[int]]:
    """What is missing when each bar trades at the mean of its four prices, these turnovers, and
    how far each can go the way that is missing and leave its trades room to differ."""
    shares = [
        (points[i] + points[i + 1] + highs[i] + lows[i]) * volume // 4
        for i, volume in enumerate(volumes)
    ]
    missing = whole.turnover - sum(shares)
    rooms = []
    for high, low, volume, share in zip(highs, lows, volumes, shares, strict=True):
        margin = (high - low) * volume // 4
        rooms.append((high * volume - margin if missing > 0 else low * volume + margin) - share)
    return missing, shares, rooms


def _crowd(
    volumes: list[int],
    limits: list[int],
    highs: list[int],
    lows: list[int],
    total: int,
    *,
    upwards: bool,
) -> None:
    """Let people trade where the price is right: move volume to the bar of the extreme."""
    peak = highs.index(max(highs)) if upwards else lows.index(min(lows))
    means = [limit / max(volume, 1) for limit, volume in zip(limits, volumes, strict=True)]
    best = means[peak]
    reached = sum(limits)
    for i in sorted(range(len(volumes)), key=means.__getitem__, reverse=not upwards):
        gain, missing = best - means[i], total - reached
        if i == peak or gain * missing <= 0 or (missing > 0) != upwards:
            continue
        moved = min(volumes[i] * 3 // 4, int(missing / gain) + 1)
        volumes[i] -= moved
        volumes[peak] += moved
        reached += int(moved * gain)


def deals(whole: Bar, minute: int, dice: tuple[int, ...]) -> tuple[Trade, ...]:
    """The trades of a minute: first at its open, last at its close, sums to the last digit."""
    prices = bridge(whole, SLOTS, dice)[1:]
    prices[0], prices[-1] = whole.open, whole.close
    inner = range(1, SLOTS - 1)
    top = max(inner, key=prices.__getitem__)
    prices[top] = whole.high
    bottom = min((i for i in inner if i != top), key=prices.__getitem__)
    prices[bottom] = whole.low
    spare = next(i for i in inner if i not in (top, bottom))
    sizes = _share_volume(whole.volume - SLOTS, dice[SLOTS : 2 * SLOTS])
    sizes = [size + 1 for size in sizes]
    sizes[top] += sizes[spare] - 1
    sizes[spare] = 1
    prices[spare] = _settle(whole, prices, sizes, top, bottom, spare)
    trades, before, last = [], whole.before, whole.open
    for slot in range(SLOTS):
        jitter = dice[2 * SLOTS + slot]
        price, size = prices[slot], sizes[slot]
        is_buy = jitter & 1 == 1 if price == last else price > last
        ms = minute * MINUTE_MS + slot * SLOT_MS + jitter % SLOT_MS
        trades.append(Trade(minute * SLOTS + slot, ms, price, size, is_buy, before))
        before += price * size
        last = price
    return tuple(trades)


def _settle(
    whole: Bar, prices: list[int], sizes: list[int], top: int, bottom: int, spare: int
) -> int:
    """Move lots until the spare trade, one lot, can make up the turnover; return its price."""
    rest = whole.turnover - sum(
        price * size
        for i, (price, size) in enumerate(zip(prices, sizes, strict=True))
        if i != spare
    )
    goal, aim = (top, whole.high) if rest > whole.high else (bottom, whole.low)
    for i in sorted(range(SLOTS), key=lambda i: abs(prices[i] - aim), reverse=True):
        if whole.low <= rest <= whole.high:
            break
        gain = aim - prices[i]
        if i == spare or gain == 0:
            continue
        lots = min(sizes[i] - 1, -((aim - rest) // gain))
        sizes[i] -= lots
        sizes[goal] += lots
        rest -= lots * gain
    return min(max(rest, whole.low), whole.high)
