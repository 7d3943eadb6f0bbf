"""Runs the rules, settles which device time belongs to which finding, and puts the strongest first.

The order is the time at stake, with three exceptions. A low finding comes after all of high or medium severity. Among
the low ones, what ordinary runs have too (collectives, small kernels, a warm-up) counts with a quarter of its time, so
that a cause of a third of that size comes first. And a late rank comes before what holds that rank up, where both are
about the same time, as it says whom else that costs. What has no time at stake comes last of its kind.
"""

from __future__ import annotations

from dataclasses import replace

from nsys_llm_explainer.findings.case import MIN_WINDOW_NS, Case
from nsys_llm_explainer.findings.ledger import DeviceKey
from nsys_llm_explainer.findings.registry import RULES
from nsys_llm_explainer.findings.rule import Draft, Rule
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import SEVERITIES, Evidence, Finding, Report

ORDINARY = frozenset({"exposed_communication", "kernel_storm", "warm_up"})
ORDINARY_WEIGHT = 0.25
STRAGGLER = "straggling_rank"
HOLDS_UP = frozenset({"launch_bound", "low_graph_coverage", "host_bound_in_step", "host_bound_between_steps"})
ABOUT_THE_SAME = 1.1


def find(report: Report) -> tuple[Finding, ...]:
    """Returns the findings of a report, the strongest first.

    Args:
        report: A report; findings that it already holds are not looked at.
    """
    case = Case(report)
    for rule in RULES:
        for draft in rule.check(case):
            finding = settle(case, draft)
            if finding is not None:
                case.findings.append(_explained(rule, finding))
        if case.findings and not case.has_gpu_work:
            break  # without GPU work nothing but the capture can be judged
    return _with_late_ranks_first(case, sorted(case.findings, key=strength))


def settle(case: Case, draft: Draft) -> Finding | None:
    """Returns the finding with the device time that is its own, None where too little is left for one.

    Args:
        case: The case; what the finding is granted is taken from its ledger.
        draft: The finding and its claims; without claims nothing is at stake.
    """
    finding = draft.finding
    if not draft.claims or not case.ledger.total:
        return finding
    before = case.ledger.state()
    wanted = sum(claim.ns for claim in draft.claims)
    granted: dict[DeviceKey, int] = {}
    for claim in draft.claims:
        granted[claim.device] = granted.get(claim.device, 0) + case.ledger.grant(claim)
    at_stake = sum(granted.values())
    if draft.grading is not None:
        severity = draft.grading.severity(_worst_share(case, granted))
        if severity is None:
            case.ledger.restore(before)
            return None
        finding = replace(finding, severity=severity)
    evidence = finding.evidence
    if at_stake < 0.99 * wanted:
        text = f"{fmt.duration(wanted - at_stake)} of this time is at stake in another finding and not counted here"
        evidence = (*evidence, Evidence(text, values={"counted_elsewhere_ns": wanted - at_stake}))
    if at_stake < 0.5 * wanted:
        finding = replace(finding, title=f"{finding.title} (most of this is counted in another finding)")
    share = at_stake / case.ledger.total
    case.granted[finding.id] = granted
    return replace(finding, evidence=evidence, at_stake_ns=at_stake, at_stake_share=share)


def _worst_share(case: Case, granted: dict[DeviceKey, int]) -> float:
    """Returns the largest share of a device's window; windows too short to mean anything do not count."""
    windows = case.ledger.windows
    long_enough = [device for device in granted if windows.get(device, 0) >= MIN_WINDOW_NS]
    return max((granted[device] / windows[device] for device in long_enough), default=0.0)


def _explained(rule: Rule, finding: Finding) -> Finding:
    _, texts = rule.parts()
    return replace(
        finding,
        meaning=finding.meaning or texts.get("What it means", ""),
        verify=finding.verify or texts.get("How to verify", ""),
        contradicted_by=finding.contradicted_by or texts.get("What would contradict it", ""),
    )


def strength(finding: Finding) -> tuple[bool, bool, float, int, str, str]:
    """Returns what findings are sorted by."""
    stake = finding.at_stake_ns
    is_low = finding.severity == "low"
    weight = ORDINARY_WEIGHT if is_low and finding.id in ORDINARY else 1.0
    severity = SEVERITIES.index(finding.severity)
    return is_low, stake is None, -weight * (stake or 0), severity, finding.id, finding.title


def _with_late_ranks_first(case: Case, found: list[Finding]) -> tuple[Finding, ...]:
    """Returns the findings with a late rank before what holds it up, where that is no more severe."""
    straggler = next((finding for finding in found if finding.id == STRAGGLER), None)
    for place, finding in enumerate(found if straggler is not None else ()):
        if finding is straggler:
            break
        if straggler is not None and _holds_up(case, finding, straggler):
            found.remove(straggler)
            found.insert(place, straggler)
            break
    return tuple(found)


def _holds_up(case: Case, finding: Finding, straggler: Finding) -> bool:
    """Returns whether a finding of the host lies mostly on the late device and is about what the others wait."""
    stake, waited = finding.at_stake_ns or 0, straggler.at_stake_ns or 0
    if finding.id not in HOLDS_UP or finding.severity != straggler.severity or stake > ABOUT_THE_SAME * waited:
        return False
    late = straggler.evidence[0].values
    return 2 * case.granted[finding.id].get((late["device_id"], late["gpu_id"]), 0) > stake
