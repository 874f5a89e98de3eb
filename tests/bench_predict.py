"""Images a second of the whole command, beside stock fastai and the bare runtime; memory for 20,000 and 200,000 files.

    python tests/bench_predict.py --speed RUN [--size 224] [--one-view] [--bundles DIR ...] [--data elpv] [--repeats 3]    a trained run; nothing is written into it; bundles are made of it where none are given
    python tests/bench_predict.py --memory [--n 20000 200000] [--dir /where/there/are/inodes]

`--speed` measures, in turn and on the same files: `semicls predict` in a process of its own (its start included, and the rate it reports itself), the same runtime on pixels that are decoded already,
and fastai's `learn.get_preds` on a `test_dl` with the run's weights, two workers, from the loaders on, in a process where nothing of ours is switched on. Each figure is the median of the repeats. `--memory` predicts on hard links of a few drawn parts, with a small network.
"""
import argparse, dataclasses, json, multiprocessing as mp, os, resource, subprocess, sys, tempfile, time, warnings
warnings.filterwarnings('ignore')
from pathlib import Path
from statistics import median
sys.path.insert(0, str(Path(__file__).parent))

def timed(f): t = time.perf_counter(); r = f(); return time.perf_counter()-t,r

def command(run, data, out, engine):
    "Seconds of the whole command, and the images a second that it reports"
    s,p = timed(lambda: subprocess.run([sys.executable,'-c','from semiconductor_cls.cli import main; main()','predict',run,data,'--out',out,'--engine',engine], capture_output=True, text=True))
    assert p.returncode in (0,3), p.stderr
    return s,float(p.stderr.rsplit(' images/s', 1)[0].rsplit(' ', 1)[1].replace(',', ''))

def stock(run, paths, bs):
    "fastai as it comes: ImageDataLoaders, get_preds, the run's weights"
    from fastai.vision.all import ImageDataLoaders, Learner, LabelSmoothingCrossEntropy, Normalize, Resize
    import pandas as pd, torch
    from semiconductor_cls.base.run import open_run
    from semiconductor_cls.train import load_run_model
    info = open_run(run).info
    df = pd.DataFrame(dict(path=paths, label='good', v=False)); df.loc[:1, 'v'] = True; df.loc[0, 'label'] = 'defect'
    dls = ImageDataLoaders.from_df(df, path='/', fn_col='path', label_col='label', valid_col='v', item_tfms=Resize(info['size'], method='squish'), bs=bs, num_workers=2, device='cpu', batch_tfms=Normalize.from_stats(*info['stats']))
    learn = Learner(dls, load_run_model(open_run(run)).to(memory_format=torch.contiguous_format), loss_func=LabelSmoothingCrossEntropy())
    def go():
        with learn.no_bar(): return learn.get_preds(dl=dls.test_dl(paths, bs=bs))[0][:,1].numpy()
    return go

def stock_worker(conn, run, paths):
    "Stock fastai in a process of its own, where nothing of ours (`keep_memory`, channels last) has been switched on"
    go = {}
    while bs := conn.recv():
        if bs not in go: go[bs] = stock(run, paths, bs)
        conn.send(timed(go[bs]))

