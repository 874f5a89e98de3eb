"""Images a second of the whole command, beside stock fastai and the bare runtime; memory for 20,000 and 200,000 files.

    python tests/bench_predict.py --speed RUN [--size 224] [--one-view] [--bundles DIR ...] [--data elpv] [--repeats 3]
    python tests/bench_predict.py --cpu RUN [--sizes 128 224] [--against TREE] [--data elpv] [--repeats 3]
    python tests/bench_predict.py --memory [--n 20000 200000] [--dir /where/there/are/inodes]

`--speed` takes a trained run and writes nothing into it; bundles are made of it where none are given. It measures, in
turn and on the same files:

- `semicls predict` in a process of its own: its start included, and the rate it reports itself;
- the same runtime on pixels that are decoded already;
- fastai's `learn.get_preds` on a `test_dl` with the run's weights, two workers, from the loaders on, in a process where
  nothing of ours is switched on.

Each figure is the median of the repeats. `--cpu` counts the CPU time of an image instead, which a busy machine hardly
changes: of all but the start of the command, and of the same runtime on pixels decoded already; for PNG, BMP and JPEG,
with this tree and with another one in turn, whose scores and notes have to be the same. `--memory` predicts on hard
links of a few drawn parts, with a small network.
"""
import argparse, dataclasses, json, multiprocessing as mp, os, subprocess, sys, tempfile, time, warnings
warnings.filterwarnings('ignore')
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
sys.path.insert(0, str(Path(__file__).parent))

MAIN = 'from semiconductor_cls.cli import main; main()'

def timed(f):
    "Seconds, and what `f` returns"
    start = time.perf_counter()
    res = f()
    return time.perf_counter()-start,res

def command(run, data, out, engine):
    "Seconds of the whole command, and the images a second that it reports"
    cmd = [sys.executable, '-c', MAIN, 'predict', run, data, '--out', out, '--engine', engine]
    seconds,p = timed(lambda: subprocess.run(cmd, capture_output=True, text=True))
    assert p.returncode in (0,3), p.stderr
    rate = p.stderr.rsplit(' images/s', 1)[0].rsplit(' ', 1)[1]
    return seconds,float(rate.replace(',', ''))

# ---- stock fastai

def stock(run, paths, bs):
    "fastai as it comes: ImageDataLoaders, get_preds, the run's weights"
    import pandas as pd, torch
    from fastai.vision.all import ImageDataLoaders, LabelSmoothingCrossEntropy, Learner, Normalize, Resize
    from semiconductor_cls.base.run import open_run
    from semiconductor_cls.train import load_run_model
    info = open_run(run).info
    df = pd.DataFrame(dict(path=paths, label='good', v=False))
    df.loc[:1, 'v'] = True
    df.loc[0, 'label'] = 'defect'
    dls = ImageDataLoaders.from_df(df, path='/', fn_col='path', label_col='label', valid_col='v', bs=bs, num_workers=2,
                                   device='cpu', item_tfms=Resize(info['size'], method='squish'),
                                   batch_tfms=Normalize.from_stats(*info['stats']))
    model = load_run_model(open_run(run)).to(memory_format=torch.contiguous_format)
    learn = Learner(dls, model, loss_func=LabelSmoothingCrossEntropy())
    def go():
        with learn.no_bar(): return learn.get_preds(dl=dls.test_dl(paths, bs=bs))[0][:,1].numpy()
    return go

def stock_worker(pipe, run, paths):
    "Stock fastai in a process of its own, where nothing of ours (`keep_memory`, channels last) has been switched on"
    go = {}
    while bs := pipe.recv():
        if bs not in go: go[bs] = stock(run, paths, bs)
        pipe.send(timed(go[bs]))

class Stock:
    def __init__(self, run, paths):
        context = mp.get_context('spawn')
        self.pipe,there = context.Pipe()
        context.Process(target=stock_worker, args=(there, run, paths)).start()
        self.seconds,self.auc = {},{}

    def turn(self, bs, test_auc, paths):
        import pandas as pd
        self.pipe.send(bs)
        seconds,p = self.pipe.recv()
        self.seconds.setdefault(bs, []).append(seconds)
        self.auc[bs] = test_auc(pd.Series(p, index=[str(o) for o in paths]))

