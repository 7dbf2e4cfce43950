"""Timing in interleaved rounds and in CPU time, so that a busy machine troubles every candidate alike."""

import gc
from collections.abc import Callable, Mapping
from time import thread_time


def best_times(
    candidates: Mapping[str, Callable[[], object]], *, rounds: int = 80, seconds_per_round: float = 0.01
) -> dict[str, float]:
    """CPU seconds per call of each candidate: the best of `rounds` rounds, in which the candidates take turns."""
    loops = {name: _loops_for(call, seconds_per_round) for name, call in candidates.items()}
    best = dict.fromkeys(candidates, float("inf"))
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in candidates.items():
                best[name] = min(best[name], _time_of(call, loops[name]))
    finally:
        gc.enable()
    return best


def _loops_for(call: Callable[[], object], seconds: float) -> int:
    loops = 1
    while _time_of(call, loops) * loops < seconds / 4:
        loops *= 2
    return max(1, round(seconds / _time_of(call, loops)))


def _time_of(call: Callable[[], object], loops: int) -> float:
    repeated = range(loops)
    start = thread_time()
    for _ in repeated:
        call()
    return (thread_time() - start) / loops
