"""The command line as a whole: its help, its exit statuses, and what it imports."""

import os
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import emotionrecog
from emotionrecog import EmotionRecognizer, cli
from emotionrecog.cli import output
from tests.cli.conftest import write_recording
from tests.conftest import CLIP, FORMAT_1


def test_it_is_installed_as_a_program():
    (script,) = metadata.entry_points(group="console_scripts", name="emotionrecog")
    assert script.load() is cli.main


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"emotionrecog {emotionrecog.__version__}\n"


@pytest.mark.parametrize("name", cli.parsers())
def test_every_command_has_a_help_and_is_listed(name, capsys):
    *group, last = name.split()
    with pytest.raises(SystemExit) as exit_:
        cli.main([*group, "--help"])
    assert exit_.value.code == 0
    assert re.search(rf"^    {last} +\w", capsys.readouterr().out, re.MULTILINE)
    with pytest.raises(SystemExit) as exit_:
        cli.main([*name.split(), "--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: emotionrecog {name} ")
    assert out == cli.parsers()[name].format_help()


@pytest.mark.parametrize("name", cli.parsers())
def test_every_command_has_examples_that_can_be_parsed(name):
    parser = cli.parsers()[name]
    assert parser.examples
    for example in parser.examples:
        assert f"\n  {example}\n" in parser.format_help()
        _, command = f" {example}".split(f" emotionrecog {name}")
        parser.parse_args(shlex.split(command))


@pytest.mark.parametrize("group", ["", "corpus", "weights"])
def test_without_a_command_the_help_is_printed(group, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(group.split())
    assert exit_.value.code == 0
    alone = capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main([*group.split(), "--help"])
    assert capsys.readouterr().out == alone


def test_help_documents_every_exit_status(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    _, _, epilog = capsys.readouterr().out.partition("exit status:")
    statuses = re.findall(r"^ {2}(\d+) ", epilog, re.MULTILINE)
    assert [int(status) for status in statuses] == [
        output.FINE,
        output.PROBLEM,
        output.CANNOT_RUN,
        output.INTERRUPTED,
        output.READER_GONE,
    ]


@pytest.mark.parametrize(
    ("n_done", "n_failed", "status"), [(0, 0, 0), (2, 0, 0), (2, 1, 1), (0, 1, 2)]
)
def test_status_says_whether_some_or_all_inputs_failed(n_done, n_failed, status):
    assert output.status_of(n_done, n_failed) == status


def test_options_with_one_meaning_have_one_name():
    """An option that several commands have takes the same kind of value in each of them."""
    kinds = {}
    for name, parser in cli.parsers().items():
        for action in parser._actions:
            for option in action.option_strings:
                kinds.setdefault(option, {}).setdefault((action.metavar, action.dest), []).append(
                    name
                )
        flags = {option for action in parser._actions for option in action.option_strings}
        assert ("-o" in flags) == ("--output" in flags)
    differing = {option for option, meanings in kinds.items() if len(meanings) > 1}
    # The output has the kind of what is written; benchmark takes several protocols; the names of
    # features are presets in a recipe, and a list where features are measured; predictions are
    # read by calibrate and written by evaluate.
    assert differing == {"-o", "--output", "--protocol", "--features", "--predictions"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["guess"], "no command 'guess'; expected predict, explain, plot"),
        (["evalute"], "no command 'evalute'; did you mean 'evaluate'?"),
        (["audit", "a.csv"], "no command 'audit'; did you mean 'corpus audit'?"),
        (["list"], "no command 'list'; did you mean 'corpus list' or 'weights list'?"),
        (["corpus", "chek"], "no command 'chek'; did you mean 'check'?"),
        (["--"], "required: COMMAND"),
        (["--loud"], "required: COMMAND"),
        (["predict"], "required: PATH"),
        (["predict", ""], "expected a path, got an empty word"),
        (["predict", "a.wav", "--format", "xml"], "invalid choice: 'xml'"),
        (["predict", "a.wav", "--form", "csv"], "usage: emotionrecog predict"),
        (["predict", "a.wav", "--form", "csv"], "predict: error: unrecognized arguments: --form"),
        (["predict", "a.wav", "--coverage", "0.3"], "expected a number from 0.5 to 0.99"),
        (["predict", "a.wav", "--min-confidence", "2"], "expected a number from 0 to 1"),
        (["predict", "a.wav", "--jobs", "0"], "expected a whole number of at least 1, got '0'"),
        (["predict", "a.wav", "--jobs", "two"], "expected a whole number of at least 1, got 'two'"),
    ],
)
def test_wrong_call_is_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


@pytest.mark.parametrize(
    "words",
    [
        "predict {0}/no.wav",
        "predict {0}",
        "predict {clip} --model {0}/none",
        "predict {clip} --coverage 0.9 --model {old}",
        "explain {0}/no.wav",
        "plot {0}/no.wav -o {0}/x.png",
        "plot {clip} -o {0}/none/x.png",
        "features {0}/no.wav -o {0}/x.csv",
        "corpus check {0}/none",
        "corpus check {0}",
        "corpus audit {0}/a.csv {0}/b.csv",
        "corpus gap --corpora {0}/none",
        "evaluate english-8 --corpora {0}/none",
        "evaluate {0}/none --corpora {0}",
        "stress english-8 --corpora {0}",
        "export {0}/none -o {0}/x.onnx",
        "export {old} -o {0}/x.keras",
        "weights fetch nobody",
        "weights path nobody",
        "weights remove nobody",
    ],
)
def test_command_that_cannot_run_is_status_2(words, run, tmp_path):
    status, out, err = run(*words.format(tmp_path, clip=CLIP, old=FORMAT_1).split())
    assert (status, out) == (2, "")
    assert err.startswith("emotionrecog: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        "predict {0}/bad.wav {clip}",
        "features {0}/bad.wav {clip} -o {0}/x.csv",
        "corpus check {0}",
        "corpus audit {0} {0} --no-audio",
        "weights verify nobody english-8",
    ],
)
def test_problem_or_partial_failure_is_status_1(words, run, tmp_path):
    (tmp_path / "bad.wav").touch()
    write_recording(tmp_path / "1001_IEO_ANG_HI.wav")
    status, out, err = run(*words.format(tmp_path, clip=CLIP).split())
    assert status == 1
    assert out + err


