"""Two ways to go fast: compiled kernels and a few threads that run them.

Kernels release the GIL, so a `ThreadPoolExecutor` is all the parallelism there is. Work is always cut into
the same pieces, whatever the number of threads, and results are put together in order: a number never
depends on how many threads computed it. (Networks are another matter: torch sums in another order on other
numbers of threads, so a network is the same byte for byte only for the same number.)
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from lmmix.errors import SettingError

Item = TypeVar("Item")
Result = TypeVar("Result")


def kernel(signature: str | Sequence[Any]) -> Callable[[Callable[..., Any]], Any]:
    """Decorator of every compiled kernel: explicit signature, cached on disk, without the GIL.

    The cache lies beside the source, or in the user's cache folder where that is read-only. Where neither
    can be written, the kernel is compiled anew in each process instead of failing.
    """
    from numba import njit

    signatures = [signature] if isinstance(signature, str) else list(signature)

    def compile_kernel(function: Callable[..., Any]) -> Any:
        try:
            return njit(signatures, nogil=True, cache=True, error_model="numpy")(function)
        except (RuntimeError, OSError):
            return njit(signatures, nogil=True, error_model="numpy")(function)

    return compile_kernel


def process_rank() -> int:
    """The number, from 0, of this process among those that torchrun has started; 0 without it."""
    return int(os.environ.get("RANK", "0"))


def thread_count(threads: int | None) -> int:
    """The number of threads to use: `threads`, or the cores this process may run on."""
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise SettingError(f"threads is {threads}; it must be 1 or more")
    return threads


def thread_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int | None) -> list[Result]:
    """`[function(x) for x in items]`, in that order, on a few threads."""
    work = list(items)
    count = min(thread_count(threads), len(work))
    if count <= 1:
        return [function(item) for item in work]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(function, work))


def thread_imap(function: Callable[[Item], Result], items: Iterable[Item], threads: int | None) -> Iterator[Result]:
    """`function(x) for x in items`, in that order, computed a few items ahead of whoever takes the results.

    `items` is drawn from by the caller's thread, so reading a file may be part of it.
    """
    count = thread_count(threads)
    if count == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(count) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def cut(total: int, piece: int) -> list[tuple[int, int]]:
    """[(0, piece), (piece, 2·piece), …] covering `total` items: pieces that do not depend on the threads."""
    return [(start, min(start + piece, total)) for start in range(0, total, piece)]
