"""Peak memory of training on the full drawn replica of the study's data: 38,289 images, 128 px and then 224 px.

    python tests/bench_memory.py [--scale 1] [--share 0.03] [--bs 32] [--arch efficientnet_lite0] [--dir WHERE]

Both stages of both sizes, a share of each epoch's batches (fastai's `ShortEpochCallback`), the cache memory-mapped.
Every page of the cache is read first, so that all of it counts as resident, as after a whole epoch.
The peak is of the whole process, interpreter and libraries included. Pages of the cache, which the system may take back
at any time, are told apart from memory of the process's own.
"""
import argparse, dataclasses, re, resource, subprocess, sys, tempfile, warnings
warnings.filterwarnings('ignore')
from pathlib import Path
import semiconductor_cls.jobs.job as job
import semiconductor_cls.train as tr

def resident():
    "MB (10⁶ bytes) of the process's own, MB of mapped files"
    status = Path('/proc/self/status').read_text()
    return [int(re.search(rf'{k}:\s+(\d+)', status)[1])*1024/1e6 for k in ('RssAnon','RssFile')]

def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss*1024/1e6

def touched(make):
    "Loaders whose cache has been read, every page of it"
    def f(*args, **kw):
        dls = make(*args, **kw)
        pixels = dls.cache.data
        pixels.sum()
        print(f'cache of {dls.cache.sz} px: {pixels.nbytes/1e6:,.0f} MB', flush=True)
        return dls
    return f

def log(learn, row, *_):
    own,files = resident()
    now = f'{own:,.0f} MB of its own, {files:,.0f} MB of mapped files'
    print(f"{row['size']} px, {row['stage']}: {now}; peak so far {peak():,.0f} MB", flush=True)

def train(folder, share, bs, arch):
    from fastai.callback.training import ShortEpochCallback
    from semiconductor_cls.weights import packaged_weights
    r = dataclasses.replace(tr.QUICK, arch=arch, sizes=(128,224), epochs=1, bs=bs)
    df,removed = job.prepare(folder, r)
    print(job.summary(df, removed), flush=True)
    df.loc[df.index[df.split=='valid'][512:], 'split'] = 'test' # short to validate; the cache holds all the same
    tr.recipe_dls = touched(tr.recipe_dls)
    short = ShortEpochCallback(share, short_valid=False)
    tr.fit_recipe(df, r, weights=None if packaged_weights(arch) else 'none', log=log, cbs=[short])

def main(a):
    def run(*args): subprocess.run([sys.executable, *map(str, args)], check=True)
    command = 'from semiconductor_cls.cli import main; main()'
    with tempfile.TemporaryDirectory(dir=a.dir) as tmp:
        folder = f'{tmp}/replica'
        run('-c', command, 'synth', folder, '--scale', a.scale)
        run(__file__, '--child', folder, '--share', a.share, '--bs', a.bs, '--arch', a.arch)

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--scale', type=float, default=1.)
    ap.add_argument('--share', type=float, default=.03)
    ap.add_argument('--bs', type=int, default=32)
    ap.add_argument('--arch', default='efficientnet_lite0')
    ap.add_argument('--dir', help='where the images are made for the time of the run')
    ap.add_argument('--child', help=argparse.SUPPRESS)
    a = ap.parse_args()
    if a.child: train(a.child, a.share, a.bs, a.arch)
    else: main(a)
