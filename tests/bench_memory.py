"""Peak memory of training on the full drawn replica of the study's data: 38,289 images, 128 px and then 224 px, the cache memory-mapped.

    python tests/bench_memory.py [--scale 1] [--share 0.03] [--bs 32] [--arch efficientnet_lite0] [--dir FOLDER_FOR_THE_IMAGES]

Both stages of both sizes, a share of each epoch's batches (fastai's `ShortEpochCallback`). Every page of the cache is read first, so that all of it counts as resident, as after a whole epoch.
The peak is of the whole process, interpreter and libraries included; pages of the cache, which the system may take back at any time, are told apart from memory of the process's own.
"""
import argparse, dataclasses, re, resource, subprocess, sys, tempfile, warnings
warnings.filterwarnings('ignore')
from pathlib import Path

def resident(): # MB (10⁶ bytes) of the process's own, MB of mapped files
    return [int(re.search(rf'{k}:\s+(\d+)', Path('/proc/self/status').read_text())[1])*1024/1e6 for k in ('RssAnon','RssFile')]

def train(folder, share, bs, arch):
    from fastai.callback.training import ShortEpochCallback
    from semiconductor_cls import job, train as tr
    from semiconductor_cls.weights import packaged_weights
    r = dataclasses.replace(tr.QUICK, arch=arch, sizes=(128,224), epochs=1, bs=bs)
    df,_ = job.prepare(folder, r)
    print(job.summary(df, _), flush=True)
    df.loc[df.index[df.split=='valid'][512:], 'split'] = 'test' # a short validation; the cache holds all images all the same
    make = tr.recipe_dls
    def touched(*a, **k):
        dls = make(*a, **k); dls.cache.data.sum() # reads every page
        print(f'cache of {dls.cache.sz} px: {dls.cache.data.nbytes/1e6:,.0f} MB', flush=True)
        return dls
    tr.recipe_dls = touched
    def log(learn, row, *_):
        own,files = resident()
        print(f"{row['size']} px, {row['stage']}: {own:,.0f} MB of its own, {files:,.0f} MB of mapped files; peak so far {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss*1024/1e6:,.0f} MB", flush=True)
    tr.fit_recipe(df, r, weights=None if packaged_weights(arch) else 'none', log=log, cbs=[ShortEpochCallback(share, short_valid=False)])

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--scale', type=float, default=1.); ap.add_argument('--share', type=float, default=.03); ap.add_argument('--bs', type=int, default=32); ap.add_argument('--arch', default='efficientnet_lite0'); ap.add_argument('--dir', default=None); ap.add_argument('--child', help=argparse.SUPPRESS)
    a = ap.parse_args()
    if a.child: train(a.child, a.share, a.bs, a.arch)
    else:
        with tempfile.TemporaryDirectory(dir=a.dir) as tmp:
            subprocess.run([sys.executable,'-c','from semiconductor_cls.cli import main; main()','synth',f'{tmp}/replica','--scale',str(a.scale)], check=True)
            subprocess.run([sys.executable,__file__,'--child',f'{tmp}/replica','--share',str(a.share),'--bs',str(a.bs),'--arch',a.arch], check=True)
