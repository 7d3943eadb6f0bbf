"""The only place that turns nanoseconds, fractions, bytes and counts into text."""

from __future__ import annotations

import re
from functools import lru_cache

ABSENT = "-"
_NS_PER_S = 1_000_000_000


def duration(ns: float) -> str:
    """Returns a length of time in the unit that suits it: ``850 ns``, ``12.3 us``, ``4.56 ms``, ``7.81 s``."""
    value = float(ns)
    for unit in ("ns", "us", "ms"):
        if abs(value) < 999.5:
            return f"{_digits(value)} {unit}"
        value /= 1000
    return f"{_digits(value)} s"


def milliseconds(ns: float) -> str:
    """Returns a length of time in ms without the unit, for a column whose header names it."""
    return _column(ns / 1e6)


def microseconds(ns: float) -> str:
    """Returns a length of time in us without the unit, for a column whose header names it."""
    return _column(ns / 1e3)


def instant(ns: int) -> str:
    """Returns a moment on the trace's clock in seconds, exact to the microsecond even near 1.7e18 ns."""
    sign = "-" if ns < 0 else ""
    seconds, rest = divmod(abs(int(ns)), _NS_PER_S)
    return f"{sign}{seconds}.{rest // 1000:06d}"


def time_range(start_ns: int, end_ns: int) -> str:
    """Returns a stretch of the trace's clock: ``1.200000 s to 1.250000 s``."""
    return f"{instant(start_ns)} s to {instant(end_ns)} s"


def percent(share: float) -> str:
    """Returns a fraction as a percentage; close to 0 or 1 it keeps enough digits not to read as none or all."""
    value = share * 100
    if value in (0.0, 100.0):
        return f"{value:.0f} %"
    for digits in (1, 2, 3):
        text = f"{value:.{digits}f}"
        if abs(float(text)) > 0 and abs(float(text)) != 100.0:
            return f"{text} %"
    return "<0.001 %" if value < 1 else ">99.999 %" if value < 100 else f"{value:.1f} %"


def change(share: float) -> str:
    """Returns a relative change with its sign: ``+5.0 %``."""
    return f"{_signed(share)} %"


def points(share: float) -> str:
    """Returns a difference of two shares with its sign, in percentage points: ``+11.2 points``."""
    return f"{_signed(share)} points"


def _signed(share: float) -> str:
    value = share * 100
    text = f"{value:+,.0f}" if abs(value) >= 999.5 else f"{value:+.1f}" if abs(value) >= 0.095 else f"{value:+.2f}"
    return "0.0" if float(text.replace(",", "")) == 0 else text


def count(value: int) -> str:
    """Returns a count with its thousands set apart."""
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """Returns a count and its noun, with an s where there is not exactly one."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def between(least: str, most: str) -> str:
    """Returns a range of two texts, or the one text where they are the same."""
    return most if least == most else f"{least} to {most}"


def number(value: float) -> str:
    """Returns a plain number with sensible digits."""
    return f"{value:,.0f}" if value == int(value) else _column(value)


def rate(per_second: float) -> str:
    """Returns a rate without its unit: events per second."""
    return f"{per_second:,.0f}" if per_second >= 10 else _column(per_second)


def size(size_bytes: int) -> str:
    """Returns a number of bytes in decimal units: ``2.7 MB``."""
    if size_bytes < 0:
        return f"-{size(-size_bytes)}"
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def throughput(bytes_per_s: float) -> str:
    """Returns bytes per second in decimal units: ``27.7 GB/s``."""
    return f"{size(round(bytes_per_s))}/s"


def flag(value: bool) -> str:
    """Returns yes or no."""
    return "yes" if value else "no"


def device_label(device_id: int | None, gpu_id: int | None) -> str:
    """Returns the name of a device: the physical GPU, and the CUDA ordinal where that is another number."""
    if gpu_id is None:
        return "GPU ?" if device_id is None else f"GPU {device_id}"
    return f"GPU {gpu_id}" if device_id in (None, gpu_id) else f"GPU {gpu_id} (CUDA device {device_id})"


def device_cell(device_id: int | None, gpu_id: int | None) -> str:
    """Returns a CUDA ordinal for a column, with the physical GPU where that is another number."""
    if device_id is None:
        return ABSENT if gpu_id is None else f"(GPU {gpu_id})"
    return str(device_id) if gpu_id in (None, device_id) else f"{device_id} (GPU {gpu_id})"


def truncate(text: str, limit: int) -> str:
    """Returns the text, cut with an ellipsis where it is longer than the limit."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


