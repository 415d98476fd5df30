"""Work done ahead in threads, so that what comes next is ready when it is asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(pool: Executor, work: Callable[[T], R], items: Iterable[T], most: int) -> Iterator[R]:
    """Yields `work(item)` of each item in order, while the next ones are already being worked on.

    The items themselves are taken in the caller's thread. An exception of the work comes out in its item's place.

    Args:
        pool: where the work is done; whoever made it shuts it down.
        work: of one item.
        items: may be endless: they are taken one by one.
        most: items at most that are being worked on or done and not yet asked for; bounds the memory.
    """
    begun: deque[Future[R]] = deque()
    for item in items:
        begun.append(pool.submit(work, item))
        if len(begun) >= most:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