def speed(run, data, repeats, bundles, size=None, one_view=False, sizes=(16,64), int8=False):
    import numpy as np, torch
    from concurrent.futures import ThreadPoolExecutor
    import pandas as pd
    from sklearn.metrics import roc_auc_score
    from semiconductor_cls import export
    from semiconductor_cls.all import export_run, list_inputs, load_sizes, n_cpus, open_run, open_scorer, parallel_map, read_csv
    paths = list_inputs([data])
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run(['cp','-r',run,tmp+'/run']); copy = tmp+'/run'
        for p in Path(copy).glob('checkpoint*'): p.unlink()
        info = open_run(copy).info
        open_run(copy).update(size=size or info['size'], recipe={**info['recipe'], 'sizes': [size or info['size']], 'tta': '' if one_view else info['recipe']['tta']})
        what = {'torch': (copy,'torch')}
        for fmt in () if bundles else ('onnx','openvino'): export_run(copy, fmt, out=f'{tmp}/{fmt}'); bundles = [*bundles, f'{tmp}/{fmt}']
        if int8: # how fast it is, whether or not its decisions are near enough to be exported
            export.MAX_CHANGED = export.MAX_AUC_LOSS = 1.
            export_run(copy, 'openvino', True, f'{tmp}/openvino-int8'); bundles = [*bundles, f'{tmp}/openvino-int8']
        for o in bundles: what[Path(o).name] = (o,'export')
        info = open_run(copy).info
        print(f"{len(paths):,} files, {info['recipe']['arch']} at {info['size']} px, tta {info['recipe']['tta']!r}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
        tta = info['recipe']['tta']
        some = paths[:640]
        scorers = {k:open_scorer(*v) for k,v in what.items()}
        px = parallel_map(lambda p: load_sizes(p, [info['size']], scorers['torch'].channels)[info['size']], some)
        def bare(s): # in as many lanes as `predict` uses
            before,batches = torch.get_num_threads(),[{info['size']: np.stack(px[i:i+32])} for i in range(0, len(px), 32)]
            with ThreadPoolExecutor(s.lanes, initializer=torch.set_num_threads, initargs=(n_cpus()//s.lanes,)) as ex: list(ex.map(s.score, batches))
            torch.set_num_threads(before)
        rows,auc,ctx = {},{},mp.get_context('spawn')
        table = read_csv(Path(copy)/'table.csv').query("split=='test'")
        def test_auc(p): return roc_auc_score(table.label=='defect', p[table.path.astype(str)])
        here,there = ctx.Pipe()
        ctx.Process(target=stock_worker, args=(there, copy, paths)).start()
        def stock_time(bs): here.send(bs); return here.recv()
        for _ in range(repeats):
            for k,v in what.items():
                rows.setdefault(k, []).append((*command(*v[:1], data, f'{tmp}/o.csv', v[1]), len(px)/timed(lambda: bare(scorers[k]))[0]))
                auc[k] = test_auc(pd.read_csv(f'{tmp}/o.csv').set_index('path').p_defect)
            for bs in sizes:
                t,p = stock_time(bs)
                rows.setdefault(bs, []).append(t); auc[bs] = test_auc(pd.Series(p, index=[str(o) for o in paths]))
        here.send(0)
        st = {bs:len(paths)/median(rows[bs]) for bs in sizes}
        for bs,v in st.items(): print(f"stock fastai get_preds, batch {bs}, one view: {v:,.1f} images/s, AUC on test {auc[bs]:.4f}" + (f'; for {dict(dihedral=8).get(tta, 4)} views about {v/dict(dihedral=8).get(tta, 4):,.1f}' if tta else ''))
        for k in what:
            s,r,b = (median(o) for o in zip(*rows[k]))
            times = ', '.join(f'{len(paths)/s/v:.1f} (batch {bs})' for bs,v in st.items())
            print(f'{k:14} whole command {len(paths)/s:7,.1f} images/s ({s:.1f} s), times stock {times}; without its start {r:7,.1f}; bare runtime {b:7,.1f}; share {100*r/b:.0f} %; AUC on test {auc[k]:.4f}', flush=True)

CHILD = """
import json, resource, sys, time
from semiconductor_cls.line.predict import predict_table
t = time.perf_counter()
n = predict_table(sys.argv[1], [sys.argv[2]], sys.argv[3])
print(json.dumps(dict(n=n['files'], seconds=time.perf_counter()-t, mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024)))
"""

def memory(ns, folder):
    from semiconductor_cls.base.files import write_json
    from semiconductor_cls.base.run import create_run
    from semiconductor_cls.learner import create_model, save_model
    from fastai.vision.all import imagenet_stats
    from semiconductor_cls.recipe import QUICK
    from conftest import part
    with tempfile.TemporaryDirectory(dir=folder) as tmp:
        tmp = Path(tmp)
        run = create_run(tmp/'run', recipe=dataclasses.asdict(dataclasses.replace(QUICK, arch='lcnet_035', sizes=(32,), tta='')), size=32, stats=imagenet_stats, channels=1)
        save_model(create_model('lcnet_035', 'concat'), run/'model.safetensors'); write_json(run/'metrics.json', dict(threshold=.5)); run.update(status='finished')
        for i in range(2000): part(tmp/f'drawn/{i}.png', i%4==0, i)
        mb = []
        for n in ns:
            for i in range(n):
                d = tmp/f'in{n}/lot{i//1000:03d}'
                if i%1000==0: d.mkdir(parents=True)
                os.link(tmp/f'drawn/{i%2000}.png', d/f'part_{i:07d}.png')
            p = subprocess.run([sys.executable,'-c',CHILD,tmp/'run',tmp/f'in{n}',tmp/f'o{n}.csv'], capture_output=True, text=True)
            assert p.returncode==0, p.stderr
            r = json.loads(p.stdout); mb.append(r['mb'])
            print(f"{r['n']:,} files in {r['seconds']:.0f} s ({r['n']/r['seconds']:,.0f} images/s): peak {r['mb']:,.0f} MB, {mb[-1]/mb[0]:.3f} of the first", flush=True)

def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--speed', metavar='RUN'); ap.add_argument('--bundles', nargs='*', default=[]); ap.add_argument('--size', type=int, help='pixels of a side, where it is not the run\'s own'); ap.add_argument('--one-view', action='store_true'); ap.add_argument('--stock-bs', type=int, nargs='+', default=[16,64], help='batches of stock fastai'); ap.add_argument('--int8', action='store_true', help='an 8-bit bundle too, with the limits of its export lifted'); ap.add_argument('--data', default='elpv'); ap.add_argument('--repeats', type=int, default=3)
    ap.add_argument('--memory', action='store_true'); ap.add_argument('--n', type=int, nargs='+', default=[20_000,200_000]); ap.add_argument('--dir')
    a = ap.parse_args()
    if a.memory: memory(a.n, a.dir)
    if a.speed: speed(a.speed, a.data, a.repeats, a.bundles, a.size, a.one_view, a.stock_bs, a.int8)

if __name__=='__main__': main()
