"""Seconds for RIVAL_TASKS trials that compute nothing, in one process, with their state in PostgreSQL."""
import os
import time

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(storage=os.environ["RIVAL_DATABASE"], sampler=optuna.samplers.RandomSampler(seed=0))
began = time.time()
study.optimize(lambda trial: trial.suggest_int("n", 0, 1_000_000), n_trials=int(os.environ["RIVAL_TASKS"]))
print(time.time() - began)
