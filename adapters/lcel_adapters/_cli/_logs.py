"""How a server logs: as text for people, or as one JSON object on each line for what collects logs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any, Final

_KNOWN: Final = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "color_message", "taskName"})
"""What every record has; what is left was given as `extra`."""


class JsonFormatter(logging.Formatter):
    """A record as a JSON object: `time`, `level`, `logger`, `message`, what it was given beside, and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _KNOWN},
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, default=repr, ensure_ascii=False)


def log_config(level: str, format: str) -> dict[str, Any]:
    """The configuration of `logging` for a server; messages go to standard error.

    Args:
        level: From which on messages are shown.
        format: `text` or `json`.
    """
    plain = {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    logger = {"handlers": ["all"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"text": plain, "json": {"()": JsonFormatter}},
        "handlers": {"all": {"class": "logging.StreamHandler", "formatter": format}},
        "loggers": dict.fromkeys(("lcel_adapters", "lcel_compat", "uvicorn"), logger)
        | {name: {"handlers": [], "level": level.upper()} for name in ("uvicorn.access", "uvicorn.error")},
        "root": {"handlers": ["all"], "level": "WARNING"},
    }
