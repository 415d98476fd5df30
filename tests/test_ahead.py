import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from recon3d.ahead import ahead


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_results_come_in_the_order_of_the_items(pool):
    first_may_end = threading.Event()

    def work(item):
        if item == 0:
            assert first_may_end.wait(60)
        elif item == 3:  # begun while the first still works
            first_may_end.set()
        return item * item

    assert list(ahead(pool, work, range(10), most=4)) == [i * i for i in range(10)]


def test_no_more_items_are_taken_than_may_wait(pool):
    taken = []

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    results = ahead(pool, abs, items(), most=5)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) == 7  # three handed out, and at most five begun when the third was asked for


def test_an_error_comes_out_in_its_item_s_place(pool):
    def work(item):
        if item == 2:
            raise ValueError("item 2")
        return item

    results = ahead(pool, work, range(5), most=4)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="item 2"):
        next(results)


def test_no_items_give_no_results(pool):
    assert list(ahead(pool, abs, [], most=3)) == []
