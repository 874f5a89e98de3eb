"""A model on what ImageNet networks see in a picture; the networks themselves are never trained.

    python linear.py elpv --arch efficientnet_lite2 --size 224 --out runs/linear   # test set of split seed 0
    python linear.py fold2.csv --arch efficientnet_lite0,efficientnet_lite2 --out runs/linear2
    python linear.py fold2.csv --arch efficientnet_lite2 --size 300 --see stages --out runs/stages2

The cheapest thing that could work, so what a training has to beat, and a member that errs in another way. A network
sees the picture and its mirror image; features are the mean of both.

--see last    averages and maxima over the last map; a logistic regression, its penalty chosen by cross-validation
              within the training images
--see stages  mean, maximum and spread of each channel after every stage, and how the channels of the two middle
              stages vary together (bilinear pooling, Lin et al. 2015); a support vector machine

--learn all   learns from the images that choose as well. Those get scores out of ten folds, in which no model has seen
              the image that it judges; the test images are judged by one model of all

The folder holds what `semicls train` leaves that is read here. Features lie beside it, by the hash of the picture, so
that other sets of the same pictures need not see them again.
"""
import argparse, os, sys, time
from dataclasses import asdict, replace
from pathlib import Path
import numpy as np, pandas as pd, torch
from fastai.vision.all import AdaptiveConcatPool2d, Flatten, nn, set_seed
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
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

def correlations(maps):
    "How the channels of a map vary together over the picture: a number for each pair of them"
    flat = maps.flatten(2)
    flat = nn.functional.normalize(flat-flat.mean(2, keepdim=True), dim=2)
    pairs = torch.triu_indices(flat.shape[1], flat.shape[1], 1)
    return (flat@flat.mT)[:,pairs[0],pairs[1]]

class Stages(nn.Module):
    "What a body of timm sees after each of its stages"
    def __init__(self, body):
        super().__init__()
        self.body,self.maps = body,[]
        for stage in body.net.blocks: stage.register_forward_hook(lambda *seen: self.maps.append(seen[-1]))

    def forward(self, x):
        self.maps.clear()
        last = self.body(x)
        numbers = []
        for o in (*self.maps, last): numbers += [o.mean((2,3)), o.amax((2,3)), o.std((2,3), correction=0)]
        return torch.cat([*numbers, *map(correlations, self.maps[3:5])], dim=1)

def see(df, arch, size, how, device=None):
    "An array of a row an image: what the body of `arch` with its ImageNet weights sees"
    dls = recipe_dls(df, replace(QUICK, arch=arch, aug_p=0), size, device)
    body = chip_learner(dls, arch).model[0]
    model = Stages(body) if how=='stages' else nn.Sequential(body, AdaptiveConcatPool2d(), Flatten())
    model = model.to(dls.device).eval()
    seen = lambda x: torch.stack([model(x.flip(axes) if axes else x) for axes in FLIPS]).mean(0)
    with torch.inference_mode(): return np.concatenate([seen(x).cpu().numpy() for x, in predict_dl(dls, df.index)])

def features(df, arch, size, how, folder, device=None):
    "The same, from `folder` where the pictures were seen before"
    path = folder/f'features-{arch}-{size}-{how}.parquet'
    known = pd.read_parquet(path) if path.exists() else pd.DataFrame()
    if not set(df.hash) <= set(known.index):
        known = pd.DataFrame(see(df, arch, size, how, device), df.hash).groupby(level=0).first()
        known.columns = known.columns.astype(str)
        part = path.with_suffix(f'.{os.getpid()}')
        known.to_parquet(part)
        os.replace(part, path)
    return known.loc[df.hash].to_numpy()

def logistic(seed):
    "A logistic regression, its penalty chosen by AUC over five folds of the same images"
    model = LogisticRegressionCV(
        Cs=PENALTIES, scoring='roc_auc', cv=5, class_weight='balanced', max_iter=2000, random_state=seed)
    return make_pipeline(StandardScaler(), model)

def shuffled(seed): return StratifiedKFold(5, shuffle=True, random_state=seed) # neighbours in a list are alike

