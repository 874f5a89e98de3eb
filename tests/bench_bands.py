"""How many pairs of known cosine the sorted tables of `duplicates.propose` find, beside what their formula foretells.

    python tests/bench_bands.py [--n 30000]

Random prints stand for strangers; each of 500 gets a partner at a given cosine. It prints and never fails."""
import argparse, time
import numpy as np
from semiconductor_cls.duplicates import N_BITS, band_recall, bands_for, propose

def unit(a): return a/np.linalg.norm(a, axis=1, keepdims=True)

def planted(cosines, n, k=500, seed=0):
    "Share of the pairs of each cosine that is proposed; seconds"
    rng,start = np.random.default_rng(seed),time.perf_counter()
    strangers,copies = unit(rng.normal(size=(n,N_BITS))),[]
    for i,c in enumerate(cosines):
        own = strangers[i*k:(i+1)*k]
        across = rng.normal(size=own.shape)
        across = unit(across-(across*own).sum(1, keepdims=True)*own)
        copies.append(c*own+np.sqrt(1-c*c)*across)
    pairs = propose(np.concatenate([strangers, *copies]).astype(np.float32), limit=.5)
    met = {tuple(o[:2]) for o in pairs.tolist()}
    found = [sum((i*k+o, n+i*k+o) in met for o in range(k))/k for i in range(len(cosines))]
    return found, time.perf_counter()-start

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--n', type=int, default=30_000)
    a = ap.parse_args()
    cosines = [.98, .95, .9, .85, .8, .75]
    rows = a.n+500*len(cosines)
    found,seconds = planted(cosines, a.n)
    print(f'{rows:,} prints, {bands_for(rows)} tables, {seconds:.0f} s')
    for c,o in zip(cosines, found):
        print(f'cosine {c}: found {o:.3f}, foretold {band_recall(c, rows, bands_for(rows)):.3f}')