_LONGEST_PARSED = 4_000
_ANONYMOUS = re.compile(r"\(anonymous namespace\)::|<unnamed>::|\(anonymous\)::")
_QUALIFIER = re.compile(r"\b(?:[A-Za-z_]\w*::)+")
_ENUM_CAST = re.compile(r"\((?:\w+::)*[A-Za-z_]\w*(?: \w+)*\)(?=\d)")
_LAMBDA = re.compile(r"::\[lambda[^\]]*\]|::operator ?\(\)\(\) ?(?:const)?|\{lambda[^}]*\}")
_PARAMETERS = re.compile(r"\([^()]*\)")
_NOISE = re.compile(r"\bvoid |, array<char ?\*, \d+\w*>")
_TAIL = 22
_SPACES = re.compile(r"\s+")


@lru_cache(maxsize=1_024)
def kernel_name(name: str, limit: int = 72) -> str:
    """Returns a kernel's name for people: function first, no return type, namespaces or parameters, templates cut.

    Args:
        name: The demangled name.
        limit: Longest result, in characters.
    """
    text = _SPACES.sub(" ", _ANONYMOUS.sub("", name[:_LONGEST_PARSED])).strip()
    if "<" not in text and "(" not in text:
        return _shortened(text, limit)
    head, template = _split(text)
    function = head.rsplit(" ", 1)[-1]
    short = _QUALIFIER.sub("", function) or function
    return _shortened(f"{short}{_arguments(template)}" or text, limit)


def _arguments(template: str) -> str:
    """Returns template arguments without what tells kernels apart least: qualifiers, casts, lambdas, parameters."""
    plain = _PARAMETERS.sub("", _LAMBDA.sub("", _ENUM_CAST.sub("", template)))
    return _NOISE.sub("", _QUALIFIER.sub("", plain))


def _shortened(name: str, limit: int) -> str:
    """Returns the name cut in its middle, as families of kernels differ at their ends."""
    if len(name) <= limit or limit < 2 * _TAIL:
        return truncate(name, limit)
    return f"{name[: limit - _TAIL - 1]}…{name[-_TAIL:]}"


def _split(text: str) -> tuple[str, str]:
    """Splits a demangled name into what stands before its template arguments, and these; drops the parameters."""
    opened = text.find("<")
    parameters = text.find("(")
    if opened < 0 or 0 <= parameters < opened:
        return (text[:parameters].strip() or text), ""
    depth = 0
    for position in range(opened, len(text)):
        if text[position] == "<":
            depth += 1
        elif text[position] == ">" and text[position - 1] != "-":
            depth -= 1
            if depth == 0:
                return text[:opened].strip(), text[opened : position + 1]
    return text[:opened].strip(), text[opened:]


def _digits(value: float) -> str:
    size_of = abs(value)
    if value == int(value) and size_of < 1000:
        return f"{value:.0f}"
    if size_of >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size_of >= 9.995 else f"{value:.2f}"


def _column(value: float) -> str:
    size_of = abs(value)
    if value == 0:
        return "0"
    if size_of < 0.0005:
        return "<0.001"
    if size_of >= 999.95:
        return f"{value:,.0f}"
    if size_of >= 99.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if size_of >= 9.9995 else f"{value:.3f}"
