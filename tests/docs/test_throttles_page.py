"""The page about throttles names every rule."""

from pathlib import Path

import pytest

from proofkey.authorization_server import throttles
from proofkey.protocol.throttle import Backoff, Limit

PAGE = Path(__file__).parents[2] / "docs" / "server.md"
RULES = [rule for rule in vars(throttles).values() if isinstance(rule, Limit | Backoff)]


@pytest.mark.spec("V6-6.1.1")
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_stands_in_the_table(rule: Limit | Backoff) -> None:
    section = PAGE.read_text().partition("\n## Throttles\n")[2].partition("\n## ")[0]
    assert sum(line.startswith("| `") and f"`{rule.name}`" in line for line in section.splitlines()) == 1


def test_no_two_rules_share_a_counter() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES) > 20
