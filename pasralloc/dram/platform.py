"""Memory power states as a platform's firmware describes them, without data of a part."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pasralloc.errors import DramError


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformState:
    """One memory power state of a node.

    Parameters
    ----------
    name : str
        Such as ``MPS1``.
    saving : float
        Power saved against the first state, 0 to 1.
    exit_seconds : float
        Longest time from the first access to its service, s.
    preserves_content : bool
        Whether the memory keeps its content.
    auto_entry, auto_exit : bool
        Whether the hardware enters by itself, and leaves by itself on an access.
    """

    name: str
    saving: float
    exit_seconds: float
    preserves_content: bool
    auto_entry: bool
    auto_exit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformTable:
    """Memory power states of one power node: what is known where no data sheet is.

    Parameters
    ----------
    name : str
        Name of the platform.
    watts : float
        Average power of the node in its first state, W.
    states : sequence of PlatformState
        From the first state (no saving, no latency, content kept) to deeper ones.

    Raises
    ------
    DramError
        If a value is impossible or the order is not from shallow to deep; every problem is named.

    Notes
    -----
    The fields are those of the Memory Power State Table: a node has power states, each
    with an average power in MPS0, a saving relative to it, an exit latency, and the flags
    "memory content preserved", "autonomous entry" and "autonomous exit". ACPI gives the saving in per
    cent and the power in milliwatts.

    References
    ----------
    .. [1] Advanced Configuration and Power Interface Specification, revision 5.0,
       section 5.2.21, Memory Power State Table (MPST).

    Examples
    --------
    >>> awake = PlatformState(
    ...     name="MPS0", saving=0, exit_seconds=0, preserves_content=True, auto_entry=True, auto_exit=True)
    >>> asleep = PlatformState(
    ...     name="MPS1", saving=0.4, exit_seconds=1e-6, preserves_content=True, auto_entry=True, auto_exit=True)
    >>> table = PlatformTable(name="server", watts=2.0, states=[awake, asleep])
    >>> table.watts_in("MPS1"), table.break_even("MPS1", transition_joules=0)
    (1.2, 0.0)
    """

    name: str
    watts: float
    states: Sequence[PlatformState] = field(default=())

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise DramError(self.name, problems)

    def _problems(self) -> Iterator[tuple[str, object, str]]:
        if not 0 < self.watts < float("inf"):
            yield "watts", self.watts, "positive"
        if not self.states:
            yield "states", list(self.states), "at least one state"
            return
        first = self.states[0]
        if first.saving != 0 or first.exit_seconds != 0 or not first.preserves_content:
            yield (
                f"states.{first.name}",
                first,
                "without saving and latency, content kept: it is the first",
            )
        names = [state.name for state in self.states]
        for name in {name for name in names if names.count(name) > 1}:
            yield "states.name", name, "unique"
        for state in self.states:
            if not 0 <= state.saving <= 1:
                yield f"states.{state.name}.saving", state.saving, "0 to 1"
            if not 0 <= state.exit_seconds < float("inf"):
                yield f"states.{state.name}.exit_seconds", state.exit_seconds, "0 or more"
        for shallow, deep in zip(self.states, self.states[1:], strict=False):
            if deep.saving < shallow.saving:
                yield (
                    f"states.{deep.name}.saving",
                    deep.saving,
                    f"at least that of {shallow.name}, {shallow.saving}",
                )
            if deep.exit_seconds < shallow.exit_seconds:
                yield (
                    f"states.{deep.name}.exit_seconds",
                    deep.exit_seconds,
                    f"at least that of {shallow.name}, {shallow.exit_seconds}",
                )

    def state(self, name: str) -> PlatformState:
        """Return a state by name.

        Raises
        ------
        DramError
            If there is none.
        """
        for state in self.states:
            if state.name == name:
                return state
        raise DramError(
            self.name, [("state", name, f"one of {', '.join(s.name for s in self.states)}")]
        )

    def watts_in(self, name: str) -> float:
        """Return the average power of the node in a state, W."""
        return self.watts * (1 - self.state(name).saving)

    def break_even(self, name: str, *, transition_joules: float) -> float | None:
        """Stay above which a state costs less than the first.

        Parameters
        ----------
        name : str
            The state.
        transition_joules : float
            Energy of entry and exit; firmware tables do not give it.

        Returns
        -------
        float or None
            Seconds; None if the state saves nothing.

        Raises
        ------
        DramError
            If there is no such state, or the energy is negative.
        """
        saved = self.watts - self.watts_in(name)
        if not 0 <= transition_joules < float("inf"):
            raise DramError(self.name, [("transition_joules", transition_joules, "0 or more")])
        return transition_joules / saved if saved else None

    def deepest(self, *, exit_seconds: float, content: bool = True) -> PlatformState:
        """Return the deepest state that is left in time and, if asked, keeps the content.

        Parameters
        ----------
        exit_seconds : float
            Longest exit that is acceptable, s.
        content : bool
            Whether the content must survive.

        Returns
        -------
        PlatformState
            The first state if no other fits.
        """
        fitting = [
            state
            for state in self.states
            if state.exit_seconds <= exit_seconds and (state.preserves_content or not content)
        ]
        return max(fitting or self.states[:1], key=lambda state: state.saving)


_STATE_KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "saving": (int, float),
    "exit_seconds": (int, float),
    "preserves_content": (bool,),
    "auto_entry": (bool,),
    "auto_exit": (bool,),
}


def read_platform(path: str | Path) -> PlatformTable:
    """Read a platform table from TOML: ``name``, ``watts`` and a list ``states``.

    Parameters
    ----------
    path : str or Path
        The file; its fields are those of `PlatformTable` and `PlatformState`, each needed.

    Returns
    -------
    PlatformTable
        W and s.

    Raises
    ------
    DramError
        If a field is unknown, missing, of another type or impossible.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DramError(path.name, [("file", str(error), "TOML in UTF-8")]) from None
    name = str(document.get("name", path.stem))
    kinds: dict[str, tuple[type, ...]] = {"name": (str,), "watts": (int, float), "states": (list,)}
    problems = _check(document, kinds, "")
    states = document.get("states", [])
    for number, state in enumerate(states if isinstance(states, list) else []):
        if isinstance(state, Mapping):
            problems += _check(state, _STATE_KINDS, f"states[{number}].")
        else:
            problems.append((f"states[{number}]", state, "a table"))
    if problems:
        raise DramError(name, problems)
    return PlatformTable(
        name=name, watts=document["watts"], states=tuple(PlatformState(**state) for state in states)
    )


def _check(
    table: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]], where: str
) -> list[tuple[str, object, str]]:
    """Problems of the keys and types of a table; every key of *kinds* is needed."""
    problems: list[tuple[str, object, str]] = []
    for key, types in kinds.items():
        value = table.get(key)
        is_bool = isinstance(value, bool)
        if not isinstance(value, types) or (is_bool and bool not in types):
            expected = "a number" if float in types else types[0].__name__
            problems.append((where + key, value, expected))
    known = ", ".join(kinds)
    problems += [
        (where + key, table[key], f"left out, known being {known}") for key in table.keys() - kinds
    ]
    return problems
