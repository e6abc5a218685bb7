"""Pictures."""

import sys

import pytest

from pasralloc.outcomes.published import CURVES
from pasralloc.report.plots import Curve, check_picture, plot_curves

PAIRS = [Curve(name, curve, curve[::-1], 12.5) for name, curve in list(CURVES.items())[:3]]


def test_a_picture_says_what_it_shows(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "curves.svg"
    plot_curves(PAIRS, path)
    text = path.read_text()
    for pair in PAIRS:
        assert f"{pair.title}: distance 12.5 regions" in text
    assert "completely free regions" in text
    again = tmp_path / "again.svg"
    plot_curves(PAIRS, again)
    assert again.read_bytes() == path.read_bytes()


def test_a_format_that_does_not_exist_is_refused(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="xyz"):
        plot_curves(PAIRS, tmp_path / "curves.xyz")


@pytest.mark.parametrize("name", ["curves.xyz", "curves", "nowhere/curves.svg"])
def test_what_cannot_be_drawn_is_refused_before_minutes_are_spent(tmp_path, name):
    pytest.importorskip("matplotlib")
    with pytest.raises((ValueError, FileNotFoundError), match="picture"):
        check_picture(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    check_picture(tmp_path / "curves.svg")


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RuntimeError, match="extra 'plot'"):
        plot_curves(PAIRS, tmp_path / "curves.svg")
