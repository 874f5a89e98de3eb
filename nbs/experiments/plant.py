"""A table for `semicls train` in which something is planted: wrong training labels, or few training defects.

    python plant.py elpv --noise 0.05 --seed 0 --out noisy.csv      # 5 % of the training labels are turned
    python plant.py chips/ --imbalance 20 --seed 0 --out few.csv    # one training defect is left for 20 good parts

The sets are those of `semicls train` with `split_seed` of this seed, so a planted run pairs with a plain one.
Only training changes. Validation and test keep all their images, with the labels that they have.
The same seed turns the same labels first, so 5 % wrong labels are those of 2 % and some more; so are few defects.
"""
import argparse, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.table import write_csv
from semiconductor_cls.jobs.job import prepare
from semiconductor_cls.recipe import QUICK

OTHER = dict(good='defect', defect='good')
INNER = ['hash','copy_group'] # What `semicls train` finds by itself

def split_source(data, seed):
    "The table that a plain run with this split seed trains on"
    df,_ = prepare(data, replace(QUICK, split_seed=seed))
    return df[df.split.isin(['train','valid','test'])].drop(columns=INNER).assign(true_label=df.label)

def training_of(df, label, seed):
    "Rows of training images with a label, part by part in an order that the seed decides"
    rows = df.index[(df.split=='train') & (df.label==label)]
    places = dict(zip(df.group[rows].unique(), np.random.default_rng(seed).permutation(df.group[rows].nunique())))
    return rows[np.argsort(df.group[rows].map(places), kind='stable')]

def turn_labels(df, share, seed):
    "A share of the training labels turned, of either class alike"
    turned = df.copy()
    for label,other in OTHER.items():
        rows = training_of(df, label, seed)
        turned.loc[rows[:round(share*len(rows))], 'label'] = other
    return turned

def keep_few(df, ratio, seed):
    "One training defect for `ratio` good parts, the rest of them gone"
    defects = training_of(df, 'defect', seed)
    n_good = len(training_of(df, 'good', seed))
    wanted = max(1, round(n_good/ratio))
    if wanted>len(defects):
        why = f'{len(defects):,} defects and {n_good:,} good parts to train on'
        raise UserError(f'--imbalance {ratio:g}: there are {why}; the least is {n_good/len(defects):.3g}')
    return df.drop(index=defects[wanted:])

def plant(data, seed, noise=0, imbalance=0):
    "The table with what was asked for planted in it"
    df = split_source(data, seed)
    if imbalance: df = keep_few(df, imbalance, seed)
    return turn_labels(df, noise, seed) if noise else df

def said(df):
    "What there is to train on, in words"
    train = df[df.split=='train']
    good,defects = ((train.label==label).sum() for label in ('good','defect'))
    return f'to train on: {good:,} good and {defects:,} defects, {(train.label!=train.true_label).sum():,} labels wrong'

def main(words=None):
    "The command"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', help="a folder, a table, or the word 'elpv'")
    parser.add_argument('--noise', type=float, default=0, help='share of the training labels to turn, 0 to 0.5')
    parser.add_argument('--imbalance', type=float, default=0, help='good parts to one training defect')
    parser.add_argument('--seed', type=int, default=0, help='of the split, and of what is planted')
    parser.add_argument('--out', type=Path, required=True, help='the table (.csv)')
    asked = parser.parse_args(words)
    try:
        if not 0<=asked.noise<=.5: raise UserError(f'--noise {asked.noise:g}: a share from 0 to 0.5')
        if not 0<=asked.imbalance<=1e6: raise UserError(f'--imbalance {asked.imbalance:g}: good parts to one defect')
        df = plant(asked.data, asked.seed, asked.noise, asked.imbalance)
        write_csv(df, asked.out)
    except UserError as e:
        print(f'plant.py: {e}', file=sys.stderr)
        return 1
    print(f'{asked.out}: {said(df)}', file=sys.stderr)
    return 0

if __name__=='__main__': sys.exit(main())
