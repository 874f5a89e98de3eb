"""The study's recipe, ours, and stock fastai's `fine_tune`, on the ELPV photographs: same backbone and weights, size, epochs, split and images.

    python tests/bench_recipes.py --runs runs/recipes --what strong stock paper --seeds 0 1 2    # hours on two cores; goes on where it stopped
    python tests/bench_recipes.py --runs runs/recipes --what table

EfficientNet-lite0 with the packaged ImageNet weights, 128 px, 13 epochs each (PAPER 3 + 10, STRONG 1 + 12, fine_tune 1 + 12), test set of 656 photographs (split_seed 0).
`stock` is `ImageDataLoaders` + `aug_transforms` of the study's strength + `vision_learner` + `fine_tune`; `stock_flips` averages the same models over four flips, as STRONG does.
The table gives mean AUC over the seeds and paired differences from STRONG whose intervals hold images and seeds.
"""
import argparse, dataclasses, warnings
warnings.filterwarnings('ignore')
from fastai.vision.all import *
from semiconductor_cls.all import *

SIZE = 128

def stock_run(df, path, seed):
    "Stock fastai, and its predictions as two run directories"
    if (path/'run.json').exists() and open_run(path).info['status']=='finished': return
    set_seed(seed)
    cfg = arch_cfg('efficientnet_lite0')
    d = df[df.split.isin(['train','valid'])].assign(is_valid=lambda o: o.split=='valid')
    dls = ImageDataLoaders.from_df(d, path='/', fn_col='path', label_col='label', valid_col='is_valid', item_tfms=Resize(SIZE, method='squish'), bs=32, num_workers=0, device='cpu',
        batch_tfms=[*aug_transforms(flip_vert=True, max_rotate=10., max_zoom=1.1, max_lighting=.2, max_warp=.2, p_affine=.5, p_lighting=.5), Normalize.from_stats(*cfg['stats'], cuda=False)])
    learn = vision_learner(dls, 'tf_efficientnet_lite0', pretrained=False, metrics=[RocAucBinary(), accuracy])
    fit_weights(learn.model[0].model, read_weights(packaged_weights('efficientnet_lite0')))
    keep_memory()
    with learn.no_bar(): learn.fine_tune(12, freeze_epochs=1)
    ours = make_dls(df, ImageCache(df, SIZE), stats=cfg['stats'], device='cpu')
    k = list(dls.vocab).index('defect')
    for p,tta in ((path,''),(path.with_name(path.name.replace('stock','stock_flips')),'flips')):
        run = create_run(p, True, seed=seed, fingerprint=fingerprint(df), split_fingerprint=fingerprint(df, ('hash','split')), tta=tta)
        write_csv(df, run/'table.csv')
        for s in ('valid','test'):
            rows = df.index[df.split==s]
            q = predict_rows(learn.model.eval(), ours, rows, tta)
            write_csv(preds_table(df, rows, q if k==1 else 1-q), run/f'preds_{s}.csv')
        print(p, evaluate_run(run)['auc'], flush=True)
        run.update(status='finished')

if __name__=='__main__':
    ap = argparse.ArgumentParser(); ap.add_argument('--runs', type=Path, required=True); ap.add_argument('--what', nargs='+', default=['table']); ap.add_argument('--seeds', type=int, nargs='+', default=[0,1,2])
    a = ap.parse_args()
    recipes = dict(strong=dataclasses.replace(STRONG, sizes=(SIZE,)), paper=dataclasses.replace(PAPER, arch='efficientnet_lite0', sizes=(SIZE,)))
    df,_ = prepare('elpv', recipes['strong'])
    for s in a.seeds:
        for w in a.what:
            p = a.runs/f'{w}-s{s}'
            if w=='stock': stock_run(df, p, s)
            elif w in recipes: train_job('elpv', recipes[w], s, p, resume=(p/'run.json').exists(), tell=lambda o: print(o, flush=True), command='python tests/bench_recipes.py')
    if 'table' in a.what:
        names = [w for w in ('strong','paper','stock','stock_flips') if any(a.runs.glob(f'{w}-s*'))]
        t = ablation_table({w:[a.runs/f'{w}-s{s}' for s in a.seeds if (a.runs/f'{w}-s{s}').exists()] for w in names})
        print(t.drop(columns='verdict').to_string(index=False, float_format='{:.4f}'.format))
