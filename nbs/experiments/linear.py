"""A linear model on what ImageNet networks see in a picture; the networks themselves are never trained.

    python linear.py elpv --arch efficientnet_lite2 --size 224 --out runs/linear   # test set of split seed 0
    python linear.py fold2.csv --arch efficientnet_lite0,efficientnet_lite2 --out runs/linear2

The cheapest thing that could work, so what a training has to beat, and a member that errs in another way. Features
are averages and maxima over the last map, of the picture and of its mirror image; the strength of the penalty is
chosen by cross-validation within the training images. The folder holds what `semicls train` leaves that is read here.
Features lie beside it, by the hash of the picture, so that other sets of the same pictures need not see them again.
"""
import argparse, os, sys, time
from dataclasses import asdict, replace
from pathlib import Path
import numpy as np, pandas as pd, torch
from fastai.vision.all import AdaptiveConcatPool2d, Flatten, nn, set_seed
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from semiconductor_cls.auc import auc_ci
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import write_json
from semiconductor_cls.base.run import git_commit
from semiconductor_cls.base.table import write_csv
from semiconductor_cls.data import predict_dl
from semiconductor_cls.jobs.job import prepare
from semiconductor_cls.learner import chip_learner
from semiconductor_cls.recipe import QUICK
from semiconductor_cls.train import preds_table, recipe_dls

FLIPS = [(), (3,)] # Axes that are turned round
PENALTIES = np.logspace(-5, 0, 6) # scikit-learn's C: the smaller, the stronger

def see(df, arch, size, device=None):
    "An array of a row an image: what the body of `arch` with its ImageNet weights sees"
    dls = recipe_dls(df, replace(QUICK, arch=arch, aug_p=0), size, device)
    body = chip_learner(dls, arch).model[0]
    model = nn.Sequential(body, AdaptiveConcatPool2d(), Flatten()).to(dls.device).eval()
    seen = lambda x: torch.stack([model(x.flip(axes) if axes else x) for axes in FLIPS]).mean(0)
    with torch.inference_mode(): return np.concatenate([seen(x).cpu().numpy() for x, in predict_dl(dls, df.index)])

def features(df, arch, size, folder, device=None):
    "The same, from `folder` where the pictures were seen before"
    path = folder/f'features-{arch}-{size}.parquet'
    known = pd.read_parquet(path) if path.exists() else pd.DataFrame()
    if not set(df.hash) <= set(known.index):
        known = pd.DataFrame(see(df, arch, size, device), df.hash).groupby(level=0).first()
        known.columns = known.columns.astype(str)
        part = path.with_suffix(f'.{os.getpid()}')
        known.to_parquet(part)
        os.replace(part, path)
    return known.loc[df.hash].to_numpy()

def fit_linear(X, y, seed):
    "A logistic regression, its penalty chosen by AUC over five folds of the same images"
    model = LogisticRegressionCV(
        Cs=PENALTIES, scoring='roc_auc', cv=5, class_weight='balanced', max_iter=2000, random_state=seed)
    return make_pipeline(StandardScaler(), model).fit(X, y)

def main(words=None):
    "The command"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', help="a folder, a table, or the word 'elpv'")
    parser.add_argument('--arch', default='efficientnet_lite0', help='backbones, separated by commas')
    parser.add_argument('--size', type=int, default=224, help='side of the pictures, in pixels')
    parser.add_argument('--seed', type=int, default=0, help='of the split')
    parser.add_argument('--device', help='cpu or cuda; chosen by itself if not given')
    parser.add_argument('--out', type=Path, required=True, help='the folder to write')
    asked,start = parser.parse_args(words),time.perf_counter()
    set_seed(asked.seed)
    r = replace(QUICK, arch=asked.arch.partition(',')[0], sizes=(asked.size,), split_seed=asked.seed)
    try:
        df,_ = prepare(asked.data, r)
        folder = asked.out.parent
        folder.mkdir(parents=True, exist_ok=True)
        archs = asked.arch.split(',')
        X = np.concatenate([features(df, arch, asked.size, folder, asked.device) for arch in archs], axis=1)
    except UserError as e:
        print(f'linear.py: {e}', file=sys.stderr)
        return 1
    train = (df.split=='train').to_numpy()
    model = fit_linear(X[train], df.label[train]=='defect', asked.seed)
    asked.out.mkdir(parents=True, exist_ok=True)
    write_csv(df, asked.out/'table.csv')
    for part in ('valid','test'):
        rows = df.index[df.split==part]
        found = preds_table(df, rows, model.predict_proba(X[rows])[:,1])
        write_csv(found, asked.out/f'preds_{part}.csv')
    auc,low,high = auc_ci(found.label=='defect', found.p_defect)
    seconds = time.perf_counter()-start
    device = asked.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    write_json(asked.out/'run.json', dict(commit=git_commit(), recipe=asdict(r) | dict(arch=asked.arch), device=device))
    write_json(asked.out/'metrics.json', dict(auc=auc, auc_lo=low, auc_hi=high, seconds=seconds))
    print(f'AUC {auc:.4f} ({low:.4f} to {high:.4f}), penalty C={model[-1].C_[0]:.0e}', file=sys.stderr)
    return 0

if __name__=='__main__': sys.exit(main())
