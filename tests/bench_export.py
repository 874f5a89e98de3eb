"""Stock fastai, torch, onnxruntime and OpenVINO (32 and 8 bits) on the ELPV photographs, side by side.

    python tests/bench_export.py RUN [--sizes 128,224] [--bs 16] [--tta] [--keep 1]

RUN is a finished run on 'elpv'. Each engine is a process of its own and they take turns, a piece of the test set each,
so that whatever else the machine does falls on all alike.
Prints images a second (best and median piece), AUC on the test set, the largest difference to torch, and the latency of
single pictures. One view of each picture unless --tta.
"""
import argparse, os, tempfile, time, warnings
warnings.filterwarnings('ignore')
import multiprocessing as mp
from pathlib import Path
import numpy as np
from semiconductor_cls.line.runtime import *
from semiconductor_cls.line.bundle import _rgb
from semiconductor_cls.line.graph import *
from semiconductor_cls.line.int8 import *
from semiconductor_cls.base.parallel import *
from semiconductor_cls.base.table import *
from semiconductor_cls.base.run import *

STOCK,TORCH = 'stock get_preds','torch, channels last'
ENGINES = [STOCK,TORCH,'onnxruntime','onnxruntime int8','OpenVINO','OpenVINO int8']

# ---- engines, each in a process of its own

def stock(member, bs):
    "fastai's own loop over its own loader, weights as timm lays them out, one view"
    import torch
    from fastai.vision.all import CrossEntropyLossFlat, DataBlock, IntToFloatTensor, Learner, Normalize, TensorImage
    from fastai.vision.all import TransformBlock
    model = member['model'].to(memory_format=torch.contiguous_format)
    tfms = [IntToFloatTensor(), Normalize.from_stats(*member['stats'], cuda=False)]
    def score(X):
        def tensor(i): return TensorImage(torch.from_numpy(X[i].transpose(2,0,1).copy()))
        block = DataBlock(TransformBlock(), get_x=tensor, batch_tfms=tfms)
        rows,how = list(range(len(X))),dict(bs=bs, num_workers=0)
        dls = block.dataloaders(rows, device='cpu', **how)
        learn = Learner(dls, model, loss_func=CrossEntropyLossFlat())
        with learn.no_bar(), learn.no_logging():
            preds = learn.get_preds(dl=dls.test_dl(rows, **how), act=lambda x: x.softmax(1))
        return preds[0][:,1].numpy()
    return score

def members_of(run, side, tta):
    members = run_members(open_run(run))
    return [o | dict(side=side, tta=o['tta'] if tta else '') for o in members]

def scorer(name, members, side, bs, folder):
    "Pixels to scores, by the engine of this name"
    from semiconductor_cls.learner import keep_memory
    if name==STOCK: return stock(members[0], bs)
    if name==TORCH:
        keep_memory()
        return lambda X: torch_scores(members, {side:X})[:,0]
    stem = folder/('q' if 'int8' in name else 'm')
    if name.startswith('onnx'): graph = onnx_scorer(stem.with_suffix('.onnx').read_bytes())
    else: graph = openvino_scorer(*(stem.with_suffix(o).read_bytes() for o in ('.xml','.bin')))
    return lambda X: graph({side:X}, len(X))[:,0]

def worker(pipe, name, run, side, bs, tta, folder):
    "One engine: scores the pictures it is sent"
    import torch
    torch.set_num_threads(n_cpus())
    score = scorer(name, members_of(run, side, tta), side, bs, folder)
    while (X := pipe.recv()) is not None:
        start = time.perf_counter()
        p = score(X)
        pipe.send((time.perf_counter()-start, np.asarray(p, dtype=float)))

