"""Time and memory of looking at a replica of the contest's data: hashing beside `xargs -P2 md5sum`, the whole `eda`,
its growth, CleanVision.

    python tests/bench_eda.py --scales 0.25 0.5 1 --dir /somewhere/with/6GB

Writes nothing into the repository; replicas are made below --dir (a temporary folder otherwise) and removed.
Every file is read once before timing.
"""
import argparse, contextlib, json, os, subprocess, sys, tempfile, time
from pathlib import Path
import numpy as np

CHILD = """
import json, resource, sys, time
from semiconductor_cls.inspect import run_eda
start,cpu = time.perf_counter(),time.process_time()
n = run_eda(sys.argv[1], sys.argv[2])['n_images']
took = dict(seconds=time.perf_counter()-start, cpu=time.process_time()-cpu)
print(json.dumps(dict(n=n, mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1e3, **took)))
"""

def timed(f, *args):
    start = time.perf_counter()
    f(*args)
    return time.perf_counter()-start

def xargs(paths, *cmd):
    names = b'\0'.join(os.fsencode(p) for p in paths)
    subprocess.run(['xargs','-0',*cmd], input=names, stdout=subprocess.DEVNULL, check=True)

def md5sum(paths): xargs(paths, '-P2', '-n', '500', 'md5sum')

def bench_hashing(paths, repeats):
    "Files a second, ours and md5sum's in turn, the best of `repeats` each"
    from semiconductor_cls.base.files import file_md5
    from semiconductor_cls.base.parallel import parallel_map
    xargs(paths, 'cat')
    turns = [(timed(parallel_map, file_md5, paths), timed(md5sum, paths)) for _ in range(repeats)]
    ours,theirs = (len(paths)/min(seconds) for seconds in zip(*turns))
    beside = f'xargs -P2 md5sum {theirs:,.0f}; ratio {ours/theirs:.2f}; the study 870'
    print(f'hashing {len(paths):,} files, warm cache: {ours:,.0f} files/s; {beside}', flush=True)

def bench_cleanvision(paths):
    try: from cleanvision import Imagelab
    except ImportError: return print('cleanvision is not installed: pip install cleanvision')
    lab = Imagelab(filepaths=[str(p) for p in paths])
    with open(os.devnull, 'w') as null, contextlib.redirect_stderr(null), contextlib.redirect_stdout(null):
        seconds = timed(lambda: lab.find_issues(n_jobs=2, verbose=False))
    near = int(lab.issues['is_near_duplicates_issue'].sum())
    told = f'{seconds:.0f} s; near duplicates it reports: {near:,}'
    print(f'CleanVision on the same {len(paths):,} readable files: {told}', flush=True)

def bench_eda(root, out, scale):
    "One `eda` in a process of its own"
    cmd = [sys.executable, '-c', CHILD, str(root), str(out)]
    row = json.loads(subprocess.run(cmd, capture_output=True, text=True, check=True).stdout)
    took = f"{row['seconds']:.1f} s ({row['cpu']:.1f} s of CPU), {row['mb']:.0f} MB"
    print(f"eda at scale {scale:g}: {row['n']:,} images in {took}", flush=True)
    return row

def growth(rows, k):
    n,values = ([np.log(r[o]) for r in rows] for o in ('n', k))
    return np.polyfit(n, values, 1)[0]

def readable(paths):
    from semiconductor_cls.base.image import ImageError, open_image
    def ok(p):
        try: return bool(open_image(p))
        except ImageError: return False
    return [p for p in paths if ok(p)]

def replica_of(scale, folder, tmp):
    "One that is in `folder` already, or a new one"
    from semiconductor_cls.synth import synth
    name = f'replica-{scale:g}'
    if folder and (Path(folder)/name).exists(): return Path(folder)/name
    print(f'drawing scale {scale:g}: {timed(synth, Path(tmp)/name, scale):.0f} s', flush=True)
    return Path(tmp)/name

def main(args):
    from semiconductor_cls.source import read_source
    print(f'{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}', flush=True)
    rows = []
    with tempfile.TemporaryDirectory(dir=args.dir) as tmp:
        for scale in args.scales:
            root = replica_of(scale, args.dir, tmp)
            paths = read_source(root).path.tolist()
            bench_hashing(paths, args.repeats)
            rows.append(bench_eda(root, Path(tmp)/'eda', scale))
        if len(rows)>1:
            for k in ('seconds','cpu'): print(f'growth of {k}: images to the power {growth(rows, k):.2f}')
        if args.cleanvision: bench_cleanvision(readable(paths))

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--scales', type=float, nargs='+', default=[.25,.5,1.])
    ap.add_argument('--dir', help='where replicas are made; one that is there already is used and kept')
    ap.add_argument('--repeats', type=int, default=3)
    ap.add_argument('--cleanvision', action='store_true')
    main(ap.parse_args())
