"""Write and check the facts.

``python -m tests.serving.agent --captured FOLDER`` writes the facts of transcripts; ``--record URL`` those of scenarios
without transcripts, from a real server; ``--check URL`` plays all scenarios on a server and prints what differs.
"""

from __future__ import annotations

import argparse
import asyncio
import fnmatch
import json
import time
from collections import defaultdict
from pathlib import Path

from tests.serving.agent.captures import FACTS, captured, facts, write
from tests.serving.agent.differing import differing
from tests.serving.agent.scenarios import SCENARIOS
from tests.serving.agent.stage import Scenario, all_played
from tests.support.wire import Form


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captured", type=Path)
    parser.add_argument("--record")
    parser.add_argument("--check")
    parser.add_argument("--only", default="*", help="a pattern of scenarios")
    parser.add_argument("--at-once", type=int, default=4)
    asked = parser.parse_args()
    chosen = [scenario for name, scenario in SCENARIOS.items() if fnmatch.fnmatch(name, asked.only)]
    if asked.captured:
        _keep({scenario: captured(scenario, asked.captured) for scenario in chosen if scenario.captured})
    if asked.record:
        unknown = [scenario for scenario in chosen if not scenario.captured]
        _keep(asyncio.run(all_played(unknown, asked.record, asked.at_once)))
    if asked.check:
        raise SystemExit(_check(asyncio.run(all_played(chosen, asked.check, asked.at_once))))


def _keep(forms: dict[Scenario, Form]) -> None:
    groups: dict[str, dict[str, Form]] = defaultdict(dict)
    for scenario, form in forms.items():
        if "failed" in form[0]:
            raise SystemExit(f"{scenario.name}: {form[0]['failed']}")
        groups[scenario.group][scenario.name] = form
    for group, added in groups.items():
        path = FACTS / f"{group}.json"
        write(group, (json.loads(path.read_text("utf-8")) if path.exists() else {}) | added)
        print(f"{path}: {len(added)} scenarios, {path.stat().st_size} bytes")


def _check(forms: dict[Scenario, Form]) -> int:
    found = {scenario: differing(facts(scenario), form) for scenario, form in forms.items()}
    for scenario, lines in found.items():
        if lines:
            print(f"=== {scenario.name} {scenario.flaps and f'(flaps: {scenario.flaps})'}", *lines, sep="\n")
    count = sum(bool(lines) and not scenario.flaps for scenario, lines in found.items())
    print(f"{len(forms)} scenarios, {count} differ, {time.strftime('%H:%M:%S')}")
    return count


if __name__ == "__main__":
    main()
