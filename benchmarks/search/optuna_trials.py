"""Optuna's samplers on the problems of search.sh: one file for each problem, sampler and seed, with the losses of every trial in the order of the trials.

optuna_trials.py FOLDER TRIALS SEEDS PROCESSES TABLE.json ...      (apt-get install python3-optuna)

Runs that FOLDER has already are left as they are, so a call that was interrupted goes on.
"""
import json
import math
import multiprocessing
import os
import sys
import time

import optuna

VARIABLES = 5


def zdt(number, x):
    first = x[0]
    g = 1 + 9 * sum(x[1:]) / (len(x) - 1)
    if number == 1:
        second = g * (1 - math.sqrt(first / g))
    elif number == 2:
        second = g * (1 - (first / g) ** 2)
    else:
        second = g * (1 - math.sqrt(first / g) - first / g * math.sin(10 * math.pi * first))
    return first, second


def objective(problem):
    if problem.startswith("zdt"):
        return lambda trial: zdt(int(problem[3]), [trial.suggest_float(f"x{i}", 0, 1) for i in range(VARIABLES)])
    table = json.load(open(problem))
    rows = {tuple(row["levels"]): tuple(row["losses"]) for row in table["rows"]}

    def look_up(trial):
        levels = []
        for axis in table["axes"]:
            count = len(axis["values"])
            # An axis of numbers is ordered; any other is a choice.
            levels.append(trial.suggest_int(axis["name"], 0, count - 1) if axis["isOrdered"] else trial.suggest_categorical(axis["name"], list(range(count))))
        return rows[tuple(levels)]

    return look_up


def sampler(name, seed):
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.NSGAIISampler(seed=seed)


def name_of(problem):
    return problem.rsplit("/", 1)[-1].removesuffix(".json")


def run(task):
    problem, name, seed, trials, out = task
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler(name, seed))
    began = time.process_time()
    study.optimize(objective(problem), n_trials=trials)
    kept = {
        "version": optuna.__version__, "problem": name_of(problem), "strategy": f"optuna {name}", "seed": seed, "seconds": round(time.process_time() - began, 1),
        "points": [list(t.params.values()) for t in study.trials], "losses": [t.values for t in study.trials],
    }
    # Whole, or not there.
    with open(out + ".part", "w") as file:
        json.dump(kept, file)
    os.replace(out + ".part", out)
    print(f"{kept['problem']}, {kept['strategy']}, seed {seed}: {kept['seconds']} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    folder, trials, seeds, processes, *tables = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    problems = ["zdt1", "zdt2", "zdt3", *tables]
    # Seed by seed, so that what there is of an interrupted call compares equals.
    tasks = [(p, name, seed, int(trials), f"{folder}/{name_of(p)}-{name}-{seed}.json") for seed in range(1, int(seeds) + 1) for name in ("random", "nsga2", "tpe") for p in problems]
    missing = [task for task in tasks if not os.path.exists(task[-1])]
    print(f"{len(tasks)} runs of Optuna {optuna.__version__}, {len(missing)} of them missing", file=sys.stderr, flush=True)
    with multiprocessing.Pool(int(processes)) as pool:
        for _ in pool.imap_unordered(run, missing, chunksize=1):
            pass
