"""Loaders alone, model alone, both together, and stock fastai, on the ELPV photographs, side by side in one run.

    python tests/bench_train.py [--size 128] [--bs 32] [--repeats 3] [--share 1]

Prints images a second and, for whole epochs, ratios of seconds (stock fastai / ours): medians of the repeats. All of
stock's epochs run before ours, since the memory setting that is ours cannot be undone in a process.
Both start from the packaged ImageNet weights. Their validation AUC after the timed epochs (at one rate, 1e-4) tells
that both learned. Needs nothing beyond the extra `demo`.
"""
import argparse, dataclasses, tempfile, time, warnings
warnings.filterwarnings('ignore')
from pathlib import Path
from statistics import median
from fastai.vision.all import *
from semiconductor_cls.all import *

STAGES = {True:'frozen', False:'unfrozen'}

def timed(f):
    start = time.perf_counter()
    f()
    return time.perf_counter()-start

def say(text): print(text, flush=True)

def photographs(share):
    "1,574 train as in `make demo`, all others validate"
    df = read_source('elpv').sample(frac=share, random_state=0).sort_index().reset_index(drop=True)
    df = split_table(df.assign(hash=[file_md5(p) for p in df.path]))
    return df.assign(split=df.split.replace('test', 'valid'))

def stock_learner(df, r):
    size,stats = r.sizes[0],arch_cfg(r.arch)['stats']
    augs = aug_transforms(flip_vert=True, max_rotate=10., max_zoom=1.1, max_lighting=.2, max_warp=.2, p_affine=.5,
                          p_lighting=.5)
    dls = ImageDataLoaders.from_df(df.assign(is_valid=df.split=='valid'), path='/', fn_col='path', label_col='label',
                                   valid_col='is_valid', bs=r.bs, num_workers=2, device='cpu',
                                   item_tfms=Resize(size, method='squish'),
                                   batch_tfms=[*augs, Normalize.from_stats(*stats, cuda=False)])
    learn = vision_learner(dls, 'tf_efficientnet_lite0', pretrained=False, loss_func=LabelSmoothingCrossEntropy(.1),
                           metrics=[RocAucBinary(), accuracy])
    fit_weights(learn.model[0].model, read_weights(packaged_weights('efficientnet_lite0')))
    return learn

def set_stage(learn, frozen):
    if frozen: learn.freeze()
    else: learn.unfreeze()

def epochs(learn, repeats):
    "Median seconds of an epoch with validation, of each stage"
    res = {}
    for frozen in STAGES:
        def epoch():
            set_stage(learn, frozen)
            with learn.no_bar(), learn.no_logging(): learn.fit(1, 1e-4)
        res[frozen] = median(timed(epoch) for _ in range(repeats))
    return res

def scores(learn, dls, rows):
    "Probabilities of a defect; stock's classes are in alphabetical order"
    p = predict_rows(learn.model, dls, rows)
    return p if list(learn.dls.vocab)[1]=='defect' else 1-p

def tell_epochs(ours, stock):
    for frozen,name in STAGES.items():
        u = ours[frozen]
        if stock is None: say(f'{name} epoch with validation: {u:.1f} s')
        else:
            s = stock[frozen]
            say(f'{name} epoch with validation: stock fastai {s:.1f} s, ours {u:.1f} s, {s/u:.2f} times as fast')

def tell_auc(df, dls, ours, stock, n_epochs):
    rows = df.index[df.split=='valid']
    y,p = (df.label[rows]=='defect').to_numpy(),scores(ours, dls, rows)
    title = f'validation AUC after these {n_epochs} epochs'
    if stock is None: return say(f'{title}: {auc_ci(y, p)[0]:.3f}')
    g = compare_auc(y, p, scores(stock, dls, rows))
    gain = f"{g['diff']:+.3f} ({g['lo']:+.3f} to {g['hi']:+.3f})"
    both = f"stock fastai {g['auc_b']:.3f}, ours {g['auc_a']:.3f}"
    say(f'{title}: {both}; ours less stock {gain}, over {len(y):,} photographs')

def step(learn, x, y):
    learn.model.train()
    learn.loss_func(learn.model(x), y).backward()
    learn.opt.step()
    learn.opt.zero_grad()

def tell_steps(learn, dls, frozen, bs, size):
    "The model alone on one batch, and with the loaders"
    x,y = (t.as_subclass(Tensor) for t in dls.one_batch())
    set_stage(learn, frozen)
    if frozen: BnFreeze.before_train(type('L', (), {'model': learn.model})())
    step(learn, x, y)
    def eight():
        for _ in range(8): step(learn, x, y)
    alone,rows = bs*8/timed(eight),[]
    diary = Diary(0, STAGES[frozen], size, lambda learn,row,steps: rows.append(row))
    with learn.no_bar(), learn.no_logging(): learn.fit(1, 1e-4, cbs=diary)
    both,waits = rows[0]['images_per_s'],100*rows[0]['wait_share']
    say(f'{STAGES[frozen]}: model alone {alone:.0f} images/s, with loaders {both:.0f}; '
        f'waiting for data {waits:.1f} % of the epoch')

def main(a):
    r,df = dataclasses.replace(QUICK, sizes=(a.size,), bs=a.bs),photographs(a.share)
    tmp = Path(tempfile.mkdtemp())
    seconds = timed(lambda: ImageCache(df, a.size, tmp))
    say(f'decoding {len(df):,} photographs into the cache, once: {seconds:.1f} s')
    dls = recipe_dls(df, r, a.size, 'cpu', tmp)
    def load_all():
        for _ in dls.train: pass
    seconds = median(timed(load_all) for _ in range(a.repeats))
    say(f'loaders alone: {len(dls.train)*a.bs/seconds:,.0f} images/s')
    # both before keep_memory, which is ours
    stock = None if a.no_stock else stock_learner(df, r)
    ours = chip_learner(dls, r.arch)
    stock_took = epochs(stock, a.repeats) if stock else None
    keep_memory()
    tell_epochs(epochs(ours, a.repeats), stock_took)
    tell_auc(df, dls, ours, stock, 2*a.repeats)
    for frozen in STAGES: tell_steps(ours, dls, frozen, a.bs, a.size)

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--size', type=int, default=128)
    ap.add_argument('--bs', type=int, default=32)
    ap.add_argument('--repeats', type=int, default=3)
    ap.add_argument('--share', type=float, default=1., help='of the photographs, for a quick look')
    ap.add_argument('--no-stock', action='store_true', help='leave stock fastai out')
    main(ap.parse_args())
