"""Loaders alone, model alone, both together, and stock fastai, on the ELPV photographs, side by side in one run.

    python tests/bench_train.py [--size 128] [--bs 32] [--repeats 3] [--share 1]

Prints images a second and, for whole epochs, ratios of seconds (stock fastai / ours): medians of the repeats. All of stock's epochs run before ours, since the memory setting that is ours cannot be undone in a process.
Both start from the packaged ImageNet weights; their validation AUC after the timed epochs (at one rate, 1e-4) tells that both learned. Needs nothing beyond the extra `demo`.
"""
import argparse, tempfile, time, warnings
warnings.filterwarnings('ignore')
import dataclasses
from pathlib import Path
from statistics import median
from fastai.vision.all import *
from semiconductor_cls.all import *

ap = argparse.ArgumentParser(); ap.add_argument('--size', type=int, default=128); ap.add_argument('--bs', type=int, default=32); ap.add_argument('--repeats', type=int, default=3)
ap.add_argument('--share', type=float, default=1., help='of the photographs, for a quick look')
ap.add_argument('--no-stock', action='store_true', help='leave stock fastai out')
a = ap.parse_args()
r = dataclasses.replace(QUICK, sizes=(a.size,), bs=a.bs)
df = read_source('elpv').sample(frac=a.share, random_state=0).sort_index().reset_index(drop=True)
df['hash'] = [file_md5(p) for p in df.path]
df = split_table(df)
df['split'] = df.split.replace('test', 'valid')   # 1,574 train as in make demo, all others validate
tmp = Path(tempfile.mkdtemp())

def timed(f): t = time.perf_counter(); f(); return time.perf_counter()-t

print(f'decoding {len(df):,} photographs into the cache, once: {timed(lambda: ImageCache(df, a.size, tmp)):.1f} s', flush=True)
dls = recipe_dls(df, r, a.size, 'cpu', tmp)
n = len(dls.train)*a.bs
print(f'loaders alone: {n/median(timed(lambda: [None for _ in dls.train]) for _ in range(a.repeats)):,.0f} images/s', flush=True)

def ours(): return chip_learner(dls, r.arch)
def stock():
    d = df.assign(is_valid=df.split=='valid')
    dl = ImageDataLoaders.from_df(d, path='/', fn_col='path', label_col='label', valid_col='is_valid', item_tfms=Resize(a.size, method='squish'), bs=a.bs, num_workers=2, device='cpu',
        batch_tfms=[*aug_transforms(flip_vert=True, max_rotate=10., max_zoom=1.1, max_lighting=.2, max_warp=.2, p_affine=.5, p_lighting=.5), Normalize.from_stats(*arch_cfg(r.arch)['stats'], cuda=False)])
    learn = vision_learner(dl, 'tf_efficientnet_lite0', pretrained=False, loss_func=LabelSmoothingCrossEntropy(.1), metrics=[RocAucBinary(), accuracy])
    fit_weights(learn.model[0].model, read_weights(packaged_weights('efficientnet_lite0')))
    return learn

def epoch(learn, frozen):
    learn.freeze() if frozen else learn.unfreeze()
    with learn.no_bar(), learn.no_logging(): return timed(lambda: learn.fit(1, 1e-4))

s,o = None if a.no_stock else stock(),ours() # both before keep_memory, which is ours
res = dict(stock={True:[],False:[]}, ours={True:[],False:[]})
for frozen in (True,False):
    for _ in range(a.repeats if s else 0): res['stock'][frozen].append(epoch(s, frozen))
keep_memory()
for frozen in (True,False):
    for _ in range(a.repeats): res['ours'][frozen].append(epoch(o, frozen))
for frozen in (True,False):
    u,name = median(res['ours'][frozen]),'frozen' if frozen else 'unfrozen'
    if s: t = median(res['stock'][frozen]); print(f'{name} epoch with validation: stock fastai {t:.1f} s, ours {u:.1f} s, {t/u:.2f} times as fast', flush=True)
    else: print(f'{name} epoch with validation: {u:.1f} s', flush=True)

rows = df.index[df.split=='valid']
def scores(learn): p = predict_rows(learn.model, dls, rows); return p if list(learn.dls.vocab)[1]=='defect' else 1-p # stock's classes are in alphabetical order
y,p = (df.label[rows]=='defect').to_numpy(),scores(o)
if s:
    g = compare_auc(y, p, scores(s))
    print(f"validation AUC after these {2*a.repeats} epochs: stock fastai {g['auc_b']:.3f}, ours {g['auc_a']:.3f}; ours less stock {g['diff']:+.3f} ({g['lo']:+.3f} to {g['hi']:+.3f}), over {len(y):,} photographs", flush=True)
else: print(f'validation AUC after these {2*a.repeats} epochs: {auc_ci(y, p)[0]:.3f}', flush=True)

xb,yb = (t.as_subclass(Tensor) for t in dls.one_batch())
def step(frozen):
    o.model.train(); loss = o.loss_func(o.model(xb), yb); loss.backward(); o.opt.step(); o.opt.zero_grad()
for frozen in (True,False):
    o.freeze() if frozen else o.unfreeze()
    if frozen: BnFreeze.before_train(type('L', (), {'model': o.model})())
    step(frozen)
    alone = a.bs*8/timed(lambda: [step(frozen) for _ in range(8)])
    both = []
    def together():
        d = Diary(0, 'frozen' if frozen else 'unfrozen', a.size, lambda learn,row,steps: both.append(row))
        with o.no_bar(), o.no_logging(): o.fit(1, 1e-4, cbs=d)
    together()
    print(f"{'frozen' if frozen else 'unfrozen'}: model alone {alone:.0f} images/s, with loaders {both[0]['images_per_s']:.0f}; waiting for data {100*both[0]['wait_share']:.1f} % of the epoch", flush=True)
