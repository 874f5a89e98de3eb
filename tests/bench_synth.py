"Seconds to write the full replica: python tests/bench_synth.py [--scale 1.0] [--dir WHERE]. Needs 2.9 GB there for the time of the run."
import argparse, shutil, tempfile, time
from pathlib import Path
from semiconductor_cls.base.parallel import n_cpus
from semiconductor_cls.synth import synth, truth_counts

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('--scale', type=float, default=1.)
    ap.add_argument('--dir', help='where to write; the system folder for temporary files by default')
    args = ap.parse_args()
    tmp = Path(tempfile.mkdtemp(dir=args.dir))
    try:
        t,cpu = time.perf_counter(),time.process_time()
        truth = synth(tmp/'chips', scale=args.scale)
        t,cpu = time.perf_counter()-t,time.process_time()-cpu
        n = sum(1 for _ in (tmp/'chips').rglob('*.*'))
    finally: shutil.rmtree(tmp)
    print(f"{len(truth):,} images in {t:.1f} s on {n_cpus()} cores ({len(truth)/t:.0f} a second; {cpu:.0f} s of CPU time), {n:,} files")
    print(truth_counts(truth))
