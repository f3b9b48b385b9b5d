"""Long work in turns: each goes on where the last one ended."""

from dataclasses import dataclass

TURN_SECONDS = 20.0  # so that a cancelled job ends soon, and no turn reaches the end of its lease


@dataclass(frozen=True, kw_only=True)
class Turn:
    """`count` so far, in all turns of the run; `done` when there is nothing left."""

    count: int
    done: bool


def pages(entries: int, of: int) -> int:
    """Requests for so many entries, so many in each; one at least."""
    return max(1, -(-entries // of))
