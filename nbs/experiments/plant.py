"""A table for `semicls train` in which something is planted: wrong labels, few defects, a type never seen, leaks.

    python plant.py elpv --noise 0.05 --seed 0 --out noisy.csv      # 5 % of the training labels are turned
    python plant.py chips/ --imbalance 20 --seed 0 --out few.csv    # one training defect is left for 20 good parts
    python plant.py elpv --without mono --seed 0 --out no_mono.csv  # nobody has seen a defect of this type
    python plant.py replica/ --leaks 0.1 --seed 0 --out leaky.csv   # copies of training images to be judged
    python plant.py elpv --noise 0.1 --clean wrong --out clean.csv  # ... and what was turned is thrown out
    python plant.py elpv --fold 2 --out fold2.csv                   # the third quarter of all images is the test set
    python plant.py elpv --together 60 --fold 2 --out block2.csv    # ... and neighbours in the list stay in one set
    python plant.py elpv --fold 2 --taught efficientnet_lite2 --out t2.csv # what a teacher says of training images

The sets are those of `semicls train` with `split_seed` of this seed, so a planted run pairs with a plain one.
Only training changes. Validation and test keep all their images, with the labels that they have; but what nobody
has seen cannot choose a threshold, so `--without` takes it from validation too. Leaks are files beside the table,
without a label, so that a run judges them apart from its test set; the column `true_label` knows what they are.
The quarters of `--fold` are the same for every seed, so that four runs judge each image once; of the rest, `semicls
train` deals out the validation set by its `split_seed`. `--together` makes groups of so many neighbours in the order
of the names, where pictures of one thing were numbered one after another.
`--taught` is distillation (Hinton et al. 2015): the teacher is `linear.py --see stages` at 300 px, which knows the
training images alone and has not seen the one that it judges. The column `taught` is halfway between its chance of a
defect and the label.
With `--truth` the test images of a folder of `semicls synth` have the labels, and all defects the types, of its truth.
The same seed turns the same labels first, so 5 % wrong labels are those of 2 % and some more; so are few defects.
"""
import argparse, shutil, sys
from dataclasses import replace
from pathlib import Path
import numpy as np, pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from linear import features, shuffled, vectors
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.table import read_csv, write_csv
from semiconductor_cls.eda import find_unboxed
from semiconductor_cls.jobs.curve import part_order
from semiconductor_cls.jobs.job import prepare
from semiconductor_cls.recipe import QUICK
from semiconductor_cls.source import read_source
from semiconductor_cls.split import fold_ids

OTHER = dict(good='defect', defect='good')
OUTER = 4 # Quarters, each the test set once
INNER = ['hash','copy_group'] # What `semicls train` finds by itself

def with_truth(data, out):
    "A folder of `semicls synth` as a table in which the test images have labels and all defects a type"
    df,truth = read_source(data),read_csv(Path(data)/'truth.csv')
    truth = truth.assign(path=[str(Path(data)/o) for o in truth.path]).set_index('path')
    known = truth.reindex(df.path).set_axis(df.index)
    table = out.with_name(f'{out.stem}.source.csv')
    write_csv(df.assign(label=df.label.fillna(known.true_label), defect_type=known.defect_type), table)
    return table

def split_source(data, seed):
    "The table that a plain run with this split seed trains on"
    df,_ = prepare(data, replace(QUICK, split_seed=seed))
    return df[df.split.isin(['train','valid','test'])].drop(columns=INNER).assign(true_label=df.label)

def turn_labels(df, share, seed):
    "A share of the training labels turned, of either class alike"
    turned = df.copy()
    for label,other in OTHER.items():
        rows = part_order(df, label, seed)
        turned.loc[rows[:round(share*len(rows))], 'label'] = other
    return turned

def keep_few(df, ratio, seed):
    "One training defect for `ratio` good parts, the rest of them gone"
    defects = part_order(df, 'defect', seed)
    n_good = len(part_order(df, 'good', seed))
    wanted = max(1, round(n_good/ratio))
    if wanted>len(defects):
        why = f'{len(defects):,} defects and {n_good:,} good parts to train on'
        raise UserError(f'--imbalance {ratio:g}: there are {why}; the least is {n_good/len(defects):.3g}')
    return df.drop(index=defects[wanted:])

def type_of(df):
    "What kind of defect each image shows, whatever its label says: its type, or of a defective cell that of the cell"
    kind = df.defect_type
    if kind.isna().all() and 'cell_type' in df: kind = df.cell_type.where(df.true_label=='defect')
    return kind.astype(object).str.replace(' ', '_') if kind.notna().any() else kind

def never_seen(df, kind):
    "Training and validation without the defects of a type"
    if kind=='nothing': return df
    types = type_of(df)
    gone = (types==kind) & df.split.isin(['train','valid'])
    left = (df.label=='defect') & ~gone
    known = ', '.join(sorted(types.dropna().unique()))
    if not gone.any(): raise UserError(f'--without {kind}: no such defects to train on (known are: {known})')
    for part in ('train','valid'):
        if not left[df.split==part].any(): raise UserError(f'--without {kind}: no other defects are left in {part}')
    return df[~gone]

