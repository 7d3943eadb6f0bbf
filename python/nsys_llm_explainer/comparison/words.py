"""What changed, by how much, how sure that is and where it comes from, in sentences. All text is unescaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nsys_llm_explainer.comparison import judge
from nsys_llm_explainer.comparison.value import BLOCKS, COMPARABLE, NOT_COMPARABLE, Difference, DiffTable
from nsys_llm_explainer.findings.gaps import WORDS, name, place
from nsys_llm_explainer.render import format as fmt

Row = Mapping[str, Any]
Tables = Mapping[str, DiffTable]
_SHOWN_CAUSES = 3
_SHOWN_PLACES = 3
_LEAST_SHARE = 0.001
_LEAST_PART = 0.1
_MOST_OF_A_SORT = 4
_PLACES = {
    "inside_step": "inside steps",
    "between_steps": "between steps",
    "request_gap": "while no requests came",
    "before_steps": "before the first step",
    "after_steps": "after the last step",
    "no_steps": "",
}
_WIDE = 0.2
_DOUBTS = {
    judge.UNKNOWN: ", with nothing to tell the noise from: a single gap, or too short a trace",
    judge.INCOMPARABLE: ", which is not comparable",
}
_JUDGED = {"step_times": "step times", "devices": "idle shares"}
_SPEED = {judge.SLOWER: "longer", judge.FASTER: "less time"}


def lead(status: str, tables: Tables, differing: Sequence[Difference]) -> str:
    """Returns the verdict: what changed, by how much, how sure, and where it comes from."""
    if status == NOT_COMPARABLE:
        blocking = [one for one in differing if one.severity == BLOCKS]
        what = "; ".join(
            f"{one.subject}: {one.before} before, {one.after} after ({one.effect})" for one in blocking[:2]
        )
        return f"Not comparable. {what}. No change is called; the figures of both sides follow."
    sentences = [*_steps(tables), *_idle(tables)]
    if not sentences:
        sentences = ["There is nothing to compare."]
    verdicts = {row["verdict"] for key in ("step_times", "devices") for row in tables[key].held}
    if judge.SAME in verdicts and not verdicts & judge.CALLED:
        sentences.insert(0, _nothing(tables))
    if status != COMPARABLE:
        sentences.append("The comparison has limits, named below.")
    return " ".join(sentences)


def _nothing(tables: Tables) -> str:
    """Returns that neither steps nor idle shares changed, and whether anything else did."""
    if not any(row.get("verdict") in judge.CALLED for one in tables.values() for row in one.held):
        return "No change beyond the noise."
    judged = [what for key, what in _JUDGED.items() if any(row["verdict"] == judge.SAME for row in tables[key].held)]
    return f"No change of {' or '.join(judged)} beyond the noise; what did change is listed below."


def _steps(tables: Tables) -> Iterator[str]:
    rows = [row for row in tables["step_times"].held if row["metric"] == "period_p50"]
    if not rows:
        return
    kind = rows[0]["kind"]
    own = [row for row in rows if row["kind"] == kind]
    called = [row for row in own if row["verdict"] in _SPEED]
    row = max(called or own, key=lambda one: abs(one["change_share"]))
    text = f"{_times(row)} on {row['device']}; {_interval(row)}"
    named = _kind_words(kind)
    if row["verdict"] == judge.INCOMPARABLE:
        yield f"{named} work on other batches, so their times are not compared: period p50 {_times(row)}."
    elif called:
        change = f"{fmt.percent(abs(row['change_share']))} {_SPEED[row['verdict']]} on {row['device']}"
        text = f"{_times(row)}, 99 % interval {_ends(row)}"
        yield f"{named} take {change} (period p50 {text}){_others(own, row)}{_bucket_words(tables, row)}."
    elif row["low_share"] is None:
        steps = f"{fmt.count(row['before_steps'])} and {fmt.count(row['after_steps'])}"
        yield f"{named} are too few for a verdict ({steps}): period p50 {text}."
    elif row["verdict"] == judge.SAME:
        certain = row["low_share"] > 0 or row["high_share"] < 0
        if certain and round(abs(row["change_share"]), 3):
            low = (
                f"that is less than the {fmt.percent(row['floor_share'])} from which one run a side is called a change"
            )
            yield f"{named}: period p50 {text}; {low}."
        elif row["high_share"] - row["low_share"] > _WIDE:
            yield f"{named}: period p50 {text}; they differ so much that no change can be told."
        else:
            yield f"{named} take as long as before within the noise: period p50 {text}."


def _others(rows: Sequence[Row], shown: Row) -> str:
    others = [row for row in rows if row is not shown]
    parts = []
    for verdict, words in (
        (shown["verdict"], "likewise"),
        *((other, other) for other in _SPEED if other != shown["verdict"]),
        (judge.SAME, "inside the noise"),
        (judge.UNKNOWN, "without a verdict"),
    ):
        count = sum(row["verdict"] == verdict for row in others)
        what = "more worker" if verdict == shown["verdict"] else "worker"
        parts += [f"{fmt.counted(count, what)} {words}"] if count else []
    return f", {' and '.join(parts)}" if parts else ""


def _kind_words(kind: str) -> str:
    return "Steps" if kind == "unknown" else f"{kind.capitalize()} steps"


def _times(row: Row) -> str:
    return f"{fmt.duration(row['before_ns'])} before, {fmt.duration(row['after_ns'])} after"


def _interval(row: Row) -> str:
    if row["low_share"] is None:
        return fmt.change(row["change_share"])
    return f"{fmt.change(row['change_share'])}, 99 % interval {_ends(row)}"


def _ends(row: Row) -> str:
    return f"{fmt.change(row['low_share'])} to {fmt.change(row['high_share'])}"


def _bucket_words(tables: Tables, row: Row) -> str:
    """Returns which buckets hold the change of a step."""
    sign = 1 if row["change_share"] > 0 else -1
    own = [
        one
        for one in tables["step_buckets"].held
        if one["device"] == row["device"] and one["kind"] == row["kind"] and one["change_ns"] * sign > 0
    ]
    own.sort(key=lambda one: -abs(one["change_ns"]))
    whole = abs(row["after_ns"] - row["before_ns"])
    parts = [
        f"{WORDS[one['bucket']]} {_signed(one['change_ns'])}"
        for one in own[:_SHOWN_CAUSES]
        if abs(one["change_ns"]) >= _LEAST_PART * whole
    ]
    return f"; in the mean step {', '.join(parts)}" if parts else ""


def _signed(ns: float) -> str:
    return f"{'+' if ns > 0 else '-' if ns < 0 else ''}{fmt.duration(abs(ns))}"


def _idle(tables: Tables) -> Iterator[str]:
    rows = sorted(tables["devices"].held, key=lambda row: -abs(row["change_share"]))
    if not rows:
        return
    shown = [_idle_words(row) for row in rows[:_MOST_OF_A_SORT]]
    more = len(rows) - len(shown)
    shown += [f"{fmt.counted(more, 'more GPU')} changed less"] if more else []
    yield f"{'; '.join(shown)}."
    called = [row for row in rows if row["verdict"] in (judge.MORE, judge.LESS)]
    if called:
        yield from _whence(tables, called[0])


def _idle_words(row: Row) -> str:
    first, second = fmt.percent(row["before_idle_share"]), fmt.percent(row["after_idle_share"])
    if first == second:
        return f"{row['device']} is idle {second} of its window, as before"
    text = f"{row['device']} is idle {second} of its window, {first} before ({fmt.points(row['change_share'])}"
    if row["verdict"] == judge.SAME:
        return f"{text}, inside the noise of {fmt.percent(row['noise_share'])})"
    return f"{text}{_DOUBTS.get(row['verdict'], '')})"


def _whence(tables: Tables, device: Row) -> Iterator[str]:
    grew = device["change_share"] > 0
    causes = _causes(tables, device["device"], grew=grew)
    where = _places(tables, device["device"], grew=grew)
    if causes:
        place = f", {where[0]}" if where else ""
        yield f"On {device['device']} that is mostly {causes[0]}{', first of all' if where else ''}{place[1:]}."


def _causes(tables: Tables, device: str, *, grew: bool) -> list[str]:
    rows = [
        row
        for row in tables["device_budget"].held
        if row["device"] == device and row["bucket"].startswith("idle.") and _moved(row, grew=grew)
    ]
    rows.sort(key=lambda row: -abs(row["change_share"]))
    return [f"{WORDS[row['bucket']]} ({fmt.points(row['change_share'])})" for row in rows[:_SHOWN_CAUSES]]


def _places(tables: Tables, device: str, *, grew: bool) -> list[str]:
    rows = [row for row in tables["idle_places"].held if row["device"] == device and _moved(row, grew=grew)]
    return [_place(row) for row in rows[:_SHOWN_PLACES]]


def _moved(row: Row, *, grew: bool) -> bool:
    change: float = row["change_share"] if grew else -row["change_share"]
    return change >= _LEAST_SHARE


def _place(row: Row) -> str:
    sides = [
        fmt.counted(row[f"{side}_gaps"], "gap")
        + (f" of {fmt.duration(row[f'{side}_avg_ns'])}" if row[f"{side}_gaps"] else "")
        for side in ("before", "after")
    ]
    gaps = f"mostly {WORDS[row['cause']]}, {sides[0]} before and {sides[1]} after"
    where = f"{_PLACES[row['place']]}{place(dict(row))}".lstrip(", ") or "where no call is known"
    return f"{where} ({fmt.points(row['change_share'])}: {gaps})"


def origins(tables: Tables) -> tuple[str, ...]:
    """Returns where the idle time of each device grew or shrank."""
    found = []
    for row in tables["devices"].held:
        change = row["change_share"]
        if abs(change) < _LEAST_SHARE:
            continue
        word = "more" if change > 0 else "less"
        text = f"{row['device']}: {fmt.points(change)} idle ({_verdict(row['verdict'])})"
        causes = _causes(tables, row["device"], grew=change > 0)
        if causes:
            text += f". By cause {word}: {', '.join(causes)}"
        where = _places(tables, row["device"], grew=change > 0)
        if where:
            text += f". By place {word}: {'; '.join(where)}"
        found.append(f"{text}.")
    return tuple(found)


def _verdict(verdict: str) -> str:
    return {
        judge.MORE: "beyond the noise",
        judge.LESS: "beyond the noise",
        judge.SAME: "inside the noise",
        judge.INCOMPARABLE: "not comparable",
    }.get(verdict, "nothing tells the noise")


def changes(tables: Tables) -> tuple[str, ...]:
    """Returns what else changed beyond the noise, a sentence each, the largest of each sort first."""
    found = [*_times_changed(tables), *_rate(tables)]
    found += _sorted(tables["step_buckets"], _bucket, "change_ns")
    found += _sorted(tables["step_categories"], _category, "change_ns")
    found += _sorted(tables["step_launches"], _launch, "change_count")
    found += _kernels(tables["kernels"])
    found += _sorted(tables["amounts"], _amount, "change_ns")
    found += [_finding(row) for row in tables["findings"].held if row["verdict"] in judge.CALLED]
    return tuple(found)


def _called(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["verdict"] in judge.CALLED]


def _sorted(table: DiffTable, words: Any, column: str) -> list[str]:
    rows = sorted(_called(table.held), key=lambda row: -abs(row[column]))
    texts = [words(row) for row in rows[:_MOST_OF_A_SORT]]
    more = len(rows) - len(texts)
    return [*texts, *([f"{fmt.counted(more, 'more change')} in the table {table.name}."] if more else [])]


def _times_changed(tables: Tables) -> list[str]:
    return [
        f"{row['device']}: {row['metric'].replace('_', ' ')} of {row['kind']} steps {_times(row)} ({_interval(row)})."
        for row in _called(tables["step_times"].held)
    ]


def _rate(tables: Tables) -> list[str]:
    return [
        f"{row['device']}: {fmt.rate(row['before_tokens_per_s'])} tokens per second before, "
        f"{fmt.rate(row['after_tokens_per_s'])} after ({fmt.change(row['change_share'])})."
        for row in _called(tables["throughput"].held)
    ]


def _bucket(row: Row) -> str:
    return (
        f"{row['device']}: {WORDS[row['bucket']]} in the mean {row['kind']} step {_times(row)} "
        f"({_signed(row['change_ns'])}, {fmt.change(row['change_share'])} of the period)."
    )


def _category(row: Row) -> str:
    return (
        f"{row['device']}: kernels of the category {row['category']} in the mean {row['kind']} step {_times(row)} "
        f"({_signed(row['change_ns'])})."
    )


def _launch(row: Row) -> str:
    return (
        f"{row['device']}: {row['measure']} per {row['kind']} step {fmt.number(row['before_count'])} before, "
        f"{fmt.number(row['after_count'])} after."
    )


def _amount(row: Row) -> str:
    return (
        f"{row['device']}: {row['topic']}, {name(str(row['subject']))}, per {row['per']} "
        f"{fmt.duration(row['before_ns'])} before, {fmt.duration(row['after_ns'])} after."
    )


def _kernels(table: DiffTable) -> list[str]:
    rows = _called(table.held)
    texts = []
    for verdict, what in (
        (judge.NEW, "new kernel"),
        (judge.GONE, "kernel gone"),
        (judge.SLOWER, "slower kernel"),
        (judge.FASTER, "faster kernel"),
    ):
        own = [row for row in rows if row["verdict"] == verdict]
        if own:
            shown = ", ".join(_kernel(row) for row in own[:2])
            texts.append(f"{_counted(len(own), what)} (by GPU), first {shown}.")
    return texts


def _counted(count: int, what: str) -> str:
    if what == "kernel gone":
        return f"{fmt.counted(count, 'kernel')} gone"
    return fmt.counted(count, what)


def _kernel(row: Row) -> str:
    short = fmt.kernel_name(row["kernel_name"], 48)
    if row["change_share"] is None:
        return f"{short} on {row['device']} ({fmt.points(row['change_window_share'])} of the window)"
    calls = f"{fmt.duration(row['before_call_ns'])} to {fmt.duration(row['after_call_ns'])} a call"
    return f"{short} on {row['device']} ({calls})"


def _finding(row: Row) -> str:
    word = {judge.NEW: "New finding", judge.GONE: "Finding gone"}.get(row["verdict"])
    severity = row["after_severity"] or row["before_severity"]
    if word is not None:
        return f"{word} ({severity}): {row['title']}."
    shares = f"{fmt.percent(row['before_share'] or 0.0)} before, {fmt.percent(row['after_share'] or 0.0)} after"
    return f"Finding {row['id']} has {row['verdict']} device time at stake: {shares}."
