"""The study's recipe, ours, and stock fastai's `fine_tune`, on the ELPV photographs: same backbone and weights, size,
epochs, split and images.

    python tests/bench_recipes.py --runs runs/recipes --what strong stock paper --seeds 0 1 2
    python tests/bench_recipes.py --runs runs/recipes --what table

The first takes hours on two cores, and goes on where it stopped.
EfficientNet-lite0 with the packaged ImageNet weights, 128 px, 13 epochs each (PAPER 3 + 10, STRONG 1 + 12, fine_tune
1 + 12), test set of 656 photographs (split_seed 0).
`stock` is `ImageDataLoaders` + `aug_transforms` of the study's strength + `vision_learner` + `fine_tune`; `stock_flips`
averages the same models over four flips, as STRONG does.
The table gives mean AUC over the seeds and paired differences from STRONG whose intervals hold images and seeds.
"""
import argparse, dataclasses, warnings
warnings.filterwarnings('ignore')
from fastai.vision.all import *
from semiconductor_cls.all import *

SIZE,ARCH = 128,'efficientnet_lite0'
KINDS = ('strong','paper','stock','stock_flips')

def stock_learner(df, stats):
    "fastai as it comes, with the packaged weights"
    d = df[df.split.isin(['train','valid'])].assign(is_valid=lambda o: o.split=='valid')
    augs = aug_transforms(flip_vert=True, max_rotate=10., max_zoom=1.1, max_lighting=.2, max_warp=.2, p_affine=.5,
                          p_lighting=.5)
    dls = ImageDataLoaders.from_df(d, path='/', fn_col='path', label_col='label', valid_col='is_valid', bs=32,
                                   num_workers=0, device='cpu', item_tfms=Resize(SIZE, method='squish'),
                                   batch_tfms=[*augs, Normalize.from_stats(*stats, cuda=False)])
    learn = vision_learner(dls, f'tf_{ARCH}', pretrained=False, metrics=[RocAucBinary(), accuracy])
    fit_weights(learn.model[0].model, read_weights(packaged_weights(ARCH)))
    return learn

def write_stock(df, path, learn, ours, seed, tta):
    "The predictions of stock fastai as a run directory"
    prints = dict(fingerprint=fingerprint(df), split_fingerprint=fingerprint(df, ('hash','split')))
    run = create_run(path, True, seed=seed, tta=tta, **prints)
    write_csv(df, run/'table.csv')
    is_last = list(learn.dls.vocab).index('defect')==1
    for s in ('valid','test'):
        rows = df.index[df.split==s]
        p = predict_rows(learn.model.eval(), ours, rows, tta)
        write_csv(preds_table(df, rows, p if is_last else 1-p), run/f'preds_{s}.csv')
    print(path, evaluate_run(run)['auc'], flush=True)
    run.update(status='finished')

def stock_run(df, path, seed):
    "Stock fastai, and its predictions as two run directories"
    if (path/'run.json').exists() and open_run(path).info['status']=='finished': return
    set_seed(seed)
    stats = arch_cfg(ARCH)['stats']
    learn = stock_learner(df, stats)
    keep_memory()
    with learn.no_bar(): learn.fine_tune(12, freeze_epochs=1)
    ours = make_dls(df, ImageCache(df, SIZE), stats=stats, device='cpu')
    write_stock(df, path, learn, ours, seed, '')
    flips = path.with_name(path.name.replace('stock', 'stock_flips'))
    write_stock(df, flips, learn, ours, seed, 'flips')

def our_run(r, path, seed):
    def tell(line): print(line, flush=True)
    going_on = (path/'run.json').exists()
    train_job('elpv', r, seed, path, resume=going_on, tell=tell, command='python tests/bench_recipes.py')

def table(folder, seeds):
    runs = {}
    for k in KINDS:
        if any(folder.glob(f'{k}-s*')): runs[k] = [folder/f'{k}-s{s}' for s in seeds if (folder/f'{k}-s{s}').exists()]
    return ablation_table(runs).drop(columns='verdict')

def main(a):
    recipes = dict(strong=dataclasses.replace(STRONG, sizes=(SIZE,)),
                   paper=dataclasses.replace(PAPER, arch=ARCH, sizes=(SIZE,)))
    df,_ = prepare('elpv', recipes['strong'])
    for s in a.seeds:
        for w in a.what:
            path = a.runs/f'{w}-s{s}'
            if w=='stock': stock_run(df, path, s)
            elif w in recipes: our_run(recipes[w], path, s)
    if 'table' in a.what: print(table(a.runs, a.seeds).to_string(index=False, float_format='{:.4f}'.format))

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--runs', type=Path, required=True)
    ap.add_argument('--what', nargs='+', default=['table'])
    ap.add_argument('--seeds', type=int, nargs='+', default=[0,1,2])
    main(ap.parse_args())
