"""One verdict of a check in two parts: of the columns that arrived, and of what the champion makes of them."""

from __future__ import annotations

from dataclasses import replace

from monitoring.drift import DriftVerdict


def together(
    inputs: DriftVerdict | None, outputs: DriftVerdict | None, remarks: tuple[str, ...] = ()
) -> DriftVerdict | None:
    """Drift where one of the parts has drift, broken where something is; None where neither could be compared.

    A model of fifty columns and one prediction would never say drift for the prediction's sake, were its share counted
    among them.

    Args:
        inputs: of the columns that arrived.
        outputs: of predictions and features.
        remarks: sentences that a reader should have first, such as why a part is missing.

    Example:
        >>> calm = DriftVerdict(False, 0.0, "0 of 4 columns drifted", ())
        >>> together(calm, replace(calm, drifted=True, share=1.0, reason="1 of 1 columns drifted")).reason
        '0 of 4 columns drifted; of what the champion makes of them, 1 of 1 columns drifted'
    """
    parts = [part for part in (inputs, outputs) if part]
    if not parts:
        return None
    reasons = [*remarks, *([inputs.reason] if inputs else [])]
    reasons += [f"of what the champion makes of them, {outputs.reason}"] if outputs else []
    return replace(
        parts[0],
        drifted=any(part.drifted for part in parts),
        share=max(part.share for part in parts),
        reason="; ".join(reasons),
        columns=tuple(column for part in parts for column in part.columns),
        broken=any(part.broken for part in parts),
        attention=tuple(sentence for part in parts for sentence in part.attention),
    )
