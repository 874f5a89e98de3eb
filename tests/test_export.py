"Bundles: parity of every packaged backbone, refusals by name, hostile manifests, a process without torch"
import dataclasses, io, json, os, pickle, shutil, subprocess, sys
from pathlib import Path
import numpy as np, pandas as pd, pytest
from semiconductor_cls.core import *
from semiconductor_cls.image import load_image
from semiconductor_cls.learner import *
from semiconductor_cls.train import QUICK
from semiconductor_cls.job import train_job
from semiconductor_cls.committee import ensemble_run
from semiconductor_cls.export import *
from semiconductor_cls.synth import synth_folder

for o in ('onnx','onnxscript','onnxruntime','openvino'): pytest.importorskip(o)
TINY = dataclasses.replace(QUICK, arch='resnet18', sizes=(32,), epochs=1, bs=8)

@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "Two runs of different sizes, their committee, and a bundle of each"
    tmp = tmp_path_factory.mktemp('export')
    with pytest.MonkeyPatch.context() as mp:
        mp.setenv('SEMICLS_CACHE', str(tmp/'cache'))
        synth_folder(tmp/'parts', n_good=60, n_defect=30)
        train_job(tmp/'parts', TINY, path=tmp/'runs/a', weights='none')
        train_job(tmp/'parts', dataclasses.replace(TINY, arch='resnet10t', sizes=(48,), tta=''), path=tmp/'runs/b', weights='none')
        ensemble_run([tmp/'runs/a', tmp/'runs/b'], tmp/'runs/both')
        export_run(tmp/'runs/both', out=tmp/'both')
        export_run(tmp/'runs/a', 'openvino', out=tmp/'a')
        yield tmp

@pytest.fixture
def bundle(made, tmp_path): return Path(shutil.copytree(made/'a', tmp_path/'bundle'))

def reseal(path, f):
    "Change a manifest as somebody would who knows the seal"
    m = json.loads((path/'manifest.json').read_text())
    f(m)
    m['seal'] = seal(m)
    (path/'manifest.json').write_text(json.dumps(m))

def test_contract(made):
    b,t = open_bundle(made/'both'),read_csv(made/'runs/both/preds_test.csv')
    assert (b.sizes, b.channels, b.name, b.runtime)==([32,48], 1, 'both', 'onnxruntime')
    assert b.threshold==read_json(made/'runs/both/metrics.json')['threshold']
    gray = {s:np.stack([load_image(p, s, 1) for p in t.path]) for s in b.sizes}
    p = b.score(gray)
    assert p.shape==(len(t),) and p.dtype==np.float64 and np.allclose(p, t.p_defect, atol=1e-5)
    assert np.array_equal(p, b.score({s:np.stack([x]*3, -1) for s,x in gray.items()}))
    assert np.array_equal(p, b.score(gray)) and np.allclose([b.score({s:x[i:i+1] for s,x in gray.items()})[0] for i in range(3)], p[:3], atol=1e-6)
    assert b.score({s:x[:0] for s,x in gray.items()}).shape==(0,)
    for bad in ({32:gray[32], 48:gray[48][:3]}, {32:gray[32], 48:gray[48].astype(float)}, {32:gray[48], 48:gray[48]}):
        with pytest.raises(ValueError): b.score(bad)
