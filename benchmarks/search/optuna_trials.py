"""Optuna's samplers on the problems of search.sh: writes the losses of every trial, in the order of the trials.

optuna_trials.py OUT.json TRIALS SEEDS PROCESSES TABLE.json ...      (apt-get install python3-optuna)
"""
import json
import math
import multiprocessing
import sys

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


def run(task):
    problem, name, seed, trials = task
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler(name, seed))
    study.optimize(objective(problem), n_trials=trials)
    return {"problem": problem.rsplit("/", 1)[-1].removesuffix(".json"), "strategy": f"optuna {name}", "seed": seed, "losses": [t.values for t in study.trials]}


if __name__ == "__main__":
    out, trials, seeds, processes, *tables = sys.argv[1:]
    problems = ["zdt1", "zdt2", "zdt3", *tables]
    tasks = [(p, name, seed, int(trials)) for p in problems for name in ("random", "nsga2", "tpe") for seed in range(1, int(seeds) + 1)]
    with multiprocessing.Pool(int(processes)) as pool:
        runs = pool.map(run, tasks, chunksize=1)
    with open(out, "w") as file:
        json.dump({"version": optuna.__version__, "runs": runs}, file)
