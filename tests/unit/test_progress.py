import pytest

from autoresearch_dagster.core.progress import Amount, Meter, in_lines


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_an_amount_says_how_much_how_fast_and_how_long():
    amount = Amount("climbmix", 512 * 2**20, 2 * 2**30, "bytes", elapsed_s=32.0)

    assert str(amount) == "climbmix: 512 MiB of 2.0 GiB, 16 MiB/s, 96 s left"


def test_work_of_an_earlier_process_is_done_but_says_nothing_of_the_speed():
    amount = Amount("rows", 900, 1000, "rows", elapsed_s=10.0, done_before=800)

    assert amount.rate == pytest.approx(10.0)
    assert amount.left_s == pytest.approx(10.0)


def test_without_a_total_or_a_rate_no_time_left_is_promised():
    assert Amount("x", 5, None, "rows", 1.0).left_s is None
    assert Amount("x", 0, 10, "rows", 1.0).left_s is None
    assert str(Amount("x", 5, None, "rows", 1.0)) == "x: 5 rows, 5 rows/s"


def test_a_meter_reports_rarely_but_never_misses_the_end():
    clock, told = Clock(), []
    meter = Meter("x", 1000, "rows", told.append, clock=clock)
    for _ in range(1000):
        clock.now += 0.01
        meter.add(1)

    assert 15 <= len(told) <= 25
    assert told[-1].finished
    assert [amount.done for amount in told] == sorted(amount.done for amount in told)


def test_a_log_gets_the_end_and_a_line_every_few_seconds():
    clock, lines = Clock(), []
    report = in_lines(lines.append, clock)
    report("begin")
    for second in range(1, 31):
        clock.now += 1
        report(Amount("x", second, 30, "rows", float(second)))

    assert lines[0] == "begin"
    assert 3 <= len(lines) <= 5
    assert "30 rows of 30 rows" in lines[-1]