class Engine:
    def __init__(self, *args):
        context = mp.get_context('spawn')
        self.pipe,there = context.Pipe()
        context.Process(target=worker, args=(there, *args), daemon=True).start()
        self.rates,self.scores,self.latencies = [],[],[]

    def ask(self, X):
        "Seconds, scores"
        self.pipe.send(X)
        return self.pipe.recv()

    def piece(self, X):
        seconds,p = self.ask(X)
        self.rates.append(len(p)/seconds)
        self.scores.append(p)

    def single(self, x): self.latencies.append(1000*self.ask(x[None])[0])

# ---- graphs

def onnx_int8(src, dst, side, X):
    "onnxruntime's static quantisation, per channel"
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    class Reader(CalibrationDataReader):
        def __init__(self): self.rows = iter({f'x{side}':X[i:i+1]} for i in range(len(X)))
        def get_next(self): return next(self.rows, None)
    ready = f'{dst}.pre'
    quant_pre_process(str(src), ready, skip_symbolic_shape=True)
    quantize_static(ready, str(dst), Reader(), per_channel=True)

def prepare(run, side, tta, folder, keep):
    "All graphs of one size; labels and pixels of the test set"
    import openvino as ov
    write_onnx(members_of(run, side, tta), folder/'m.onnx')
    df = read_csv(Path(run)/'table.csv')
    X = _rgb(photographs(df, 'train', [side], 300)[1][side], side)
    model = to_openvino(folder/'m.onnx')
    ov.save_model(model, folder/'m.xml', compress_to_fp16=False)
    ov.save_model(quantise(model, {side:X}, keep), folder/'q.xml', compress_to_fp16=False)
    onnx_int8(folder/'m.onnx', folder/'q.onnx', side, X[:100])
    y,xs,_ = photographs(df, 'test', [side], 10**6)
    return y, _rgb(xs[side], side)

# ---- one size

def tell(y, engines):
    from semiconductor_cls.auc import auc_ci
    scores = {n:np.concatenate(e.scores) for n,e in engines.items()}
    base = max(engines[STOCK].rates)
    print(f"{'':22}{'images/s: best':>15}{'median':>8}{'times stock':>13}{'AUC':>9}{'off torch':>11}"
          f"{'one picture: p50':>18}{'p99 ms':>8}")
    for n,e in engines.items():
        best,off = max(e.rates),np.abs(scores[n]-scores[TORCH]).max()
        p50,p99 = np.percentile(e.latencies, [50,99])
        print(f'{n:22}{best:15.0f}{np.median(e.rates):8.0f}{best/base:13.1f}{auc_ci(y, scores[n])[0]:9.4f}{off:11.1e}'
              f'{p50:18.1f}{p99:8.1f}', flush=True)

def bench(side, a):
    folder = Path(tempfile.mkdtemp())
    y,X = prepare(a.run, side, a.tta, folder, a.keep)
    engines = {n:Engine(n, a.run, side, a.bs, a.tta, folder) for n in ENGINES}
    for e in engines.values(): # the first of each shape is slow
        e.ask(X[:a.bs])
        e.ask(X[:1])
    step = -(-len(X)//a.pieces//a.bs)*a.bs
    for i in range(0, len(X), step):
        for e in engines.values(): e.piece(X[i:i+step])
    for i in range(a.singles):
        for e in engines.values(): e.single(X[i%len(X)])
    views,load = 'all views' if a.tta else 'one view',os.getloadavg()[0]
    print(f'\n{side} px, batch {a.bs}, {views}, {len(X)} photographs, {n_cpus()} cores, load {load:.1f}')
    tell(y, engines)
    for e in engines.values(): e.pipe.send(None)

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('run')
    ap.add_argument('--sizes', default='128,224')
    ap.add_argument('--bs', type=int, default=16)
    ap.add_argument('--tta', action='store_true')
    ap.add_argument('--keep', type=int, default=1, help='layers of the 8-bit OpenVINO graph that stay in 32 bits')
    ap.add_argument('--pieces', type=int, default=8)
    ap.add_argument('--singles', type=int, default=200)
    a = ap.parse_args()
    for side in map(int, a.sizes.split(',')): bench(side, a)