# ---- speed

def copy_run(run, tmp, size, one_view):
    "A copy without checkpoints, of another size or with one view where that is asked for"
    from semiconductor_cls.base.run import open_run
    copy = f'{tmp}/run'
    subprocess.run(['cp','-r',run,copy])
    for p in Path(copy).glob('checkpoint*'): p.unlink()
    info = open_run(copy).info
    size,recipe = size or info['size'],info['recipe']
    tta = '' if one_view else recipe['tta']
    open_run(copy).update(size=size, recipe=recipe | dict(sizes=[size], tta=tta))
    if size!=info['size']: see_product(open_run(copy), size)
    return copy

def see_product(run, size):
    "What the product looks like at another size"
    from semiconductor_cls.cache import ImageCache
    from semiconductor_cls.jobs.job import keep_product
    df = run.located(run.table())
    keep_product(run, df, ImageCache(df, size).of(df))
    run.finish()

def make_bundles(run, tmp):
    import semiconductor_cls.line.export as export
    made = [f'{tmp}/{fmt}' for fmt in ('onnx','openvino')]
    for out in made: export.export_run(run, Path(out).name, out=out)
    return made

def make_int8(run, tmp):
    "How fast it is, whether or not its decisions are near enough to be exported"
    from semiconductor_cls.line import export, int8
    int8.MAX_CHANGED = int8.MAX_AUC_LOSS = 1.
    out = f'{tmp}/openvino-int8'
    export.export_run(run, 'openvino', True, out)
    return out