def run_writing_to(stdout):
    """Run the command in a new process and return its exit status and standard error."""
    code = "import sys; from emotionrecog.cli import main; sys.exit(main())"
    # Unbuffered, Python has nothing left to write, and to fail at, when it exits.
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", CLIP],
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_closed_output_is_not_an_error():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        assert run_writing_to(pipe) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_full_disk_is_one_line():
    with Path("/dev/full").open("wb") as full:
        status, err = run_writing_to(full)
    assert status == 2
    assert re.fullmatch(r"emotionrecog: .*No space left on device.*\n", err)


LOADED = """
import sys
from emotionrecog import cli
{statement}
print(*sys.modules, file=sys.stderr)
"""
HEAVY = {
    "tensorflow",
    "keras",
    "onnxruntime",
    "sklearn",
    "matplotlib",
    "librosa",
    "pandas",
    "optuna",
}


def loaded_by(statement):
    """Return the modules that a new interpreter has loaded after a statement."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(statement=statement)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_no_parser_needs_a_heavy_library():
    assert (
        loaded_by("cli.parsers()") & {*HEAVY, "joblib", "tqdm", "scipy.fft", "scipy.special"}
        == set()
    )


def test_heavy_libraries_are_noticed():
    """The test above can fail."""
    assert "matplotlib" in loaded_by("import matplotlib") & HEAVY


def test_list_of_commands_needs_no_library():
    help_ = """
try:
    cli.main(['--help'])
except SystemExit:
    pass
"""
    assert loaded_by(help_) & {*HEAVY, "numpy"} == set()


def test_one_recording_needs_no_joblib():
    loaded = loaded_by(f"assert cli.main(['predict', {str(CLIP)!r}]) == 0")
    assert loaded & {"joblib", "keras", "tensorflow", "tqdm"} == set()


@pytest.mark.parametrize("module", ["emotionrecog", "emotionrecog.cli"])
def test_it_can_be_run_as_a_module(module):
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"emotionrecog {emotionrecog.__version__}\n"


def test_ctrl_c_keeps_earlier_answers_and_shows_no_traceback(run, monkeypatch):
    prediction = EmotionRecognizer().predict(CLIP)

    def interrupted(self, sources, **options):
        yield prediction
        raise KeyboardInterrupt

    monkeypatch.setattr(EmotionRecognizer, "predict_batch", interrupted)
    status, out, err = run("predict", CLIP, CLIP, "--format", "json")
    assert (status, err) == (130, "emotionrecog: interrupted\n")
    assert len(out.splitlines()) == 1
