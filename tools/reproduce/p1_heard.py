"""P1, who is heard: agents too faded for what inversion asks of them sit a round out, the more the lower the SNR."""

from collections.abc import Sequence

from tools.sweep.results import Results


def sat_out(results: Results, point: str) -> float:
    """Return the share of the scheduled agents that were not heard, over all rounds and seeds."""
    records = [record for history in results.histories(point) for record in history]
    scheduled, heard = (sum(len(record[f"agents_{who}"]) for record in records) for who in ("scheduled", "heard"))
    return 1 - heard / scheduled


def ladder_read(results: Results, points: Sequence[str]) -> str:
    """Say who sits out at each SNR of a ladder, and whether noise is all that changes along it."""
    shares = {point: sat_out(results, point) for point in points}
    said = ", ".join(f"{100 * share:.1f} % at {point}" for point, share in shares.items())
    ladder = "noise alone" if len(set(shares.values())) == 1 else "who is heard as well as of noise"
    return (
        f"Of the agents of a round {said} sit out and wait with their update (headroom below uplink.min_headroom_db): "
        f"the SNR ladder is one of {ladder}."
    )
