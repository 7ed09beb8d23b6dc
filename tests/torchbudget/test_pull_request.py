"""The action on a pull request: its own steps, in a repository with a base and a head.

GitHub's API is stood in for by a server on this machine.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from test_action import STEPS, run_step

from torchbudget import cli, load_zoo, record_run
from torchbudget.evidence.measure import measure

POST = Path(__file__).resolve().parents[2] / ".github" / "post_comment.py"
ZOO = """
from torch import nn

from torchbudget import Budget, Entry, data


class Dense(nn.Sequential):
    width = 16

    def __init__(self):
        width = type(self).width
        layers = (nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
        super().__init__(*layers)


class Narrow(Dense):
    width = 4


class Wide(Dense):
    width = 24


def make(name, network):
    budget = Budget(max_params=50_000, max_misses=1_000)
    return Entry(name=name, network=network, data=data.MNIST_SAMPLE, budget=budget)


ZOO = (make("better", Dense), make("worse", Dense), make("{last}", {network}))
"""
GATES = "params,accuracy,ratchet"


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=zoo", "-c", "user.email=zoo@example.org"]
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    """Commit all there is; return the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={message}")
    return git(folder, "rev-parse", "HEAD")


def make_networks(sample) -> list[torch.nn.Module]:
    """Untrained networks of one form, from the fewest misses to the most."""
    networks = []
    for seed in range(4):
        torch.manual_seed(seed)
        layers = (torch.nn.Linear(784, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))
        networks.append(torch.nn.Sequential(torch.nn.Flatten(), *layers).eval())
    return sorted(networks, key=lambda network: measure(network, sample.test).misses)


def record(folder: Path, sample, networks: dict[str, torch.nn.Module | None]) -> None:
    """Record a run of each entry, with the weights of a network, else with its first ones."""
    zoo = load_zoo(folder / "zoo.py")
    for name, network in networks.items():
        record_run(zoo[name], 0, network or zoo[name].network(), folder=folder, dataset=sample)


@pytest.fixture(scope="module")
def change(tmp_path_factory, sample) -> tuple[Path, str, str]:
    """A repository at the head of a change, the base, and a commit before there was a zoo."""
    folder = tmp_path_factory.mktemp("change") / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    first = commit(folder, "nothing yet")
    best, good, bad, worst = make_networks(sample)  # the same weights would be a renaming
    (folder / "zoo.py").write_text(ZOO.format(last="removed", network="Narrow"), encoding="utf-8")
    record(folder, sample, {"better": worst, "worse": best, "removed": None})
    base = commit(folder, "base")
    (folder / "results.json").unlink()
    (folder / "zoo.py").write_text(ZOO.format(last="new", network="Wide"), encoding="utf-8")
    record(folder, sample, {"better": good, "worse": bad, "new": None})
    (folder / "weights/removed-seed0-mnist_sample.safetensors").unlink()
    commit(folder, "head")
    return folder, base, first


@pytest.fixture(scope="module")
def comment(change) -> str:
    """What the judge of the action writes for the change."""
    folder, base, _ = change
    done = run_step(folder, "judge", base=base, gates=GATES)
    assert done.returncode == 1, done.stdout + done.stderr
    outputs = (folder.parent / "output").read_text(encoding="utf-8")
    assert "exit-code=1" in outputs.splitlines()
    return (folder.parent / "torchbudget-comment.md").read_text(encoding="utf-8")


# --- its text -------------------------------------------------------------------------------------


def test_the_comment_tells_better_worse_new_and_removed_apart(comment, change):
    _, base, _ = change
    assert f"the base `{base[:12]}`: 1 worse, 1 better, 1 new, 1 removed." in comment
    rows = dict(re.findall(r"^\| (`\w+`) (\w+) \|", comment, re.MULTILINE))
    assert rows == {
        "`worse`": "worse",
        "`better`": "better",
        "`new`": "new",
        "`removed`": "removed",
    }
    step = r"misses, worst seed \| (\d+) \| (\d+) \| \%s(\d+)"
    worse = re.search(r"`worse` worse \| " + step % "+", comment)
    better = re.search(r"`better` better \| " + step % "-", comment)
    assert int(worse[2]) - int(worse[1]) == int(worse[3]) > 0
    assert int(better[1]) - int(better[2]) == int(better[3]) > 0
    flips = re.findall(r"images missed only there, only here \| (\d+) \| (\d+) \|", comment)
    differences = [int(only_here) - int(only_there) for only_there, only_here in flips]
    assert differences == [int(worse[3]), -int(better[3])]
    assert "| verdict |  | **fail: ratchet** | caused here |" in comment
    assert comment.index("FAIL  worse: ratchet") < comment.index("| entry |")
    assert "| `removed` removed | parameters | 3,190 |  |  |" in comment
    assert "| `new` new | parameters |  | 19,090 |  |" in comment


def test_the_images_that_flipped_are_drawn(comment):
    for name, words in (("worse", "right at the base, missed now"), ("better", "right now")):
        (shown,) = re.findall(rf"<summary><code>{name}</code>: .*?</details>", comment, re.DOTALL)
        assert words in shown and shown.count("is ") >= 6
        pictures = [line for line in shown.splitlines() if "\u2588" in line]
        assert len(pictures) > 20 and max(map(len, pictures)) <= 100


def test_a_base_without_a_zoo_is_compared_with_where_that_is_asked_for(change, capsys):
    folder, _, first = change
    done = run_step(folder, "judge", base=first, gates="params", entries="better")
    assert done.returncode == 0, done.stdout + done.stderr
    comment = (folder.parent / "torchbudget-comment.md").read_text(encoding="utf-8")
    assert f"There is no zoo file at the base, `{first[:12]}`: every entry is new." in comment
    assert "`better` new" in comment
    words = ["better", "--zoo", str(folder / "zoo.py"), "--only", "params", "--base", first]
    assert cli.check(words) == 2
    assert "there is no zoo.py at the base" in capsys.readouterr().err


# --- posting it -----------------------------------------------------------------------------------


class GitHub(ThreadingHTTPServer):
    """The comments of one repository, as GitHub's API gives and takes them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments: list[dict] = []
        self.refusal = 0
        self.tokens: set[str] = set()

    def add(self, login: str, body: str) -> None:
        comment = {"id": 100 + len(self.comments), "user": {"login": login}, "body": body}
        self.comments.append(comment)


class Handler(BaseHTTPRequestHandler):
    def answer(self, code: int, content: object) -> None:
        text = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def read(self) -> str:
        self.server.tokens.add(self.headers["Authorization"])
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

    def do_GET(self) -> None:
        page = int(re.search(r"[?&]page=(\d+)", self.path)[1])
        assert self.path.startswith("/repos/somebody/zoo/issues/7/comments?per_page=100")
        self.answer(200, self.server.comments[100 * (page - 1) : 100 * page])

    def do_POST(self) -> None:
        body = self.read()
        if self.server.refusal:
            return self.answer(self.server.refusal, {"message": "refused"})
        assert self.path == "/repos/somebody/zoo/issues/7/comments"
        self.server.add("github-actions[bot]", body)
        return self.answer(201, self.server.comments[-1])

    def do_PATCH(self) -> None:
        body = self.read()
        number = int(self.path.removeprefix("/repos/somebody/zoo/issues/comments/"))
        (comment,) = [each for each in self.server.comments if each["id"] == number]
        comment["body"] = body
        self.answer(200, comment)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def post(folder: Path, text: str | None, github: GitHub, **inputs: str):
    """Run the action's step that posts, with this text of the judge."""
    path = folder / "torchbudget-comment.md"
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_text(text, encoding="utf-8")
    place = folder / "repository"
    place.mkdir(exist_ok=True)
    (place / "json.py").write_text("raise SystemExit('code of the zoo was run')")
    os.environ["GITHUB_API_URL"] = f"http://127.0.0.1:{github.server_port}"
    try:
        return run_step(place, "comment", **inputs)
    finally:
        del os.environ["GITHUB_API_URL"]


def test_a_second_run_edits_the_comment_of_the_first(tmp_path, github):
    for number in range(120):
        github.add("somebody", f"remark {number}")
    assert post(tmp_path, "first", github).returncode == 0
    marker, _, text = github.comments[-1]["body"].partition("\n")
    assert marker.startswith("<!-- torchbudget ") and text.startswith("first")
    assert "somebody/zoo/actions/runs/42" in text
    assert post(tmp_path, "second", github).returncode == 0
    assert len(github.comments) == 121
    assert github.comments[-1]["body"].startswith(f"{marker}\nsecond")
    assert github.tokens == {"Bearer the token"}


def test_each_zoo_has_its_own_comment(tmp_path, github):
    assert post(tmp_path, "one", github).returncode == 0
    assert post(tmp_path, "two", github, zoo="other/zoo.py").returncode == 0
    assert len(github.comments) == 2


def test_a_comment_of_anybody_else_is_never_edited(tmp_path, github):
    post(tmp_path, "ours", github)
    forged = github.comments.pop()["body"]
    github.add("somebody", forged)
    post(tmp_path, "ours again", github)
    assert github.comments[0]["body"] == forged and len(github.comments) == 2


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [(403, "a pull request from a fork (GitHub answered 403)"), (500, "GitHub answered 500")],
)
def test_what_cannot_be_posted_is_in_the_summary_which_says_why(tmp_path, github, refusal, reason):
    github.refusal = refusal
    done = post(tmp_path, "the text", github)
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert done.returncode == 0 and done.stdout.startswith("::notice"), done.stderr
    assert reason in done.stdout and reason in summary and "the text" in summary
    assert github.comments == []


def test_a_judge_that_wrote_nothing_is_said_to_have_judged_nothing(tmp_path, github):
    assert post(tmp_path, None, github).returncode == 0
    assert "nothing was judged" in github.comments[0]["body"]


def test_only_the_step_that_posts_is_given_the_token():
    with_token = [name for name, step in STEPS.items() if "github.token" in str(step)]
    assert with_token == ["comment"]
    assert "-I -S" in STEPS["comment"]["run"] and "event_name" in STEPS["comment"]["if"]


def test_a_poster_without_its_variables_is_wrong_usage():
    plain = {name: value for name, value in os.environ.items() if "GITHUB" not in name}
    done = subprocess.run(
        [sys.executable, "-I", "-S", POST, "comment.md"], env=plain, capture_output=True, text=True
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
