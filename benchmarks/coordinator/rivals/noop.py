"""Celery's no-op task. One worker process counts what it has done and writes the time of the last one."""
import os
import time

from celery import Celery
from celery.signals import task_postrun

promises = os.environ["RIVAL_PROMISES"] == "yes"
app = Celery("noop", broker=os.environ["RIVAL_BROKER"], backend=os.environ["RIVAL_RESULTS"] if promises else None)
# What Lathe promises: a message is confirmed by the broker, acknowledged after its work, and its result is in the database.
app.conf.update(worker_prefetch_multiplier=64, task_acks_late=promises, broker_transport_options={"confirm_publish": promises})

done = 0


@app.task
def noop():
    return 1


@task_postrun.connect
def count(**_):
    global done
    done += 1
    if done == int(os.environ["RIVAL_TASKS"]):
        with open(os.environ["RIVAL_FINISHED"] + ".new", "w") as f:
            f.write(repr(time.time()))
        os.rename(os.environ["RIVAL_FINISHED"] + ".new", os.environ["RIVAL_FINISHED"])
