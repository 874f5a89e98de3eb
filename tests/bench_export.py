"""Stock fastai, torch, onnxruntime and OpenVINO (32 and 8 bits) on the ELPV photographs, side by side.

    python tests/bench_export.py RUN [--sizes 128,224] [--bs 16] [--tta] [--keep 1]

RUN is a finished run on 'elpv'. Each engine is a process of its own and they take turns, a piece of the test set each, so that whatever else the machine does falls on all alike.
Prints images a second (best and median piece), AUC on the test set, the largest difference to torch, and the latency of single pictures. One view of each picture unless --tta.
"""
import argparse, io, os, sys, tempfile, time, warnings
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

ENGINES = ['stock get_preds','torch, channels last','onnxruntime','onnxruntime int8','OpenVINO','OpenVINO int8']

def stock(members, bs):
    "fastai's own loop over its own loader, weights as timm lays them out, one view"
    import torch
    from fastai.vision.all import CrossEntropyLossFlat, DataBlock, DataLoaders, IntToFloatTensor, Learner, Normalize, TensorImage, TransformBlock
    o = members[0]
    model = o['model'].to(memory_format=torch.contiguous_format)
    block = lambda X: DataBlock(TransformBlock(), get_x=lambda i: TensorImage(torch.from_numpy(X[i].transpose(2,0,1).copy())), batch_tfms=[IntToFloatTensor(), Normalize.from_stats(*o['stats'], cuda=False)])
    def score(X):
        dls = block(X).dataloaders(list(range(len(X))), bs=bs, num_workers=0, device='cpu')
        learn = Learner(dls, model, loss_func=CrossEntropyLossFlat())
        with learn.no_bar(), learn.no_logging(): return learn.get_preds(dl=dls.test_dl(list(range(len(X))), bs=bs, num_workers=0), act=lambda x: x.softmax(1))[0][:,1].numpy()
    return score

def worker(conn, name, run, side, bs, tta, folder):
    "One engine: scores the pictures it is sent"
    import torch
    from semiconductor_cls.learner import keep_memory
    torch.set_num_threads(n_cpus())
    ms = [{**o, 'side':side, 'tta':o['tta'] if tta else ''} for o in run_members(open_run(run))]
    if name.startswith('stock'): f = stock(ms, bs)
    elif name.startswith('torch'): keep_memory(); f = lambda X: torch_scores(ms, {side:X})[:,0]
    elif name.startswith('onnx'): g = onnx_scorer((folder/('q.onnx' if 'int8' in name else 'm.onnx')).read_bytes()); f = lambda X: g({side:X}, len(X))[:,0]
    else: s = 'q' if 'int8' in name else 'm'; g = openvino_scorer((folder/f'{s}.xml').read_bytes(), (folder/f'{s}.bin').read_bytes()); f = lambda X: g({side:X}, len(X))[:,0]
    while (X := conn.recv()) is not None:
        t = time.perf_counter(); p = f(X); conn.send((time.perf_counter()-t, np.asarray(p, dtype=float)))

def onnx_int8(src, dst, side, X):
    "onnxruntime's static quantisation, per channel"
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    class Reader(CalibrationDataReader):
        def __init__(self): self.it = iter({f'x{side}':X[i:i+1]} for i in range(len(X)))
        def get_next(self): return next(self.it, None)
    quant_pre_process(str(src), str(dst)+'.pre', skip_symbolic_shape=True)
    quantize_static(str(dst)+'.pre', str(dst), Reader(), per_channel=True)

def prepare(run, side, tta, folder, keep):
    "All graphs of one size"
    import openvino as ov
    ms = [{**o, 'side':side, 'tta':o['tta'] if tta else ''} for o in run_members(open_run(run))]
    write_onnx(ms, folder/'m.onnx')
    df = read_csv(Path(run)/'table.csv')
    X = _rgb(photographs(df, 'train', [side], 300)[1][side], side)
    model = to_openvino(folder/'m.onnx')
    ov.save_model(model, folder/'m.xml', compress_to_fp16=False); ov.save_model(quantise(model, {side:X}, keep), folder/'q.xml', compress_to_fp16=False)
    onnx_int8(folder/'m.onnx', folder/'q.onnx', side, X[:100])
    y,xs,_ = photographs(df, 'test', [side], 10**6)
    return y, _rgb(xs[side], side)

def main():
    ap = argparse.ArgumentParser(); ap.add_argument('run'); ap.add_argument('--sizes', default='128,224'); ap.add_argument('--bs', type=int, default=16); ap.add_argument('--tta', action='store_true')
    ap.add_argument('--keep', type=int, default=1, help='layers of the 8-bit OpenVINO graph that stay in 32 bits'); ap.add_argument('--pieces', type=int, default=8); ap.add_argument('--singles', type=int, default=200); a = ap.parse_args()
    from semiconductor_cls.auc import auc_ci
    ctx = mp.get_context('spawn')
    for side in map(int, a.sizes.split(',')):
        folder = Path(tempfile.mkdtemp())
        y,X = prepare(a.run, side, a.tta, folder, a.keep)
        procs,secs,P = {},{n:[] for n in ENGINES},{n:[] for n in ENGINES}
        for n in ENGINES: here,there = ctx.Pipe(); ctx.Process(target=worker, args=(there, n, a.run, side, a.bs, a.tta, folder), daemon=True).start(); procs[n] = here
        def ask(n, X): procs[n].send(X); return procs[n].recv()
        for n in ENGINES: ask(n, X[:a.bs]); ask(n, X[:1])
        step = -(-len(X)//a.pieces//a.bs)*a.bs
        for i in range(0, len(X), step):
            for n in ENGINES: t,p = ask(n, X[i:i+step]); secs[n].append(len(p)/t); P[n].append(p)
        lat = {n:[] for n in ENGINES}
        for i in range(a.singles):
            for n in ENGINES: lat[n].append(1000*ask(n, X[i%len(X)][None])[0])
        P,base = {n:np.concatenate(p) for n,p in P.items()},max(secs[ENGINES[0]])
        print(f"\n{side} px, batch {a.bs}, {'all views' if a.tta else 'one view'}, {len(X)} photographs, {n_cpus()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"{'':22}{'images/s: best':>15}{'median':>8}{'times stock':>13}{'AUC':>9}{'off torch':>11}{'one picture: p50':>18}{'p99 ms':>8}")
        for n in ENGINES: print(f"{n:22}{max(secs[n]):15.0f}{np.median(secs[n]):8.0f}{max(secs[n])/base:13.1f}{auc_ci(y, P[n])[0]:9.4f}{np.abs(P[n]-P[ENGINES[1]]).max():11.1e}{np.percentile(lat[n], 50):18.1f}{np.percentile(lat[n], 99):8.1f}", flush=True)
        for c in procs.values(): c.send(None)

if __name__=='__main__': main()
