"""What share of foreign and damaged pictures is found, and how many own ones are called so.

    python tests/bench_unlike.py [--splits 5]

The kinds here were not used to choose the method. False alarms are counted on test images, which nothing has seen.
"""
import argparse, tempfile
import cv2, numpy as np, pandas as pd
from sklearn.datasets import load_sample_images
from semiconductor_cls.source import read_elpv, read_source
from semiconductor_cls.split import split_table
from semiconductor_cls.synth import synth
from semiconductor_cls.base.image import load_image
from semiconductor_cls.scan import scan
from semiconductor_cls.unlike import learn_likeness, unlike_notes

SIDE = 128

def damaged(own, rng):
    "Own pictures as a bad camera, file or hand gives them, by kind"
    def each(change): return np.stack([change(o.astype(float)) for o in own]).clip(0, 255).round().astype(np.uint8)
    def half(o): return np.where(np.arange(SIDE)[:,None]<SIDE//2, o, 128)
    def tiles(o):
        few = cv2.resize(o, (8,8), interpolation=cv2.INTER_AREA)
        return cv2.resize(few, (SIDE,SIDE), interpolation=cv2.INTER_NEAREST)
    def shifted(o): return np.roll(o, SIDE//2, 1)
    return dict(
        negative=each(lambda o: 255-o), half_gray=each(half), blurred=each(lambda o: cv2.GaussianBlur(o, (0,0), 6)),
        overexposed=each(lambda o: 3*o+60), underexposed=each(lambda o: o*.1),
        noisy=each(lambda o: o+rng.normal(0, 60, o.shape)),
        mosaic=each(tiles), shifted_by_half=each(shifted), stripes=each(lambda o: np.where(np.arange(SIDE)%16<8, o, 0)))

def foreign(n, rng):
    "Pictures of nothing of the kind, by kind"
    photos = [cv2.cvtColor(o, cv2.COLOR_RGB2GRAY) for o in load_sample_images().images]
    def crop(_):
        photo,side = photos[rng.integers(2)],rng.integers(100, 400)
        y,x = rng.integers(photo.shape[0]-side),rng.integers(photo.shape[1]-side)
        return cv2.resize(photo[y:y+side,x:x+side], (SIDE,SIDE), interpolation=cv2.INTER_AREA)
    def text(_):
        page = np.full((SIDE,SIDE), 245, np.uint8)
        for y in range(14, SIDE, 12):
            cv2.putText(page, ''.join(rng.choice(list('abcdefgh '), 16)), (4,y), 0, .35, 20, 1)
        return page
    def board(_):
        step = int(rng.integers(4, 20))
        return np.uint8(((np.indices((SIDE,SIDE))//step).sum(0)%2)*rng.integers(80, 255))
    def plain(_): return np.full((SIDE,SIDE), rng.integers(256), np.uint8)
    return {o.__name__:np.stack([o(i) for i in range(n)]) for o in (crop,text,board,plain)}

def square(path): return cv2.resize(load_image(path, channels=1), (SIDE,SIDE), interpolation=cv2.INTER_AREA)
def pixels_of(df): return np.stack([square(o) for o in df.path])
def readable(df):
    seen = scan(df)
    return seen[seen.reason.isna()].reset_index(drop=True)

def rates(df, size, splits, other):
    "Over splits: shares of foreign pictures found, by kind, and of test images called unlike"
    x,rows = pixels_of(df),[]
    for seed in range(splits):
        rng = np.random.default_rng(seed)
        sets = split_table(df, seed).split.to_numpy()
        known = np.isin(sets, ['train','valid'])
        likeness = learn_likeness(x[known], [size]*known.sum())
        def share(pictures): return np.mean([bool(o) for o in unlike_notes(likeness, pictures, [size]*len(pictures))])
        test = x[sets=='test']
        kinds = damaged(test[rng.permutation(len(test))[:15]], rng) | foreign(15, rng) | dict(other_product=other[:15])
        rows.append({k:share(v) for k,v in kinds.items()} | dict(own=share(test)))
    return pd.DataFrame(rows)

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--splits', type=int, default=5)
    splits = parser.parse_args().splits
    with tempfile.TemporaryDirectory() as tmp:
        synth(f'{tmp}/chips', scale=.03)
        chips = read_source(f'{tmp}/chips')
        chips,cells = readable(chips[chips.label.notna()]),readable(read_elpv())
        shown = dict(ELPV=(cells, (300,300), pixels_of(chips[:15])), chips=(chips, (275,267), pixels_of(cells[:15])))
        for name,(df,size,other) in shown.items():
            found = rates(df, size, splits, other)
            kinds = found.drop(columns='own')
            print(f'{name}, {len(df):,} pictures, {splits} splits: '
                  f'found {kinds.mean(axis=None):.1%} of {15*kinds.shape[1]} '
                  f'(least {kinds.mean(axis=1).min():.1%}); own {found.own.mean():.2%} (most {found.own.max():.2%})')
            print(kinds.mean().round(3).to_string())

if __name__=='__main__': main()
