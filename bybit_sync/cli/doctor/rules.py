"""Every rule, in the order in which a person should act on what they find."""

from __future__ import annotations

from collections.abc import Callable

from . import peer_rules, pool_rules
from .evidence import Evidence, Finding

Rule = Callable[[Evidence], "Finding | None"]

RULES: tuple[Rule, ...] = (
    peer_rules.banned,
    peer_rules.dead_dns,
    peer_rules.unreachable,
    peer_rules.skewed_clock,
    peer_rules.limit_hit,
    pool_rules.saturated,
    peer_rules.server_closes,
    pool_rules.no_reuse,
    peer_rules.condemned,
    pool_rules.expiring,
    pool_rules.hoard,
)


def findings(evidence: Evidence) -> list[Finding]:
    """What is wrong, the most pressing first."""
    found = (rule(evidence) for rule in RULES)
    return [finding for finding in found if finding is not None]
