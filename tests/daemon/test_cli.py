import subprocess
import sys
from importlib.metadata import version

import pytest

from streamrnn.daemon import cli

GOOD = '[model]\nhorizon = 7\n[[sources]]\nconnector = "zeromq"\nbind = "tcp://127.0.0.1:*"\n'


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], ["forget", "--help"]])
def test_help_is_quick_to_come(words):
    code = (
        "import sys\nfrom streamrnn.daemon.cli import main\n"
        f"try: main({words})\nexcept SystemExit as end: assert end.code == 0\n"
        "heavy = {'numpy', 'numba', 'zmq', 'prometheus_client'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    commands = ("run", "check", "replay", "accept", "forget", "warmup", "explain")
    assert all(f"    {command} " in out for command in commands)


def test_version(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"streamrnn {version('streamrnn')}\n"


def test_check(tmp_path, capsys):
    path = tmp_path / "a.toml"
    path.write_text(GOOD)
    assert cli.main(["check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: good; sources: zeromq; sinks: none\n"


@pytest.mark.parametrize("command", ["run", "check", "warmup", "explain"])
def test_an_error_is_one_line_and_exit_code_1(tmp_path, capsys, command):
    assert cli.main([command, str(tmp_path / "none.toml")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"streamrnn: {tmp_path / 'none.toml'}: cannot be read (got No such file or directory)\n"


def test_wrong_usage_is_exit_code_2(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["rum"])
    assert end.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_interruption_is_one_line_and_exit_code_130(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_check", interrupted)
    assert cli.main(["check", "a.toml"]) == 130
    assert capsys.readouterr().err == "streamrnn: interrupted\n"


def test_explain_tells_the_parts_and_whether_they_are_exact(tmp_path, capsys):
    assert cli.main(["explain"]) == 0
    default = capsys.readouterr().out
    assert "elman: s1 = tanh(W s + V x + b)" in default
    assert "is exact" in default
    assert "Williams & Zipser" in default
    assert max(map(len, default.splitlines())) <= 100
    path = tmp_path / "a.toml"
    path.write_text(GOOD + '[[sinks]]\nconnector = "zeromq"\nbind = "tcp://127.0.0.1:*"\n')
    path.write_text(path.read_text().replace("[model]\n", '[model]\nlearner = "snap1"\nhalf_life = 3600.0\n'))
    assert cli.main(["explain", str(path)]) == 0
    other = capsys.readouterr().out
    assert "is an approximation" in other
    assert "1 … 7 samples ahead" in other
    assert "after 3600 s" in other


def test_warmup_says_what_it_did(capsys):
    result = subprocess.run(
        [sys.executable, "-m", "streamrnn.daemon", "warmup"], check=True, capture_output=True, text=True, timeout=300
    )
    assert result.stdout.splitlines()[-1].startswith("ready in ")


def test_a_model_alone_is_enough_for_commands_that_open_nothing(tmp_path, capsys):
    path = tmp_path / "model.toml"
    path.write_text("[model]\nunits = 3\n")
    assert cli.main(["explain", str(path)]) == 0
    assert "3 units" in capsys.readouterr().out
    assert cli.main(["run", str(path)]) == 1
    assert "has no source of samples" in capsys.readouterr().err


def test_the_port_can_be_chosen_on_the_command_line(start, tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(GOOD + '[http]\nport = 1\n[log]\nformat = "json"\n')
    daemon = start("-m", "streamrnn.daemon", "run", path, "--port", "0")
    assert daemon.get("/healthz", daemon.wait_for("listening")["http"])[0] == 200
    assert daemon.end() == 0


@pytest.mark.parametrize("command", [["explain"], ["--help"]])
def test_a_reader_that_goes_away_gets_no_traceback(command):
    process = subprocess.Popen(
        [sys.executable, "-m", "streamrnn.daemon", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait(60)
    assert "Traceback" not in errors


def test_a_folder_in_place_of_a_file_is_refused_first(tmp_path, capsys):
    data = tmp_path / "a.csv"
    data.write_text("t,v\n1,2\n2,3\n")
    assert cli.main(["replay", str(data), "--report", str(tmp_path)]) == 1
    assert capsys.readouterr().err.endswith("this is a folder (expected the name of a file)\n")


def test_a_port_that_does_not_exist_is_refused(capsys):
    assert cli.main(["run", "--port", "70000"]) == 1
    assert "--port: no such port (got 70000, expected 0 to 65535)" in capsys.readouterr().err
