"""Seconds from the first send to the end of the last of RIVAL_TASKS no-op tasks, with one worker process."""
import os
import subprocess
import sys
import time

from celery import group
from noop import app, noop

worker = subprocess.Popen(
    [sys.executable, "-m", "celery", "-A", "noop", "worker", "--pool", "solo", "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "error"],
    cwd=os.path.dirname(os.path.abspath(__file__)), stdout=sys.stderr)
try:
    deadline = time.time() + 60
    while not app.control.ping(timeout=1):
        if time.time() > deadline:
            sys.exit("the worker does not answer")
    began = time.time()
    group(noop.s() for _ in range(int(os.environ["RIVAL_TASKS"]))).apply_async()
    while not os.path.exists(os.environ["RIVAL_FINISHED"]):
        if worker.poll() is not None:
            sys.exit("the worker ended")
        time.sleep(0.05)
    with open(os.environ["RIVAL_FINISHED"]) as f:
        print(float(f.read()) - began)
finally:
    worker.kill()
    worker.wait()
