"""Seconds to write the full replica. Needs 2.9 GB for the time of the run.

    python tests/bench_synth.py [--scale 1.0] [--dir WHERE]
"""
import argparse, shutil, tempfile, time
from pathlib import Path
from semiconductor_cls.base.parallel import n_cpus
from semiconductor_cls.synth import synth, truth_counts

def main(scale, folder):
    tmp = Path(tempfile.mkdtemp(dir=folder))
    try:
        start,cpu_start = time.perf_counter(),time.process_time()
        truth = synth(tmp/'chips', scale=scale)
        seconds,cpu = time.perf_counter()-start,time.process_time()-cpu_start
        n_files = sum(1 for _ in (tmp/'chips').rglob('*.*'))
    finally: shutil.rmtree(tmp)
    rate = f'{len(truth)/seconds:.0f} a second; {cpu:.0f} s of CPU time'
    print(f"{len(truth):,} images in {seconds:.1f} s on {n_cpus()} cores ({rate}), {n_files:,} files")
    print(truth_counts(truth))

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--scale', type=float, default=1.)
    ap.add_argument('--dir', help='where to write; the system folder for temporary files by default')
    args = ap.parse_args()
    main(args.scale, args.dir)
