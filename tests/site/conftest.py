"""What the tests of the site run on: Node, a browser, and the site as `make site` builds it."""

import os
import shutil

import pytest


def find_program(*names: str) -> str:
    """The path of the first of these programs; without any, skip, or fail where CI is set."""
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    reason = f"needs {' or '.join(names)}, which is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def node() -> str:
    return find_program("node")
