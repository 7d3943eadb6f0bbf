"""``--fail-on`` and what belongs to it: read before the trace is, settled after the outputs are written."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from nsys_llm_explainer.gate import baseline
from nsys_llm_explainer.gate.check import check_relative, judge
from nsys_llm_explainer.gate.expression import Condition, parse
from nsys_llm_explainer.gate.figures import Figures, of_report
from nsys_llm_explainer.gate.junit import junit_xml
from nsys_llm_explainer.render.escape import terminal
from nsys_llm_explainer.render.place import check_directory, place
from nsys_llm_explainer.report import Report

FELL_SHORT = 3


@dataclass(frozen=True)
class Gate:
    """What the gate was asked for, checked.

    Attributes:
        conditions: The conditions of ``--fail-on``.
        before: The figures of ``--baseline``.
        save: The file of ``--save-baseline``.
        junit: The file of ``--junit``.
    """

    conditions: tuple[Condition, ...]
    before: Figures | None
    save: Path | None
    junit: Path | None

    def settle(self, report: Report) -> int:
        """Writes what was asked for, says what fell short, and returns the exit code: 0 or 3."""
        results = judge(of_report(report), self.conditions, self.before)
        if self.save is not None:
            baseline.save(report, self.save)
        if self.junit is not None:
            name = Path(str(report.trace["path"])).name
            place({self.junit.name: junit_xml(results, name)}, self.junit.parent)
        failed = [result for result in results if not result.passed]
        for result in failed:
            print(f"gate: {terminal.line(f'{result.condition}: {result.reason}')}", file=sys.stderr)
        return FELL_SHORT if failed else 0


def prepare(options: argparse.Namespace, parser: argparse.ArgumentParser) -> Gate:
    """Returns the gate that the options ask for; ends the command with code 2 where they are wrong."""
    try:
        return _checked(options)
    except OSError as error:
        parser.error(terminal.line(f"{error.filename}: {error.strerror or error}"))
    except ValueError as error:
        parser.error(terminal.line(str(error)))


def _checked(options: argparse.Namespace) -> Gate:
    conditions = tuple(parse(text) for text in options.fail_on)
    check_relative(conditions, has_baseline=options.baseline is not None)
    for flag, value in (("--baseline", options.baseline), ("--junit", options.junit)):
        if value is not None and not conditions:
            raise ValueError(f"{flag} needs --fail-on")
    if options.print_schema:
        raise ValueError("--print-schema reads no figures, so there is nothing to check or to save")
    before = None if options.baseline is None else baseline.load(options.baseline)
    save, junit = target(options.save_baseline), target(options.junit)
    if save is not None and options.baseline is not None and save.resolve() == Path(options.baseline).resolve():
        raise ValueError("--save-baseline would replace the file of --baseline even where the gate falls short")
    return Gate(conditions, before, save, junit)


def target(name: str | None) -> Path | None:
    """Returns the file that an option names, None where it names none.

    Raises:
        ValueError: It is a folder, a device or a pipe.
        NotADirectoryError: A file stands where its folder belongs.
    """
    if name is None:
        return None
    path = Path(name)
    if not path.name or path.is_dir():
        raise ValueError(f"{name!r} is a folder, not a file")
    if path.exists() and not path.is_file():
        raise ValueError(f"{name!r} is a device or a pipe, no regular file")
    check_directory(path.parent)
    return path
