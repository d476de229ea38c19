from __future__ import annotations
from dataclasses import dataclass
from typing import Any
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    question: str | None
    model: str | None
    json: bool
    delay: float | None
def run_demo(options: Options, console: Any) -> None:
    pass