def leak(df, share, seed, out):
    "Copies of training images, of either class alike, as many as a share of the test set"
    folder = out.with_name(f'{out.stem}-leaks')
    folder.mkdir(parents=True, exist_ok=True)
    share = share*(df.split=='test').sum()/(df.split=='train').sum()
    orders = [part_order(df, label, seed) for label in OTHER]
    rows = [row for order in orders for row in order[:max(1, round(share*len(order)))]]
    copies = df.loc[rows].assign(split=None, label=None)
    copies['id'] = 'leak-'+copies.id
    copies['path'] = [str(shutil.copy(o, folder/f'leak-{Path(o).name}')) for o in copies.path]
    return pd.concat([df, copies], ignore_index=True)

def outer_fold(df, k):
    "Quarter `k` of all labelled images as the test set, the rest of them to be dealt out"
    held = fold_ids(df.stratum.fillna(df.label), df.group, OUTER, seed=0)==k
    return df.assign(split=np.where(held, 'test', None))

def neighbours(df, n):
    "Groups of `n` images whose names follow one another"
    return df.assign(group=[f'block{place//n}' for place in df.id.rank().astype(int)-1])

def taught(df, arch, seed, out):
    "Sets dealt as `semicls train` deals them, and for each training image a mark between its label and the teacher's"
    table = out.with_name(f'{out.stem}.dealt.csv')
    write_csv(df, table)
    dealt,_ = prepare(table, replace(QUICK, split_seed=seed))
    train = dealt.index[dealt.split=='train']
    X,y = features(dealt, arch, 300, 'stages', out.parent)[train],(dealt.label[train]=='defect').to_numpy()
    teacher = make_pipeline(StandardScaler(), vectors())
    margin = cross_val_predict(teacher, X, y, cv=shuffled(seed), method='decision_function')[:,None]
    chance = LogisticRegression().fit(margin, y).predict_proba(margin)[:,1]
    return dealt.drop(columns=INNER).assign(taught=pd.Series((chance+y)/2, train))

def plant(asked):
    "The table with what was asked for planted in it"
    df = split_source(with_truth(asked.data, asked.out) if asked.truth else asked.data, asked.seed)
    if asked.together: df = neighbours(df, asked.together)
    if asked.fold is not None: df = outer_fold(df, asked.fold)
    if asked.without: df = never_seen(df, asked.without)
    if asked.leaks: df = leak(df, asked.leaks, asked.seed, asked.out)
    if asked.imbalance: df = keep_few(df, asked.imbalance, asked.seed)
    if asked.noise: df = turn_labels(df, asked.noise, asked.seed)
    if asked.taught: df = taught(df, asked.taught, asked.seed, asked.out)
    return cleaned(df, asked.clean) if asked.clean else df

def cleaned(df, fault):
    "Training without the images whose label is wrong, or without the defects that have no box"
    gone = df.label!=df.true_label if fault=='wrong' else df.path.isin([found[0] for found in find_unboxed(df)])
    gone &= df.split=='train'
    if not gone.any(): raise UserError(f'--clean {fault}: there are none to train on')
    return df[~gone]

def said(df):
    "What there is to train on, in words"
    train = df[df.label.notna() & ~df.split.isin(['valid','test'])]
    good,defects = ((train.label==label).sum() for label in ('good','defect'))
    return f'to train on: {good:,} good and {defects:,} defects, {(train.label!=train.true_label).sum():,} labels wrong'

def main(words=None):
    "The command"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', help="a folder, a table, or the word 'elpv'")
    parser.add_argument('--noise', type=float, default=0, help='share of the training labels to turn, 0 to 0.5')
    parser.add_argument('--imbalance', type=float, default=0, help='good parts to one training defect')
    parser.add_argument('--without', default='', help="type of defect that training never sees, or 'nothing'")
    parser.add_argument('--clean', choices=('wrong','unboxed'), help='what training leaves out, known from the truth')
    parser.add_argument('--leaks', type=float, default=0, help='copies of training images to judge, a share of test')
    parser.add_argument('--fold', type=int, choices=range(OUTER), help='which quarter of the images is the test set')
    parser.add_argument('--together', type=int, default=0, help='neighbours by name that are kept in one set')
    parser.add_argument('--taught', help='backbone of the teacher')
    parser.add_argument('--truth', action='store_true', help='DATA is a folder of semicls synth: use its truth')
    parser.add_argument('--seed', type=int, default=0, help='of the split, and of what is planted')
    parser.add_argument('--out', type=Path, required=True, help='the table (.csv)')
    asked = parser.parse_args(words)
    try:
        if not 0<=asked.noise<=.5: raise UserError(f'--noise {asked.noise:g}: a share from 0 to 0.5')
        if not 0<=asked.imbalance<=1e6: raise UserError(f'--imbalance {asked.imbalance:g}: good parts to one defect')
        if asked.together<0: raise UserError(f'--together {asked.together}: a number of images')
        if not 0<=asked.leaks<=1: raise UserError(f'--leaks {asked.leaks:g}: a share from 0 to 1')
        df = plant(asked)
        write_csv(df, asked.out)
    except UserError as e:
        print(f'plant.py: {e}', file=sys.stderr)
        return 1
    print(f'{asked.out}: {said(df)}', file=sys.stderr)
    return 0

if __name__=='__main__': sys.exit(main())
