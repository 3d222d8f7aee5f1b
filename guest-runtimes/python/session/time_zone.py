"""Local time in the zone that `TZ` names.

The C library knows only UTC. The zone's periods are read from the tzdata in
the image and handed to `zone.c`, which answers localtime() and mktime().
"""
import io
import os
import time
import zoneinfo
import zoneinfo._common

from _belljar_native import set_zone

# The years for which a repeating rule is written out.
FIRST_YEAR = 1970
LAST_YEAR = 2100
# Earlier than any change of any zone.
EVER = -(2**62)
UTC_NAMES = frozenset(("UTC", "UTC0", "GMT", "GMT0", "Etc/UTC", "Etc/GMT", "Zulu"))

# The zone in force: None is UTC.
current = None


def load_zone(name):
    """The data of a zone as a file. Takes the place of zoneinfo's own search."""
    from .zones import ZONES
    data = ZONES.get(name)
    if data is None:
        raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {name}")
    return io.BytesIO(data)


def available_zones():
    """zoneinfo.available_timezones() for the zones in the image."""
    from .zones import ZONES
    return set(ZONES)


def use(name):
    """Makes `name` the local zone. An unknown name means UTC, as in libc."""
    global current
    periods = _periods(name.removeprefix(":")) if name else None
    set_zone(periods)
    current = name
    _describe(periods)


def _periods(name):
    """[(since, offset, is_dst, abbreviation), ...] of a zone, or None for UTC."""
    if name in UTC_NAMES:
        return None
    try:
        file = load_zone(name)
    except zoneinfo.ZoneInfoNotFoundError:
        return _periods_of_rule(name, EVER, FIRST_YEAR)
    indexes, since, offsets, is_dst, names, rule = zoneinfo._common.load_data(file)
    kinds = [(offset, int(dst), name) for offset, dst, name in zip(offsets, is_dst, names)]
    standard = [kind for kind in kinds if not kind[1]] or kinds
    periods = [(EVER, *standard[0])]
    periods += [(begin, *kinds[i]) for begin, i in zip(since, indexes)]
    last = periods[-1][0]
    year = FIRST_YEAR if last == EVER else time.gmtime(last).tm_year
    return periods + (_periods_of_rule(rule.decode(), last, year) or [])


def _periods_of_rule(text, after, year):
    """Periods that begin later than `after`, by a POSIX rule such as
    `CET-1CEST,M3.5.0,M10.5.0/3`; None when `text` is not one."""
    from zoneinfo import _zoneinfo
    try:
        rule = _zoneinfo._parse_tz_str(text)
    except ValueError:
        return None
    if isinstance(rule, _zoneinfo._ttinfo):
        # One offset for ever: the periods before have arrived at it already.
        return [(EVER, int(rule.utcoff.total_seconds()), 0, rule.tzname)] if after == EVER else []
    standard = (int(rule.std.utcoff.total_seconds()), 0, rule.std.tzname)
    summer = (int(rule.dst.utcoff.total_seconds()), 1, rule.dst.tzname)
    periods = [(EVER, *standard)] if after == EVER else []
    for year in range(year, LAST_YEAR):
        # Both changes are given in the wall clock time before the change.
        to_summer, to_standard = rule.transitions(year)
        changes = [(to_summer - standard[0], *summer), (to_standard - summer[0], *standard)]
        periods += sorted(change for change in changes if change[0] > after)
    return periods


def _describe(periods):
    """The names and offsets that the time module keeps, as time.tzset() would."""
    if not periods:
        time.tzname, time.timezone, time.altzone, time.daylight = ("UTC", "UTC"), 0, 0, 0
        return
    year = time.localtime().tm_year
    winter = time.localtime(time.mktime((year, 1, 1, 12, 0, 0, 0, 1, 0)))
    summer = time.localtime(time.mktime((year, 7, 1, 12, 0, 0, 0, 182, -1)))
    if winter.tm_gmtoff > summer.tm_gmtoff:
        winter, summer = summer, winter
    time.tzname = (winter.tm_zone, summer.tm_zone)
    time.timezone, time.altzone = -winter.tm_gmtoff, -summer.tm_gmtoff
    time.daylight = int(winter.tm_gmtoff != summer.tm_gmtoff)


def tzset():
    """time.tzset(): adopts a TZ that the program itself has set."""
    use(os.environ.get("TZ"))


time.tzset = tzset
zoneinfo.reset_tzpath(())
zoneinfo._common.load_tzdata = load_zone
zoneinfo.available_timezones = available_zones
