"""Tests of the installed package: run by the Python of a virtual environment that has the wheel (tests/run.py --only python)."""

import pathlib
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def script():
    """Runs a program of its own, so that a crash or a deadlock in it is a failure of one test; gives its output."""

    def run(text, status=0, **options):
        done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", PRELUDE + text], text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, **options)
        assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    return run


PRELUDE = """
import os, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a caller in the background may have it ignored
import pgcluster
from pgcluster.testing import simulated_fleet, small_spec
def whole_again(spec, fleet):
    "The cluster's next apply goes on."
    pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet).check()
    assert not pgcluster.plan_deploy(spec, fleet) and pgcluster.read_status(spec, fleet).healthy
"""
