"""Into Tracker's log, with driver and account named beside each line. Capped there in lines and length."""

from __future__ import annotations

from tracker_driver._host import host


def debug(message: str) -> None:
    host.log("DEBUG", message)


def info(message: str) -> None:
    host.log("INFO", message)


def warn(message: str) -> None:
    host.log("WARN", message)


def error(message: str) -> None:
    host.log("ERROR", message)