def bare(scorer, size, pixels):
    "Images a second on decoded pixels, in as many lanes as `predict` uses"
    import numpy as np, torch
    from semiconductor_cls.base.parallel import n_cpus
    threads = torch.get_num_threads()
    batches = [{size: np.stack(pixels[i:i+32])} for i in range(0, len(pixels), 32)]
    each = (n_cpus()//scorer.lanes,)
    def go():
        with ThreadPoolExecutor(scorer.lanes, initializer=torch.set_num_threads, initargs=each) as ex:
            list(ex.map(scorer.score, batches))
    seconds,_ = timed(go)
    torch.set_num_threads(threads)
    return len(pixels)/seconds

def auc_on_test(run):
    "A function: scores by path → AUC on the run's test set"
    from sklearn.metrics import roc_auc_score
    from semiconductor_cls.base.table import read_csv
    table = read_csv(Path(run)/'table.csv').query("split=='test'")
    return lambda p: roc_auc_score(table.label=='defect', p[table.path.astype(str)])

def tell_stock(stock, tta, n):
    "Images a second of stock fastai, by batch"
    views = 8 if tta=='dihedral' else 4
    rates = {bs:n/median(seconds) for bs,seconds in stock.seconds.items()}
    for bs,rate in rates.items():
        more = f'; for {views} views about {rate/views:,.1f}' if tta else ''
        told = f'{rate:,.1f} images/s, AUC on test {stock.auc[bs]:.4f}{more}'
        print(f'stock fastai get_preds, batch {bs}, one view: {told}')
    return rates

def tell_ours(name, turns, auc, rates, n):
    seconds,reported,alone = (median(o) for o in zip(*turns))
    times = ', '.join(f'{n/seconds/rate:.1f} (batch {bs})' for bs,rate in rates.items())
    whole = f'{n/seconds:7,.1f} images/s ({seconds:.1f} s), times stock {times}; without its start {reported:7,.1f}'
    runtime = f'bare runtime {alone:7,.1f}; share {100*reported/alone:.0f} %'
    print(f'{name:14} whole command {whole}; {runtime}; AUC on test {auc:.4f}', flush=True)

def speed(a):
    import pandas as pd
    from semiconductor_cls.all import list_inputs, load_sizes, open_run, open_scorer, parallel_map
    paths = list_inputs([a.data])
    with tempfile.TemporaryDirectory() as tmp:
        copy,out = copy_run(a.speed, tmp, a.size, a.one_view),f'{tmp}/o.csv'
        bundles = a.bundles or make_bundles(copy, tmp)
        if a.int8: bundles = [*bundles, make_int8(copy, tmp)]
        what = {'torch':(copy,'torch')} | {Path(o).name:(o,'export') for o in bundles}
        info = open_run(copy).info
        size,tta = info['size'],info['recipe']['tta']
        print(f"{len(paths):,} files, {info['recipe']['arch']} at {size} px, tta {tta!r}, {os.cpu_count()} cores, "
              f'load {os.getloadavg()[0]:.1f}', flush=True)
        scorers = {k:open_scorer(*v) for k,v in what.items()}
        channels = scorers['torch'].channels
        pixels = parallel_map(lambda p: load_sizes(p, [size], channels)[size], paths[:640])
        test_auc,other = auc_on_test(copy),Stock(copy, paths)
        turns,auc = {k:[] for k in what},{}
        for _ in range(a.repeats):
            for k,(run,engine) in what.items():
                turns[k].append((*command(run, a.data, out, engine), bare(scorers[k], size, pixels)))
                auc[k] = test_auc(pd.read_csv(out).set_index('path').p_defect)
            for bs in a.stock_bs: other.turn(bs, test_auc, paths)
        other.pipe.send(0)
        rates = tell_stock(other, tta, len(paths))
        for k in what: tell_ours(k, turns[k], auc[k], rates, len(paths))

# ---- memory

CHILD = """
import json, resource, sys, time
from semiconductor_cls.line.predict import predict_table
start = time.perf_counter()
n = predict_table(sys.argv[1], [sys.argv[2]], sys.argv[3])['files']
mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024
print(json.dumps(dict(n=n, seconds=time.perf_counter()-start, mb=mb)))
"""

def small_run(path):
    "Random weights of a small network"
    from fastai.vision.all import imagenet_stats
    from semiconductor_cls.base.files import write_json
    from semiconductor_cls.base.run import create_run
    from semiconductor_cls.learner import create_model, save_model
    from semiconductor_cls.recipe import QUICK
    r = dataclasses.replace(QUICK, arch='lcnet_035', sizes=(32,), tta='')
    run = create_run(path, recipe=dataclasses.asdict(r), size=32, stats=imagenet_stats, channels=1)
    save_model(create_model(r.arch, 'concat'), run/'model.safetensors')
    write_json(run/'metrics.json', dict(threshold=.5))
    run.update(status='finished')

def link_many(drawn, folder, n):
    "`n` hard links of the drawn parts, a thousand a folder"
    for i in range(n):
        lot = folder/f'lot{i//1000:03d}'
        if i%1000==0: lot.mkdir(parents=True)
        os.link(drawn[i%len(drawn)], lot/f'part_{i:07d}.png')

def memory(ns, folder):
    from conftest import part
    with tempfile.TemporaryDirectory(dir=folder) as tmp:
        tmp = Path(tmp)
        small_run(tmp/'run')
        drawn = [tmp/f'drawn/{i}.png' for i in range(2000)]
        for i,p in enumerate(drawn): part(p, i%4==0, i)
        first = None
        for n in ns:
            link_many(drawn, tmp/f'in{n}', n)
            cmd = [sys.executable, '-c', CHILD, tmp/'run', tmp/f'in{n}', tmp/f'o{n}.csv']
            p = subprocess.run(cmd, capture_output=True, text=True)
            assert p.returncode==0, p.stderr
            r = json.loads(p.stdout)
            first = first or r['mb']
            rate = f"{r['seconds']:.0f} s ({r['n']/r['seconds']:,.0f} images/s)"
            print(f"{r['n']:,} files in {rate}: peak {r['mb']:,.0f} MB, {r['mb']/first:.3f} of the first", flush=True)

# ---- CPU time

CPU = """import sys, time, numpy as np
from pathlib import Path
from semiconductor_cls.all import load_sizes, open_scorer, predict_table
run,out,*folders = sys.argv[1:]
s = open_scorer(run)
side = s.sizes[0]
pixels = [load_sizes(o, s.sizes, s.channels)[side] for o in sorted(Path(folders[0]).iterdir())[:320]]
batches = [{side: np.stack(pixels[i:i+32])} for i in range(0, len(pixels), 32)]
def ms(f, n):
    start = time.process_time()
    f()
    return 1e3*(time.process_time()-start)/n
def alone():
    for o in batches: s.score(o)
alone()
print(ms(alone, len(pixels)))
for folder in folders:
    n = len(list(Path(folder).iterdir()))
    print(min(ms(lambda: predict_table(run, [folder], out), n) for _ in range(3)))"""

def cpu_of(bundle, folders, out, tree):
    "CPU milliseconds of an image: of the bare runtime, and of `predict_table` for each folder"
    env = os.environ | dict(PYTHONPATH=str(tree), PYTHONWARNINGS='ignore')
    p = subprocess.run([sys.executable, '-c', CPU, *map(str, [bundle, out, *folders])], capture_output=True, text=True,
                       env=env, cwd=tree)
    assert p.returncode==0, p.stderr
    return [float(o) for o in p.stdout.split()]

def converted(paths, tmp):
    "Folders of the same pictures as PNG, BMP and JPEG"
    from PIL import Image
    for kind,options in dict(png={}, bmp={}, jpg=dict(quality=90)).items():
        folder = Path(tmp)/kind
        folder.mkdir()
        for i,o in enumerate(paths): Image.open(o).save(folder/f'{i:05d}.{kind}', **options)
        yield folder

def cpu(a):
    from semiconductor_cls.all import list_inputs
    here = Path(__file__).resolve().parent.parent
    trees = dict(this=here) | ({'other':Path(a.against).resolve()} if a.against else {})
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        folders = list(converted(list_inputs([a.data])[:a.images], tmp))
        for size in a.sizes:
            (tmp/f'{size}').mkdir()
            run = copy_run(a.cpu, tmp/f'{size}', size, True)
            for o in make_bundles(run, tmp/f'{size}'): cpu_of_bundle(o, size, folders, trees, tmp, a.repeats)

def cpu_of_bundle(bundle, size, folders, trees, tmp, repeats):
    "CPU of an image with one bundle, by kind of file and tree; the trees in turn"
    spent,tables = {o:[] for o in trees},set()
    for _ in range(repeats):
        for name,tree in trees.items():
            spent[name].append(cpu_of(bundle, folders, tmp/'o.csv', tree))
            tables.add('\n'.join(','.join(o.split(',')[:6]) for o in (tmp/'o.csv').read_text().splitlines()))
    assert len(tables)==1, 'the trees give other scores or notes'
    for name,turns in spent.items():
        alone,*each = (median(o) for o in zip(*turns))
        told = ', '.join(f'{o.name} {ms:.2f} ms ({100*alone/ms:.0f} %)' for o,ms in zip(folders, each))
        print(f'{Path(bundle).name} {size} px, {name} tree: bare {alone:.2f} ms of CPU an image; {told}', flush=True)

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--speed', metavar='RUN')
    ap.add_argument('--bundles', nargs='*', default=[])
    ap.add_argument('--size', type=int, help="pixels of a side, where it is not the run's own")
    ap.add_argument('--one-view', action='store_true')
    ap.add_argument('--stock-bs', type=int, nargs='+', default=[16,64], help='batches of stock fastai')
    ap.add_argument('--int8', action='store_true', help='an 8-bit bundle too, with the limits of its export lifted')
    ap.add_argument('--data', default='elpv')
    ap.add_argument('--repeats', type=int, default=3)
    ap.add_argument('--cpu', metavar='RUN')
    ap.add_argument('--sizes', type=int, nargs='+', default=[128,224])
    ap.add_argument('--images', type=int, default=1000, help='how many, with --cpu')
    ap.add_argument('--against', metavar='TREE', help='another checkout, measured in turn')
    ap.add_argument('--memory', action='store_true')
    ap.add_argument('--n', type=int, nargs='+', default=[20_000,200_000])
    ap.add_argument('--dir')
    a = ap.parse_args()
    if a.memory: memory(a.n, a.dir)
    if a.speed: speed(a)
    if a.cpu: cpu(a)
