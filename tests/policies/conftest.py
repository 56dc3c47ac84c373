"""What the comparisons share: this repository's side as a process, and obp without PyTorch.

obp asks for PyTorch (half a gigabyte) for neural policies that nothing here uses, and pins it and Python to
versions of 2022. So obp is installed without its dependencies, and PyTorch's names are stood in for."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest


class Name(type):
    """A class whose attributes are all classes of this kind."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Name(name, (), {})


class Absent(types.ModuleType):
    """A module that has every name and no use."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Name(name, (), {})


for absent in ["torch", "torch.nn", "torch.nn.functional", "torch.optim"]:
    sys.modules[absent] = Absent(absent)


class Answers:
    """Questions to the example `policies`, a line each."""

    def __init__(self, process):
        self.process = process

    def __call__(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer


@pytest.fixture(scope="session")
def ask():
    binary = os.environ["POLICIES_BINARY"]
    with subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Answers(process)
        process.stdin.close()


@pytest.fixture(scope="session")
def open_bandit():
    """The folder of the Open Bandit data, which is not part of this repository."""
    shared = Path(os.environ.get("CONCIERGE_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    folder = shared / "open-bandit-small"
    if not folder.is_dir():
        pytest.skip(f"NOT TESTED: no Open Bandit data at {folder}; name its parent with CONCIERGE_DATA")
    return folder
