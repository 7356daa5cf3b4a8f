import io

from rich.console import Console

from keras_intriguing.progress import Bar


def shown(seconds: list[float], **settings: object) -> list[str]:
    """What a bar of a hundred steps leaves behind that was updated at these times."""
    now, log = [0.0], io.StringIO()
    console = Console(file=log, width=80, **settings)
    with Bar(console=console, get_time=lambda: now[0], auto_refresh=False) as bar:
        task = bar.add_task("steps", total=100)
        for done, now[0] in enumerate(seconds, 1):
            bar.update(task, completed=done)
    return [line for line in log.getvalue().splitlines() if line]


def test_a_log_has_a_line_a_minute_with_an_estimate() -> None:
    *every_minute, end = shown([30.0, 65.0, 90.0, 126.0, 150.0, 190.0])
    assert [line.split()[-3:-1] for line in every_minute] == [
        ["2/100", "0:01:05"],
        ["4/100", "0:02:06"],
        ["6/100", "0:03:10"],
    ]
    assert every_minute[-1].split()[-1] == "0:50:08"  # 94 steps, after five in 160 seconds
    assert end == every_minute[-1]


def test_a_terminal_has_no_such_lines() -> None:
    minutes = [65.0, 130.0, 195.0]
    assert len(shown(minutes, force_terminal=True)) == len(shown([1.0, 2.0, 3.0], force_terminal=True))
