"""Runs the rules, settles which device time belongs to which finding, and puts the strongest first."""

from __future__ import annotations

from dataclasses import replace

from nsys_llm_explainer.findings.case import MIN_WINDOW_NS, Case
from nsys_llm_explainer.findings.ledger import DeviceKey
from nsys_llm_explainer.findings.registry import RULES
from nsys_llm_explainer.findings.rule import Draft, Rule
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import SEVERITIES, Evidence, Finding, Report


def find(report: Report) -> tuple[Finding, ...]:
    """Returns the findings of a report: by time at stake, those without any last; then by severity and id.

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
    return tuple(sorted(case.findings, key=_strength))


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


def _strength(finding: Finding) -> tuple[bool, int, int, str, str]:
    stake = finding.at_stake_ns
    return stake is None, -(stake or 0), SEVERITIES.index(finding.severity), finding.id, finding.title
