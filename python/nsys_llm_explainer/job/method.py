"""How ranks are put on one clock and compared, in the words of the report."""

from __future__ import annotations

METHOD = (
    (
        "Nobody leaves an all-reduce, all-gather, reduce-scatter or all-to-all before the last rank has arrived: "
        "its kernels end nearly together on all ranks, and those ends align the clocks. Broadcasts, reductions to "
        "a root and kernels between two ranks do not end together; they align only where there is nothing else, "
        "with low confidence. One-shot all-reduces, which each rank ends on its own, give medium confidence at "
        "best."
    ),
    (
        "Which execution is which is found by the pattern of the gaps between them. The offset is the median "
        "difference of the matched ends; the drift is given where it is larger than their scatter; the residual is"
        " what is left. A difference that is always the same, such as a rank that always ends last, cannot be told"
        " from an offset."
    ),
    (
        "Where several shifts fit about equally well, because the steps repeat too evenly, the wall clocks of the "
        "hosts decide if they can (medium confidence); otherwise the alignment is called ambiguous and no "
        "straggler is named."
    ),
    (
        "A rank is late if it starts a collective last, by more than 10 us and more than the clocks may be off. "
        "Waiting is from a rank's own start to the last rank's; transfer from the last start to the last end."
    ),
    "Ranks are numbered in the order of files and devices; these are not the numbers that the job gave them.",
)
