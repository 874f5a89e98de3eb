"""Time and memory of looking at a replica of the contest's data: hashing beside `xargs -P2 md5sum`, the whole `eda`, its growth, CleanVision.

    python tests/bench_eda.py --scales 0.25 0.5 1 --dir /somewhere/with/6GB

Writes nothing into the repository; replicas are made below --dir (a temporary folder otherwise) and removed. Every file is read once before timing.
"""
import argparse, contextlib, json, os, subprocess, sys, tempfile, time
from pathlib import Path
import numpy as np

CHILD = """
import json, resource, sys, time
from semiconductor_cls.inspect import run_eda
t,c = time.perf_counter(),time.process_time()
s = run_eda(sys.argv[1], sys.argv[2])
print(json.dumps(dict(n=s['n_images'], seconds=time.perf_counter()-t, cpu=time.process_time()-c, mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1e3)))
"""

def timed(f, *a):
    t = time.perf_counter(); f(*a)
    return time.perf_counter()-t

def md5sum(paths): subprocess.run(['xargs','-0','-P2','-n','500','md5sum'], input=b'\0'.join(os.fsencode(p) for p in paths), stdout=subprocess.DEVNULL, check=True)

def bench_hashing(paths, repeats):
    "Files a second, ours and md5sum's in turn, the best of `repeats` each"
    from semiconductor_cls.duplicates import hash_files
    subprocess.run(['xargs','-0','cat'], input=b'\0'.join(os.fsencode(p) for p in paths), stdout=subprocess.DEVNULL, check=True)
    runs = [(timed(hash_files, paths), timed(md5sum, paths)) for _ in range(repeats)]
    ours,theirs = (len(paths)/min(o) for o in zip(*runs))
    print(f'hashing {len(paths):,} files, warm cache: {ours:,.0f} files/s; xargs -P2 md5sum {theirs:,.0f}; ratio {ours/theirs:.2f}; the study 870', flush=True)

def bench_cleanvision(paths):
    try: from cleanvision import Imagelab
    except ImportError: return print('cleanvision is not installed: pip install cleanvision')
    lab = Imagelab(filepaths=[str(p) for p in paths])
    with open(os.devnull, 'w') as null, contextlib.redirect_stderr(null), contextlib.redirect_stdout(null):
        s = timed(lambda: lab.find_issues(n_jobs=2, verbose=False))
    print(f"CleanVision on the same {len(paths):,} readable files: {s:.0f} s; near duplicates it reports: {int(lab.issues['is_near_duplicates_issue'].sum()):,}", flush=True)

def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--scales', type=float, nargs='+', default=[.25,.5,1.])
    ap.add_argument('--dir', help='where replicas are made; one that is there already is used and kept')
    ap.add_argument('--repeats', type=int, default=3)
    ap.add_argument('--cleanvision', action='store_true')
    args = ap.parse_args()
    from semiconductor_cls.base.image import ImageError, open_image
    from semiconductor_cls.source import read_source
    from semiconductor_cls.synth import synth
    print(f'{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}', flush=True)
    rows = []
    with tempfile.TemporaryDirectory(dir=args.dir) as tmp:
        for scale in args.scales:
            root = Path(args.dir or tmp)/f'replica-{scale:g}'
            if not root.exists(): root = Path(tmp)/f'replica-{scale:g}'; print(f'drawing scale {scale:g}: {timed(synth, root, scale):.0f} s', flush=True)
            paths = read_source(root).path.tolist()
            bench_hashing(paths, args.repeats)
            r = json.loads(subprocess.run([sys.executable,'-c',CHILD,str(root),str(Path(tmp)/'eda')], capture_output=True, text=True, check=True).stdout)
            rows.append(r)
            print(f"eda at scale {scale:g}: {r['n']:,} images in {r['seconds']:.1f} s ({r['cpu']:.1f} s of CPU), {r['mb']:.0f} MB", flush=True)
        if len(rows)>1:
            for k in ('seconds','cpu'): print(f"growth of {k}: images to the power {np.polyfit(np.log([r['n'] for r in rows]), np.log([r[k] for r in rows]), 1)[0]:.2f}")
        if args.cleanvision:
            def ok(p):
                try: return bool(open_image(p))
                except ImageError: return False
            bench_cleanvision([p for p in paths if ok(p)])

if __name__=='__main__': main()
