"""How many different parts are called copies, and what share of planted copies is found, by kind.

    python tests/bench_duplicates.py --designs 1 3 10 40 --noise 1 3 6 --seeds 2 [--first 12] [--stored png 90] [--elpv]

A fixture: designs of rectangles, each photographed in one place (shifted by up to 2 pixels, of another gain), another
part each time. One part in four gets a copy. A part is wrongly called if it is in a pair of different parts.
"""
import argparse, time
from pathlib import Path
import cv2, numpy as np, pandas as pd
from fixtures import design, shoot
from semiconductor_cls.base.image import load_image
from semiconductor_cls.duplicates import VIEWS, is_copy, picture_print, propose, propose_own, whiten
from semiconductor_cls.source import read_elpv

def encoded(a, quality):
    code = cv2.imencode('.jpg', np.ascontiguousarray(a), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)
def relit(a): return np.clip(a*1.1-6, 0, 255).astype(np.uint8)
def shifted(a): return np.roll(a, (2,-1), (0,1))
def both(a): return relit(shifted(a))
def smaller(a): return cv2.resize(a, None, fx=.9, fy=.9, interpolation=cv2.INTER_AREA)
def turned(a): return np.rot90(a)
def mirrored(a): return a[:,::-1]
def alone(a): return a
HOWS = [alone,relit,shifted,both,smaller,turned,mirrored]

def kinds():
    "Name → what is done to a picture"
    made = {f'JPEG {q} {how.__name__}': lambda a, q=q, how=how: encoded(how(a), q) for q in (90,75) for how in HOWS}
    return made | {f'no JPEG {how.__name__}': how for how in HOWS[1:]}

def fixture(n_designs, noise, seed, stored):
    rng = np.random.default_rng([seed,n_designs,noise])
    each = max(16, 160//n_designs)
    shots = [shoot(part, rng, noise) for part in [design(rng) for _ in range(n_designs)] for _ in range(each)]
    return shots if stored=='png' else [encoded(a, int(stored)) for a in shots]

def judge(parts, share, seed):
    "Plant copies of a share of the parts; the pairs wrongly called, and what became of each copy"
    rng,made = np.random.default_rng(seed),kinds()
    chosen = rng.permutation(len(parts))[:int(share*len(parts))].tolist()
    names = [list(made)[(i+seed)%len(made)] for i in range(len(chosen))]
    pictures = parts+[np.ascontiguousarray(made[name](parts[i])) for name,i in zip(names, chosen)]
    origin = [*range(len(parts)),*chosen]
    prints = np.stack([picture_print(a) for a in pictures])
    as_is,*views = [whiten(prints, view) for view in VIEWS]
    proposed = propose_own(propose(as_is, views), prints, pictures.__getitem__).tolist()
    called = {(i,j) for i,j,view in proposed if is_copy(pictures[i], pictures[j], view)}
    wrong = sorted({tuple(sorted((origin[i],origin[j]))) for i,j in called if origin[i]!=origin[j]})
    compared = {(i,j) for i,j,_ in proposed}
    rows = [(i,len(parts)+k) for k,i in enumerate(chosen)]
    planted = pd.DataFrame(dict(kind=names, found=[o in called for o in rows], compared=[o in compared for o in rows]))
    return wrong, planted, len(proposed)

def table(planted, by): return planted.groupby(by)[['found','compared']].agg(['mean','size']).iloc[:,:3].round(3)

def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--designs', type=int, nargs='+', default=[1,3,10,40])
    ap.add_argument('--noise', type=int, nargs='+', default=[1,3,6])
    ap.add_argument('--seeds', type=int, default=2)
    ap.add_argument('--first', type=int, default=0, help='the first seed')
    ap.add_argument('--stored', nargs='+', default=['png'], help='how the parts are stored: png, or a JPEG quality')
    ap.add_argument('--elpv', action='store_true', help='real photographs instead')
    args,all_planted,wrong,n = ap.parse_args(),[],0,0
    seeds = range(args.first, args.first+args.seeds)
    sets = [(k,z,s,o) for s in seeds for o in args.stored for k in args.designs for z in args.noise]
    if args.elpv: sets = [('ELPV','own',seed,'png') for seed in seeds]
    for designs,noise,seed,stored in sets:
        start = time.process_time()
        names = read_elpv().path if args.elpv else []
        parts = [load_image(p, channels=1) for p in names] or fixture(designs, noise, seed, stored)
        pairs,planted,n_pairs = judge(parts, .15 if args.elpv else .25, seed)
        bad = len({*sum(pairs, ())})
        told = f'{bad} of {len(parts)} parts wrong; {planted.found.sum()} of {len(planted)} copies found'
        cost = f'{n_pairs:,} pairs compared, {time.process_time()-start:.0f} s of CPU'
        for i,j in pairs if args.elpv else []: print(f'called copies: {Path(names[i]).name} and {Path(names[j]).name}')
        print(f'{designs} designs, noise {noise}, stored as {stored}, seed {seed}: {told}; {cost}', flush=True)
        all_planted.append(planted.assign(designs=designs, noise=noise, stored=stored))
        wrong,n = wrong+bad,n+len(parts)
    planted = pd.concat(all_planted)
    planted[['jpeg','how']] = planted.kind.str.extract(r'^(no JPEG|JPEG \d+) (\w+)$')
    print(f'{wrong} of {n:,} different parts were called copies: {1000*wrong/n:.2f} in 1,000')
    for by in ('jpeg', 'how jpeg', 'noise jpeg', 'designs noise jpeg'): print(table(planted, by.split()).to_string())

if __name__=='__main__': main()
