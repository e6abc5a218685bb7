"""``pasralloc parts``: what is printed, and exit codes."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pasralloc as pa
from pasralloc.cli.main import main

CASES = Path(__file__).parent / "data" / "dram_cases.json"


def run(*arguments, **environment):
    env = {
        name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS")
    }
    return subprocess.run(
        [sys.executable, "-m", "pasralloc", "parts", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**env, **environment},
    )


def test_the_list_has_a_line_per_part_and_says_what_is_missing():
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    for name in pa.dram.part_ids():
        assert any(line.startswith(f"{name} ") for line in done.stdout.splitlines()), name
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ddr4_2400_8Gb_x8 ")]
    assert line.split() == [
        "ddr4_2400_8Gb_x8",
        "DDR4",
        "8",
        "48.30",
        "59.10",
        "51.90",
        "37.50",
        "-",
        "43.50",
        "13.95",
        "13.69",
        "5.80",
        "none",
    ]
    assert "ddr4_3200_8Gb_x8: vpp.IPP5 is not given; the assumption ipp_missing" in done.stdout
    assert "assumed" not in done.stdout


def test_a_chosen_assumption_is_printed_with_what_rests_on_it():
    out = run("--assume", "ipp_missing").stdout
    (line,) = [line for line in out.splitlines() if line.startswith("ddr5_4800_16Gb_x8 ")]
    assert line.split()[3:] == [
        "113.80",
        "168.80",
        "166.60",
        "109.40",
        "-",
        "124.80",
        "14.09",
        "no",
        "gain",
        "17.77",
        "none",
    ]
    assert (
        "assumed ipp_missing: a VPP current that the part does not give is taken to be IPP3N" in out
    )
    assert "ddr5_4800_16Gb_x8)" in out


def test_one_part_is_shown_with_every_field_source_and_caveat():
    spec = pa.dram.part("ddr4_2400_8Gb_x8")
    out = run(spec.id).stdout
    flat = " ".join(out.split())
    for field in spec.fields():
        assert f" {field} " in out
    for note in (*spec.sources, *spec.caveats):
        assert " ".join(note.text.split()) in flat
    assert "20 mA" in out
    assert "break-even of self-refresh against precharge_standby (entry: pulse): 5.803 us" in out


def test_one_part_is_shown_with_everything_it_lacks():
    out = " ".join(run("ddr4_3200_8Gb_x8").stdout.split())
    missing = pa.dram.state_powers(pa.dram.part("ddr4_3200_8Gb_x8")).missing
    assert len({str(error) for error in missing.values()}) > 3
    for error in missing.values():
        assert str(error) in out
    assert "more)" not in out


def test_masking_is_shown_with_its_sigma_and_range():
    out = run("lpddr3_1600_4Gb_x32", "--fraction", "0.5", "--sigma", "0.5").stdout
    assert "0.5 of the array refreshed, sigma 0.5" in out
    assert "sigma is 0.39 to 0.67 (median 0.52)" in out
    assert "4.29" in out  # three quarters of 5.72


def test_a_narrow_terminal_cuts_no_number():
    assert run(COLUMNS="60").stdout.split() == run().stdout.split()


def test_json_has_everything():
    report = json.loads(run("--json").stdout)
    assert [part["id"] for part in report["parts"]] == pa.dram.part_ids()
    (part,) = json.loads(run("ddr4_2400_8Gb_x8", "--json", "--celsius", "25").stdout)["parts"]
    assert part["states"]["self_refresh"]["watts"] == pytest.approx(17.82e-3)
    assert part["self_refresh"]["current"] == "IDD6A_25C"
    assert part["fields"]["vdd.IDD2N"]["value"] == "34 mA"
    assert len(part["fields"]["vdd.IDD2N"]["sources"]) == 3


def test_a_file_of_cases_is_checked():
    done = run("--check", CASES)
    assert (done.returncode, done.stdout, done.stderr) == (0, "40 of 40 cases are met.\n", "")


def test_a_case_that_differs_ends_with_3(tmp_path, capsys):
    document = json.loads(CASES.read_text())
    case = copy.deepcopy(document["cases"][2])
    case["expected"]["energy"]["refresh"] *= 1.000001
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**document, "cases": [document["cases"][0], case]}))
    with pytest.raises(SystemExit) as exit_:
        main(["parts", "--check", str(path)])
    out, err = capsys.readouterr()
    assert exit_.value.code == 3
    assert f"{case['id']}: refresh: expected 330000.3" in out
    assert "1 of 2 cases are met." in out
    assert "cases differ" in err


def test_cases_of_one_id_are_counted_each(tmp_path, capsys):
    document = json.loads(CASES.read_text())
    case = document["cases"][0] | {"expected": {"total": 1}}
    path = tmp_path / "twins.json"
    path.write_text(json.dumps({**document, "cases": [case, case]}))
    with pytest.raises(SystemExit):
        main(["parts", "--check", str(path)])
    assert "0 of 2 cases are met." in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["parts", "--check", str(path), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (report["cases"], [d["id"] for d in report["different"]]) == (2, [case["id"]] * 2)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ddr4_2400_8Gb_x16"], 3, "did you mean 'ddr4_2400_8Gb_x8'"),
        (["--assume", "luck"], 2, "assumption must be one of"),
        (["--fraction", "0.5"], 2, "sigma must be given"),
        (["--celsius", "45"], 2, "--celsius needs a part"),
        (
            ["ddr4_2400_8Gb_x8", "--celsius", "96"],
            3,
            "ddr4_2400_8Gb_x8: celsius must be at most 95 C",
        ),
        (["ddr4_2400_8Gb_x8", "--check", str(CASES)], 2, "--check takes no part"),
        (["--check", __file__], 3, "file must be JSON in UTF-8"),
    ],
)
def test_bad_input_is_told_without_a_traceback(capsys, arguments, code, message):
    with pytest.raises(SystemExit) as exit_:
        main(["parts", *arguments])
    out, err = capsys.readouterr()
    assert (exit_.value.code, out) == (code, "")
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_the_list_does_without_numpy():
    script = (
        "import sys\nfrom pasralloc.cli.main import main\ntry: main(['parts'])\nexcept SystemExit: pass\n"
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("False\n")
