"""Progress on standard error, and only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn


class ReadProgress:
    """Progress bar of reading a trace; call it with the number of bytes read."""

    def __init__(self, path: str) -> None:
        columns = (TextColumn("reading"), BarColumn(), DownloadColumn(True), TransferSpeedColumn())
        self._bar = Progress(
            *columns,
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        is_plain = os.path.isfile(path) and not path.endswith((".xz", ".gz", ".bz2", ".zst"))
        self._task = self._bar.add_task("", total=os.path.getsize(path) if is_plain else None)

    def __call__(self, nr_bytes: int) -> None:
        """Show that *nr_bytes* have been read."""
        self._bar.update(self._task, completed=nr_bytes)

    def __enter__(self) -> ReadProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """Show a line that names what is being replayed."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda name: None
        return
    with console.status("") as line:
        yield lambda name: line.update(f"replaying under {name}")


@contextmanager
def runs() -> Iterator[Callable[[int, int], None]]:
    """Show how many runs of how many are done."""
    with Progress(
        TextColumn("runs"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
