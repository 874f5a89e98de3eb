"""What one rank does in test_ranks.py: train a small network without batch norm, and write down what it saw.

    torchrun --nproc-per-node 2 tests/rank_child.py table.csv out/ [epochs]   # two ranks
    python tests/rank_child.py table.csv out/ [epochs]                        # one process, the whole batch
"""
import dataclasses, hashlib, sys, warnings
warnings.filterwarnings('ignore')
from pathlib import Path
from unittest import mock
import pandas as pd, torch
from fastai.callback.core import Callback
from torch import nn
from semiconductor_cls.base.files import write_json
from semiconductor_cls.data import Pixels
from semiconductor_cls.recipe import QUICK
from semiconductor_cls.scale.ranks import join_ranks
from semiconductor_cls.train import fit_recipe
from semiconductor_cls.views import predict_rows

class Small(nn.Module):
    "Two layers and a head, without batch norm and dropout: the gradient of a batch is the mean of its pictures'"
    num_features = 8
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU())
    def forward(self, x): return self.net(x)

def small_model(*_):
    return nn.Sequential(Small(), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)))

class Witness(Callback):
    "Rows and gradients of each step; weights, moving average and metrics of each epoch"
    order = 70
    def before_fit(self): self.rows,self.grads,self.weights,self.found = [],[],[],[]
    def before_epoch(self): seen.clear()
    def before_step(self):
        self.rows.append(list(seen))
        seen.clear()
        if len(self.grads)<20:
            self.grads.append(torch.cat([p.grad.flatten() for p in self.model.parameters()]).tolist())
    def after_epoch(self):
        states = [self.model.state_dict(), self.learn.ema.ema.module.state_dict()]
        flat = torch.cat([o.flatten().float() for state in states for o in state.values()])
        self.weights.append(hashlib.sha256(flat.numpy().tobytes()).hexdigest())
        self.found.append([float(o) for o in self.recorder.log[1:5]])

seen,decode = [],Pixels._row
def noted(self, i):
    seen.append(int(i))
    return decode(self, i)

def main(table, out, epochs=3, bs=8):
    df,out = pd.read_csv(table),Path(out)
    short = dict(arch='resnet18', sizes=(16,), frozen_epochs=0, epochs=int(epochs), bs=int(bs))
    r = dataclasses.replace(QUICK, **short, ema=.9, aug_p=0., tta='')
    ranks,witness = join_ranks(),Witness()
    fit,predict = (ranks.fit, ranks.predict) if ranks else (fit_recipe, predict_rows)
    with mock.patch('semiconductor_cls.learner.create_model', small_model), mock.patch.object(Pixels, '_row', noted):
        learn = fit(df, r, 0, 'none', 'cpu', out/'cache', cbs=[witness])
        rows = df.index[df.split=='valid']
        probs = predict(learn.model, learn.dls, rows)
    traces = {k:getattr(witness, k) for k in ('rows','grads','weights','found')}
    write_json(out/f'rank{ranks.rank if ranks else 0}.json', dict(traces, probs=list(probs)))

if __name__=='__main__':
    torch.set_num_threads(1)
    main(*sys.argv[1:])
