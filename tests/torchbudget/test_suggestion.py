"""Words that nobody knows: what was probably meant is in the same line."""

import pytest

from torchbudget import cli
from torchbudget.data import named
from torchbudget.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--jsn", "-"], "unknown '--jsn' (did you mean --json?)"),
        (["--fail_fast"], "unknown '--fail_fast' (did you mean --fail-fast?)"),
        (["--format", "jsn"], "FORMAT: no 'jsn' (did you mean json?); there are terminal, json,"),
        (["--format", "zip"], "FORMAT: no 'zip'; there are terminal, json,"),
        (["--format", "sarif", "--json", "-"], "--format sarif and --json - both write to stdout"),
        (["--format", "junit", "--github"], "--github and --format junit both write to stdout"),
    ],
)
def test_an_unknown_word_of_check_names_the_nearest(words, message):
    with pytest.raises(UsageError) as caught:
        cli.parse_check_options(words, "torchbudget check")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chek"], "COMMAND: no 'chek' (did you mean check?); there are check, record,"),
        (["record", "n", "--weights", "w", "--seed", "0", "--sed", "1"], "(did you mean --seed?)"),
        (["explain", "parms"], "no gate 'parms' (did you mean params?)"),
    ],
)
def test_an_unknown_word_of_the_command_names_the_nearest(words, message, capsys):
    assert cli.main(words) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_data_set_names_the_nearest():
    with pytest.raises(DataError, match=r"no data set 'mnits' \(did you mean mnist\?\)"):
        named("mnits")
