"What the notebooks of this folder read: rows of `results.csv` with their arms, scores of every run, epochs"
import os
from pathlib import Path
import pandas as pd
from run import read_grid

HERE = Path(os.environ.get('SEMICLS_EXPERIMENTS') or Path(__file__).resolve().parent)

def results_of(experiment):
    "A row a run of an experiment, with its `arm`; what is not trained yet is missing"
    grid = read_grid(Path(__file__).resolve().parent/'grid.csv')
    arms = grid.loc[grid.experiment==experiment, ['run','arm','seed']]
    results = pd.read_csv(HERE/'results.csv').drop(columns='seed')
    return arms.merge(results, on='run')

def scores_of(run):
    "A row an image that a run has judged: `label set score`"
    scores = pd.read_parquet(HERE/'scores.parquet')
    split_seed = pd.read_csv(HERE/'results.csv').set_index('run').split_seed[run]
    table = scores[['label',f'set_{split_seed}',run]].set_axis(['label','set','score'], axis=1)
    return table.dropna(subset='score')

def overkill_of(results, recall=.9):
    "The same rows, with the overkill on the test images at a fixed recall as their value, so less is better"
    from semiconductor_cls.operate import operating_points
    rows = []
    for run in results.run:
        test = scores_of(run).query("set=='test'")
        points = operating_points(test.label=='defect', test.score, recalls=(recall,), overkills=())
        rows.append(points.loc[0, ['value','lo','hi']].tolist())
    found = pd.DataFrame(rows, results.index, ['value','lower','upper'])
    return results.assign(metric=f'overkill at recall {recall:g}', **found)

def caught_of(experiment):
    "A row a run and type of defect: how many of `n` were stopped by score, as unlike training, or by either"
    return results_of(experiment)[['run','arm','split_seed']].merge(pd.read_csv(HERE/'caught.csv'), on='run')

def epochs_of(experiment):
    "A row an epoch of each run of an experiment, with its `arm`"
    epochs = pd.read_csv(HERE/'epochs.csv')
    return results_of(experiment)[['run','arm','split_seed']].merge(epochs, on='run')

def progress(results):
    "How many runs each arm has"
    return ', '.join(f'{arm}: {n}' for arm,n in results.arm.value_counts(sort=False).items())
