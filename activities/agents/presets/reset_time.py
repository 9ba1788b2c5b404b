"""The moment at which a usage limit ends, in the words of the programs that report one."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH = re.compile(r"\b(1[5-9]\d{8}|[2-3]\d{9})\b")
_DURATION = re.compile(r"\b(?:in|after)\s+((?:\d+(?:\.\d+)?\s*(?:d|h|m|s)[a-z]*[\s,]*(?:and\s+)?)+)", re.IGNORECASE)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])", re.IGNORECASE)
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_ISO = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)?\s*(Z|UTC|[+-]\d\d:?\d\d)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY = re.compile(
    rf"\b({'|'.join(_MONTHS)})[a-z]*\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(\d{{4}}))?\b", re.IGNORECASE
)
_NUMERIC_DAY = re.compile(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b")
_CLOCK = re.compile(r"\b(\d{1,2})(?::(\d\d))?\s*([ap])\.?m\b\.?|\b([01]?\d|2[0-3]):([0-5]\d)\b", re.IGNORECASE)
_ZONE = re.compile(r"\(([A-Za-z_]+(?:/[A-Za-z_+\-0-9]+)*)\)|\b(UTC)\b")


def reset_time(message: str, now: datetime) -> float | None:
    """Epoch seconds at which the limit ends that a message tells of; None: it does not say.

    `now`: with the time zone in which the program runs; a zone that the message names comes first. A time of day
    without a day is the next one.
    """
    if found := _EPOCH.search(message):
        return float(found[1])
    if found := _DURATION.search(message):
        return now.timestamp() + sum(float(number) * _SECONDS[unit.lower()] for number, unit in _PART.findall(found[1]))
    try:
        return _moment(message, now)
    except ValueError:
        return None


def _moment(message: str, now: datetime) -> float | None:
    if found := _ISO.search(message):
        year, month, day, hour, minute, second, zone = found.groups()
        text = f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}"
        moment = datetime.fromisoformat(text + zone.replace("Z", "+00:00").replace("UTC", "+00:00") if zone else text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)).timestamp()
    now = now.astimezone(_zone(message)) if _zone(message) else now
    day, clock = _date(message, now), _CLOCK.search(message)
    if day is None and clock is None:
        return None
    hour, minute = _hour(clock) if clock else (0, 0)
    moment = (day or now).replace(hour=hour, minute=minute, second=0, microsecond=0)
    if day is None and moment <= now:
        moment += timedelta(days=1)
    return moment.timestamp()


def _zone(message: str) -> ZoneInfo | None:
    found = _ZONE.search(message)
    try:
        return ZoneInfo(found[1] or found[2]) if found else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def _date(message: str, now: datetime) -> datetime | None:
    if found := _NUMERIC_DAY.search(message):
        return now.replace(year=int(found[3]), month=int(found[1]), day=int(found[2]))
    if found := _DAY.search(message):
        day = now.replace(month=_MONTHS.index(found[1][:3].lower()) + 1, day=int(found[2]))
        if found[3]:
            return day.replace(year=int(found[3]))
        return day if day.date() >= now.date() else day.replace(year=now.year + 1)
    return None


def _hour(clock: re.Match[str]) -> tuple[int, int]:
    if clock[3]:
        return int(clock[1]) % 12 + (12 if clock[3].lower() == "p" else 0), int(clock[2] or 0)
    return int(clock[4]), int(clock[5])
