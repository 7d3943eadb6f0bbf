"""``explain_ranks``: from the traces of one job, and the report of each, to one report on all ranks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nsys_llm_explainer.category_rules import CategoryRules, load_categories
from nsys_llm_explainer.job.alignment import LOW, Pair, Place, align
from nsys_llm_explainer.job.columns import tables
from nsys_llm_explainer.job.communicators import communicators
from nsys_llm_explainer.job.explained import AnyReport, Explained
from nsys_llm_explainer.job.lanes import Capture, DeviceKey, Lane, read
from nsys_llm_explainer.job.method import METHOD
from nsys_llm_explainer.job.skew import Skew, Waits, skew
from nsys_llm_explainer.job.value import JobFile, Rank, RankReport
from nsys_llm_explainer.job.verdict import UNKNOWN, Seen, Verdict, judge
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import StrPath, timestamp


def explain_ranks(
    traces: Sequence[StrPath],
    reports: Sequence[AnyReport | None] | None = None,
    *,
    names: Sequence[str] | None = None,
    categories: CategoryRules | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> RankReport:
    """Explains traces of one job, captured on several nodes or per rank. Writes nothing.

    Args:
        traces: SQLite exports, each of one host.
        reports: The report of each, or the content of its report.json; a trace without one is analysed.
        names: What to call the files; by default the shortest ends of their paths that tell them apart.
        categories: Kernel categories of the user, as for ``analyze``.
        progress: Called with stage, files done and files expected.

    Returns:
        The report.

    Raises:
        FileNotFoundError: There is no such file.
        NsysError: A file is no export, is damaged, or cannot be read.
        ValueError: There are fewer than two traces, one is named twice, or the arguments do not fit.
    """
    if len(traces) < 2:
        raise ValueError(f"ranks of one job need at least two traces, not {len(traces)}; explain one by itself")
    resolved = [Path(os.fspath(path)).resolve() for path in traces]
    twice = next((path for path, one in zip(traces, resolved) if resolved.count(one) > 1), None)
    if twice is not None:
        raise ValueError(f"{os.fspath(twice)} is named twice; each rank counts once")
    given = [None] * len(traces) if reports is None else list(reports)
    if len(given) != len(traces) or (names is not None and len(names) != len(traces)):
        raise ValueError(f"{len(traces)} traces need as many reports and names")
    from nsys_llm_explainer.api import analyze  # noqa: PLC0415 - it stands above, and offers this one

    generated_at = timestamp()
    rules = None if categories is None else load_categories(categories)[0]
    captures, explained = [], []
    for number, (path, report) in enumerate(zip(traces, given)):
        if progress is not None:
            progress("reading files", number, len(traces))
        captures.append(read(path, number, rules))
        explained.append(Explained(analyze(path, categories=categories) if report is None else report))
    if progress is not None:
        progress("aligning clocks", len(traces), len(traces))
    places, pairs = align(captures)
    called = _distinct_names(traces) if names is None else list(names)
    return _Job(captures, explained, places, pairs, called).report(generated_at)


class _Job:
    """The parts of a report while it is made."""

    def __init__(
        self,
        captures: Sequence[Capture],
        explained: Sequence[Explained],
        places: Sequence[Place],
        pairs: Sequence[Pair],
        names: Sequence[str],
    ) -> None:
        self.captures, self.explained, self.places, self.pairs = captures, explained, places, pairs
        self.names = names
        self.rank_of: dict[tuple[int, DeviceKey], int] = {}
        for capture, report in zip(captures, explained):
            found = {
                _identity(device): device for device in (*report.devices(), *(lane.device for lane in capture.lanes))
            }
            for device in sorted(found.values(), key=_device_order):
                self.rank_of[capture.number, _identity(device)] = len(self.rank_of)

    def report(self, generated_at: str) -> RankReport:
        """Returns the finished report."""
        skews = self._skews()
        waits: dict[int, Waits] = {}
        for one in skews:
            for rank, own in one.waits.items():
                waits[rank] = waits.get(rank, Waits()).plus(own)
        ranks = self._ranks(waits)
        files = self._files(ranks)
        verdicts = self._verdicts(skews, ranks)
        first = {
            capture.number: min(lane.ends[0] for lane in capture.lanes) for capture in self.captures if capture.lanes
        }
        return RankReport(
            files=tuple(files),
            ranks=tuple(ranks),
            pairs=tuple(self.pairs),
            skews=tuple(skews),
            verdicts=tuple(verdicts),
            warnings=tuple(self._warnings(files, verdicts)),
            tables=tables(files, ranks, self.pairs, skews, first),
            generated_at=generated_at,
            method=METHOD,
        )

    def _rank(self, lane: Lane) -> int:
        return self.rank_of[lane.file, _identity(lane.device)]

    def _skews(self) -> list[Skew]:
        found: list[Skew] = []
        for group in dict.fromkeys(place.group for place in self.places):
            lanes = [
                lane
                for capture in self.captures
                if self.places[capture.number].group == group
                for lane in capture.lanes
            ]
            for one in communicators(lanes, self.places):
                found.append(skew(len(found), one, [self._rank(member.lane) for member in one.members]))
        return found

    def _ranks(self, waits: Mapping[int, Waits]) -> list[Rank]:
        ranks = []
        for (file, (own, gpu)), number in self.rank_of.items():
            device = self._device(file, (own, gpu))
            name = f"{self.names[file]} {fmt.device_label(*device)}"
            budget = self.explained[file].budget(device)
            ranks.append(Rank(number, name, file, device, self.places[file].group, waits.get(number), budget))
        return ranks

    def _device(self, file: int, identity: DeviceKey) -> DeviceKey:
        """Returns a device with both of its ids."""
        known = (*self.explained[file].devices(), *(lane.device for lane in self.captures[file].lanes))
        return next(device for device in known if _identity(device) == identity)

    def _files(self, ranks: Sequence[Rank]) -> list[JobFile]:
        files = []
        for capture, report, place in zip(self.captures, self.explained, self.places):
            number = capture.number
            files.append(
                JobFile(
                    number=number,
                    name=self.names[number],
                    path=str(capture.path),
                    place=place,
                    collectives=capture.executions,
                    ranks=tuple(rank.number for rank in ranks if rank.file == number),
                    note=self._note(capture, report),
                    own_finding=report.straggler,
                )
            )
        return files

    def _note(self, capture: Capture, report: Explained) -> str:
        """Returns why a file is not aligned, or with less than high confidence."""
        if not capture.executions:
            mode = report.trace.get("cuda_graph_mode")
            if mode == "graph":
                return (
                    "no collectives: kernels inside of CUDA graphs were not recorded; capture with "
                    "--cuda-graph-trace=node"
                )
            if capture.other_kernels:
                return "no collectives among its kernels"
            return "no kernels were captured: capture with --trace=cuda"
        own = [pair for pair in self.pairs if capture.number in (pair.first, pair.second)]
        group = self.places[capture.number].group
        if group == capture.number and sum(place.group == group for place in self.places) > 1:
            return ""
        if sum(place.group == group for place in self.places) > 1:
            return "; ".join(dict.fromkeys(pair.reason for pair in own if pair.used and pair.reason))
        reasons = [
            pair.reason
            for pair in own
            if self.captures[pair.first].executions and self.captures[pair.second].executions
        ]
        return next(iter(reasons), "no other file holds collectives")

    def _verdicts(self, skews: Sequence[Skew], ranks: Sequence[Rank]) -> list[Verdict]:
        found = []
        for group in dict.fromkeys(place.group for place in self.places):
            own = {rank.number: rank for rank in ranks if rank.group == group}
            seen = Seen(
                group=group,
                places={n: place for n, place in enumerate(self.places) if place.group == group},
                names=[rank.name for rank in ranks],
                file_names=self.names,
                file_of=[rank.file for rank in ranks],
                skews=[one for one in skews if own.keys() & set(one.ranks)],
                waits={number: rank.waits for number, rank in own.items() if rank.waits is not None},
                budgets={number: rank.budget for number, rank in own.items() if rank.budget is not None},
            )
            verdict = judge(seen)
            if verdict is not None:
                found.append(self._with_own_finding(verdict))
        return found

    def _with_own_finding(self, verdict: Verdict) -> Verdict:
        """Returns the verdict with what the late file's own report says of its devices."""
        own = None if verdict.file is None else self.explained[verdict.file].straggler
        if verdict.file is None or own is None:
            return verdict
        return replace(verdict, facts=(*verdict.facts, f"The report of {self.names[verdict.file]} by itself: {own}"))

    def _warnings(self, files: Sequence[JobFile], verdicts: Sequence[Verdict]) -> list[str]:
        warnings = []
        sizes = {group: sum(place.group == group for place in self.places) for group in {p.group for p in self.places}}
        for file in files:
            if sizes[file.place.group] == 1:
                warnings.append(f"{file.name} is not aligned with any other file: {file.note}.")
            elif file.place.confidence == LOW:
                warnings.append(f"The clock of {file.name} is aligned with low confidence: {file.note}.")
        for file in files:
            verdict = next((one for one in verdicts if one.group == file.place.group), None)
            known = verdict is not None and verdict.status != UNKNOWN and verdict.file != file.number
            if file.own_finding and known and sizes[file.place.group] > 1:
                warnings.append(
                    f"{file.name}'s own report names a straggler among its devices that is none among all: "
                    f"{file.own_finding}."
                )
        return warnings


def _identity(device: DeviceKey) -> DeviceKey:
    """Returns what tells a device from another one of its file: the physical id where it is known."""
    own, gpu = device
    return (None, gpu) if gpu is not None else (own, None)


def _device_order(device: DeviceKey) -> tuple[int, int]:
    own, gpu = device
    return (-1 if own is None else own, -1 if gpu is None else gpu)


def _distinct_names(traces: Sequence[StrPath]) -> list[str]:
    """Returns the file names without suffix, with as many folders before as it takes to tell them apart."""
    paths = [Path(os.fspath(path)) for path in traces]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join((*path.parts[-depth:-1], path.stem)) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{path.stem} ({number})" for number, path in enumerate(paths)]