def vectors(**kwargs): return SVC(C=10, class_weight='balanced', **kwargs)

def calibrated(seed):
    "A support vector machine whose scores are made chances over five folds"
    model = CalibratedClassifierCV(vectors(), ensemble=False, cv=shuffled(seed))
    return make_pipeline(StandardScaler(), model)

MODELS = dict(last=logistic, stages=calibrated)

def judged(X, labels, groups, new, seed):
    "Chances out of ten folds, and those of `new` rows by a model of all; a group is in one fold"
    scale = StandardScaler().fit(X) # no labels in it
    likeness = lambda rows: rbf_kernel(scale.transform(rows), scale.transform(X)) # once for all folds
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=seed)
    model,alike = vectors(kernel='precomputed'),likeness(X)
    margins = cross_val_predict(model, alike, labels, groups=groups, cv=folds, method='decision_function')
    chance = LogisticRegression(C=np.inf).fit(margins[:,None], labels) # Platt 1999
    new_margins = model.fit(alike, labels).decision_function(likeness(new))
    return [chance.predict_proba(o[:,None])[:,1] for o in (margins,new_margins)]

def scores_of(df, X, asked):
    "A chance of a defect for each image that no model of its own has learnt from"
    learnt = df.split.isin(['train','valid'] if asked.learn=='all' else ['train']).to_numpy()
    labels,rest,scores = (df.label[learnt]=='defect').to_numpy(),X[~learnt],np.full(len(df), np.nan, 'float32')
    if asked.learn=='train':
        model = MODELS[asked.see](asked.seed).fit(X[learnt], labels)
        scores[~learnt] = model.predict_proba(rest)[:,1]
    else: scores[learnt],scores[~learnt] = judged(X[learnt], labels, df.group[learnt], rest, asked.seed)
    return scores

def main(words=None):
    "The command"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', help="a folder, a table, or the word 'elpv'")
    parser.add_argument('--arch', default='efficientnet_lite0', help='backbones, separated by commas')
    parser.add_argument('--size', type=int, default=224, help='side of the pictures, in pixels')
    parser.add_argument('--see', choices=list(MODELS), default='last', help='which maps of the network')
    parser.add_argument('--learn', choices=['train','all'], default='train', help='which sets beside the test set')
    parser.add_argument('--seed', type=int, default=0, help='of the split')
    parser.add_argument('--device', help='cpu or cuda; chosen by itself if not given')
    parser.add_argument('--out', type=Path, required=True, help='the folder to write')
    asked,start = parser.parse_args(words),time.perf_counter()
    if asked.learn=='all' and asked.see!='stages': parser.error('--learn all goes with --see stages')
    set_seed(asked.seed)
    r = replace(QUICK, arch=asked.arch.partition(',')[0], sizes=(asked.size,), split_seed=asked.seed)
    try:
        df,_ = prepare(asked.data, r)
        folder = asked.out.parent
        folder.mkdir(parents=True, exist_ok=True)
        archs = asked.arch.split(',')
        X = np.concatenate([features(df, o, asked.size, asked.see, folder, asked.device) for o in archs], axis=1)
    except UserError as e:
        print(f'linear.py: {e}', file=sys.stderr)
        return 1
    scores = scores_of(df, X, asked)
    asked.out.mkdir(parents=True, exist_ok=True)
    write_csv(df, asked.out/'table.csv')
    for part in ('valid','test'):
        rows = df.index[df.split==part]
        found = preds_table(df, rows, scores[rows])
        write_csv(found, asked.out/f'preds_{part}.csv')
    auc,low,high = auc_ci(found.label=='defect', found.p_defect, groups=df.group[rows])
    seconds = time.perf_counter()-start
    device = asked.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    write_json(asked.out/'run.json', dict(commit=git_commit(), recipe=asdict(r) | dict(arch=asked.arch), device=device))
    write_json(asked.out/'metrics.json', dict(auc=auc, auc_lo=low, auc_hi=high, seconds=seconds))
    print(f'AUC {auc:.4f} ({low:.4f} to {high:.4f})', file=sys.stderr)
    return 0

if __name__=='__main__': sys.exit(main())
