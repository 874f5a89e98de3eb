"Bundles: parity of every packaged backbone, refusals by name, hostile manifests, a process without torch"
import dataclasses, io, json, os, pickle, re, shutil, subprocess, sys
from pathlib import Path
import numpy as np, pandas as pd, pytest
from semiconductor_cls.base.errors import *
from semiconductor_cls.base.files import *
from semiconductor_cls.base.table import *
from semiconductor_cls.base.run import *
from semiconductor_cls.base.image import load_image
from semiconductor_cls.backbones import *
from semiconductor_cls.weights import *
from semiconductor_cls.learner import *
from semiconductor_cls.recipe import QUICK
from semiconductor_cls.jobs.job import train_job
from semiconductor_cls.jobs.committee import ensemble_run
from semiconductor_cls.line.runtime import *
from semiconductor_cls.line.bundle import *
from semiconductor_cls.line.graph import *
from semiconductor_cls.line.int8 import *
from semiconductor_cls.line.export import *
from semiconductor_cls.line.score import predict_files
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

@pytest.mark.parametrize('arch', ['efficientnet_lite0','efficientnet_lite1','efficientnet_lite2'])
def test_parity_of_every_packaged_backbone(arch, tmp_path):
    model = create_model(arch, 'concat', 64)
    load_pretrained(model[0], arch, None if packaged_weights(arch) else 'none')
    ms = [dict(name='m', model=model.eval(), arch=arch, pool='concat', side=64, stats=arch_cfg(arch)['stats'], tta='flips', weight=1.)]
    write_onnx(ms, tmp_path/'m.onnx')
    xs = {64: np.concatenate([drawn_pictures(64), np.random.default_rng(0).integers(0, 256, (15,64,64,3), dtype=np.uint8)])} # one whole piece and a rest
    want = torch_scores(ms, xs)
    assert np.abs(onnx_scorer((tmp_path/'m.onnx').read_bytes())(xs, 19)-want).max()<1e-4
    assert np.abs(openvino_scorer(to_openvino(tmp_path/'m.onnx'))(xs, 19)-want).max()<1e-4

def flip(p): b = bytearray(p.read_bytes()); b[len(b)//2] ^= 1; p.write_bytes(b)
def cut(p): p.write_bytes(p.read_bytes()[:-1])
def empty(p): p.write_bytes(b'')
def gone(p): p.unlink()
def folder(p): p.unlink(); p.mkdir()
def link(p): q = p.parent.parent/p.name; shutil.move(p, q); p.symlink_to(q)

@pytest.mark.parametrize('name', ['model.xml','model.bin','score.py','MODEL_CARD.md','manifest.json'])
@pytest.mark.parametrize('how', [flip, cut, empty, gone, folder, link], ids=lambda f: f.__name__)
def test_a_file_that_differs_is_named(bundle, name, how):
    if (name,how)==('manifest.json', cut): how = lambda p: p.write_bytes(p.read_bytes()[:-3]) # the last byte is a newline
    how(bundle/name)
    with pytest.raises((UserError, OSError)) as e: open_bundle(bundle)
    assert name in str(e.value)

def test_what_is_too_much_is_named(bundle):
    for n in ('.hidden','notes.txt','scores.csv'):
        (bundle/n).write_text('x')
        with pytest.raises(UserError, match=f'{n}: does not belong'): open_bundle(bundle)
        (bundle/n).unlink()
    (bundle/'sub').mkdir()
    with pytest.raises(UserError, match='sub: does not belong'): open_bundle(bundle)
    (bundle/'sub').rmdir()
    assert open_bundle(bundle)

def _set(**kw): return lambda m: m.update(kw)
def _file(n, **kw): return lambda m: m['files'].__setitem__(n, dict(m['files']['score.py'], **kw))
HOSTILE = {'format':_set(format='other'), 'version':_set(version=2), 'name long':_set(name='x'*1000), 'name control':_set(name='a\x1b[2J'), 'runtime':_set(runtime='pickle'),
    'classes':_set(classes=['a','b']), 'channels':_set(channels=4), 'threshold text':_set(threshold='0.5'), 'threshold big':_set(threshold=7), 'threshold nan':_set(threshold=float('nan')), 'threshold bool':_set(threshold=True),
    'temperature':_set(temperature=-1), 'how':_set(how='rank'), 'graph':_set(graph='../model.xml'), 'graph other':_set(graph='score.py'), 'graph list':_set(graph=['x']), 'files list':_set(files=[]), 'files none':_set(files={}),
    'slash':_file('a/b.py'), 'dots':_file('../x.py'), 'absolute':_file('/etc/x.py'), 'hidden':_file('.x.py'), 'newline':_file('a\n.py'), 'long':_file('x'*300+'.py'), 'kind':_file('x.so'), 'pickle':_file('x.pkl'), 'nul':_file('a\0.py'),
    'bytes neg':_file('score.py', bytes=-1), 'bytes huge':_file('score.py', bytes=10**12), 'bytes float':_file('score.py', bytes=1.5), 'sha':_file('score.py', sha256='x'), 'sha int':_file('score.py', sha256=3),
    'sides none':_set(inputs=[]), 'side huge':_set(inputs=[dict(side=10**6)]), 'side text':_set(inputs=[dict(side='32')]), 'side twice':_set(inputs=[dict(side=32)]*2), 'side bare':_set(inputs=[32]), 'many':_set(inputs=[dict(side=i) for i in range(16,99)]),
    'members none':_set(members=[]), 'weight':_set(members=[dict(weight=-1)]), 'weight inf':_set(members=[dict(weight=float('inf'))]), 'members text':_set(members='ab'),
    'selftest':_set(selftest=[2]), 'selftest long':_set(selftest=[.5]*99), 'selftest lies':_set(selftest=[.99,.01,.99,.01]), 'another side':_set(inputs=[dict(name='x48', side=48)]), 'more members':_set(members=[dict(weight=1)]*2),
    'cuts':_set(cuts='ab'), 'cuts order':_set(cuts=[.9,.1]), 'precision':_set(precision='bf16')}

@pytest.mark.parametrize('k', HOSTILE)
def test_a_hostile_manifest_is_refused(bundle, k):
    reseal(bundle, HOSTILE[k])
    with pytest.raises(UserError) as e: open_bundle(bundle)
    assert str(bundle) in str(e.value) and '\x1b' not in str(e.value) and len(str(e.value))<500

@pytest.mark.parametrize('text', ['[]','null','"x"','{','[' * 100_000,'{"format": "semicls-bundle"}','\x00','1e999'], ids=range(8))
def test_what_is_no_manifest(bundle, text):
    (bundle/'manifest.json').write_text(text)
    with pytest.raises(UserError, match='manifest.json'): open_bundle(bundle)

def test_a_large_manifest_is_not_read(bundle):
    (bundle/'manifest.json').write_text(' '*(1<<20) + '{}')
    with pytest.raises(UserError, match='larger than'): open_bundle(bundle)
    for p in (bundle/'nowhere', bundle/'model.xml'):
        with pytest.raises(UserError, match='no such bundle'): open_bundle(p)

def fit(m, d): m['files'] = {n:dict(bytes=(d/n).stat().st_size, sha256=sha256((d/n).read_bytes())) for n in m['files']}

def test_a_graph_that_hashes_but_does_not_run_is_named(made, tmp_path):
    d = Path(shutil.copytree(made/'both', tmp_path/'b'))
    for junk in (b'junk', b'', (d/'model.onnx').read_bytes()[:9000]):
        (d/'model.onnx').write_bytes(junk or b'\0'); reseal(d, lambda m: fit(m, d))
        with pytest.raises(UserError, match='model.onnx: onnxruntime cannot run it'): open_bundle(d)
    (d/'model.onnx').write_bytes(pickle.dumps(Path('x'), 4)); reseal(d, lambda m: fit(m, d))
    with pytest.raises(UserError, match='model.onnx: a pickle'): open_bundle(d)

def test_a_graph_cannot_read_other_files(made, tmp_path, monkeypatch):
    "Weights that lie outside, as ONNX allows, are not followed"
    import onnx
    (tmp_path/'secret').write_bytes(b'\0'*400)
    d = Path(shutil.copytree(made/'both', tmp_path/'b'))
    g = onnx.load(str(d/'model.onnx'))
    t = next(o for o in g.graph.initializer if o.data_type==1 and len(o.raw_data)>=256)
    for where in ('../secret', str(tmp_path/'secret'), 'secret'):
        t.ClearField('raw_data'); t.ClearField('external_data'); t.data_location = onnx.TensorProto.EXTERNAL
        for k,v in dict(location=where, offset='0', length='400').items(): e = t.external_data.add(); e.key,e.value = k,v
        (d/'model.onnx').write_bytes(g.SerializeToString()); reseal(d, lambda m: fit(m, d))
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UserError, match='model.onnx'): open_bundle(d)

@pytest.mark.parametrize('name,data', [('a.pkl',b''),('checkpoint.pt',b''),('figures/w.pth',b''),('x.joblib',b''),('innocent.csv',pickle.dumps({'a':[1]}, 4)),('innocent.json',pickle.dumps((1,2), 2)),('table.png',b'PK\x03\x04')], ids=str)
def test_a_run_with_a_pickle_is_refused(made, tmp_path, name, data):
    run = Path(shutil.copytree(made/'runs/a', tmp_path/'r'))
    (run/name).parent.mkdir(exist_ok=True); (run/name).write_bytes(data)
    with pytest.raises(UserError, match=f'{Path(name).name}: a pickle'): export_run(run)
    assert not (run/'export').exists() and not list(run.glob('.*'))

def test_drift_is_refused_and_leaves_nothing(made, tmp_path, monkeypatch):
    import semiconductor_cls.export as ex
    good = ex.onnx_scorer
    for off in (2e-4, np.nan):
        monkeypatch.setattr(ex, 'onnx_scorer', lambda g,threads=None: (lambda xs,n: good(g, threads)(xs, n)+off))
        with pytest.raises(UserError, match='not exported, its scores are'): export_run(made/'runs/a', out=tmp_path/'out/x')
        assert not any((tmp_path/'out').iterdir())

SIGNAL = """import faulthandler, gc, os, signal, sys
faulthandler.enable() # has a stack of its own for handlers, as pytest has
from pathlib import Path
from semiconductor_cls.line.runtime import *
from semiconductor_cls.line.bundle import *
def scorer(): return openvino_scorer(*[Path(sys.argv[1], o).read_bytes() for o in ('model.xml','model.bin')])
a = scorer(); b = scorer(); del a; c = scorer(); del b, c; gc.collect() # a later one goes, an earlier one has gone before
signal.signal(signal.SIGINT, lambda *a: print('interrupted'))
os.kill(os.getpid(), signal.SIGINT)
"""

def test_a_signal_after_scorers_came_and_went(made):
    p = subprocess.run([sys.executable, '-c', SIGNAL, str(made/'a')], capture_output=True, text=True)
    assert (p.returncode,p.stdout)==(0,'interrupted\n'), p.stderr

EIGHT = """import sys, semiconductor_cls.export as ex
from pathlib import Path
from semiconductor_cls.base.errors import UserError
ex.N_CALIB,out = 16,Path(sys.argv[2])
ex.MAX_CHANGED = -1.
try: ex.export_run(sys.argv[1], 'openvino', True, out/'x'); sys.exit('not refused')
except UserError as e: print(e)
assert not any(out.iterdir())
ex.MAX_CHANGED = ex.MAX_AUC_LOSS = 1. # what rounding costs an untrained network is not the question here
ex.export_run(sys.argv[1], 'openvino', True, out/'q')
"""

def test_eight_bits(made, tmp_path):
    "In a process of its own, as the command has one: nncf makes and drops OpenVINO's cores as it likes, see `test_a_signal_after_scorers_came_and_went`"
    pytest.importorskip('nncf')
    p = subprocess.run([sys.executable, '-c', EIGHT, str(made/'runs/both'), str(tmp_path)], capture_output=True, text=True)
    assert p.returncode==0, p.stderr
    assert re.search('int8: not exported, on .* validation photographs AUC', p.stdout)
    m,b,xs = read_json(tmp_path/'q/manifest.json'),open_bundle(tmp_path/'q'),{s:drawn_pictures(s) for s in (32,48)}
    assert m['int8']['images']>0 and m['precision']=='int8' and np.array_equal(b.score(xs), b.score(xs))
    assert m['files']['model.bin']['bytes']<.4*(made/'both/model.onnx').stat().st_size

def refused(p, *words): assert p.returncode==1 and p.err.count('\n')==1 and all(w in p.err for w in words), (p.returncode, p.err)

def test_command(made, semicls, tmp_path):
    run = Path(shutil.copytree(made/'runs/a', tmp_path/'a'))
    p = semicls('export', 'a')
    assert p.returncode==0 and 'a/export: onnxruntime, float32' in p.out, p.err
    m = read_json(run/'export/manifest.json')
    assert m['seal'] in p.out and {*m['files'], 'manifest.json'}=={o.name for o in (run/'export').iterdir()}=={'model.onnx','MODEL_CARD.md','score.py','manifest.json'}
    refused(semicls('export', 'a'), 'a/export: this bundle exists; use --overwrite')

def test_overwrite_and_what_a_killed_export_left(made, tmp_path):
    run = Path(shutil.copytree(made/'runs/a', tmp_path/'a'))
    shutil.copytree(made/'both', run/'export')
    (run/'.export.999999999.tmp').mkdir(); (run/'.export.999999999.tmp/half').write_text('x')
    with pytest.raises(UserError, match='this bundle exists; use --overwrite'): export_run(run, 'openvino')
    export_run(run, 'openvino', overwrite=True)
    assert (run/'export/model.xml').exists() and not (run/'export/model.onnx').exists() and not list(run.glob('.export*'))
    Run(run).update(status='interrupted')
    with pytest.raises(UserError, match='this run is interrupted; finish it first'): export_run(run, out=tmp_path/'o')
    assert not (tmp_path/'o').exists()

def test_refusals(made, tmp_path):
    run = Path(shutil.copytree(made/'runs/a', tmp_path/'a'))
    for kw,words in ((dict(fmt='tflite'), 'one of onnx, openvino'), (dict(int8=True), '--int8 is for --format openvino'), (dict(out=run), 'is not a bundle'), (dict(out=run/'run.json'), 'is not a bundle')):
        with pytest.raises(UserError, match=words): export_run(run, **kw)
    df = read_csv(run/'table.csv'); df.loc[3,'path'] = 'moved/away.bmp'; write_csv(df, run/'table.csv')
    with pytest.raises(UserError, match='moved/away.bmp: no such file'): export_run(run)
    (run/'model.safetensors').unlink()
    with pytest.raises(UserError, match='has no model'): export_run(run)
    assert not (run/'export').exists()

BLOCK = """import sys, runpy
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'torch','torchvision','fastai','fastcore','timm','pandas','sklearn','scipy','cv2','semiconductor_cls'}: raise ImportError(f'{name} is not on the station')
sys.meta_path.insert(0, Block())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""

def odd_pictures(d):
    from PIL import Image
    d.mkdir()
    a = np.tile(np.arange(50, dtype=np.uint16)*5, (40,1)); a[10:20] //= 2
    g = Image.fromarray(a.astype(np.uint8))
    for n,im in {'gray.png':g, 'gray.jpg':g, 'gray.bmp':g, 'gray.tif':g, 'deep.png':Image.fromarray(a*256), 'rgb.png':Image.merge('RGB', (g, g.rotate(180), g)), 'palette.png':g.convert('P'), 'la.png':g.convert('LA'),
                 'rgba.png':g.convert('RGBA'), 'bit.png':g.convert('1'), 'int.tif':Image.fromarray(a.astype(np.int32)*200), 'small_int.tif':Image.fromarray(a.astype(np.int32)), 'float.tif':Image.fromarray(a.astype(np.float32)/3),
                 'nan.tif':Image.fromarray(np.where(a>240, np.nan, a).astype(np.float32)), 'lab.tif':Image.frombytes('LAB', g.size, Image.merge('RGB', (g, g, g)).tobytes()), '=1+1.png':g}.items(): im.save(d/n)
    ex = Image.Exif(); ex[0x0112] = 6
    g.save(d/'turned.jpg', exif=ex)
    (d/'broken.png').write_bytes(b'\x89PNG'); (d/'text.bmp').write_text('x')
    return sorted(d.iterdir())

@pytest.mark.parametrize('which', ['a','both'])
def test_score_py_without_torch(made, tmp_path, which):
    files = odd_pictures(tmp_path/'odd')
    p = subprocess.run([sys.executable, '-I', '-c', BLOCK, str(made/which/'score.py'), *[o.name for o in files]], cwd=tmp_path/'odd', capture_output=True, text=True)
    assert p.returncode==0, p.stderr
    got = pd.read_csv(io.StringIO(p.stdout))
    b = open_bundle(made/which)
    assert got.path.str.lstrip("'").tolist()==[o.name for o in files] and "'=1+1.png" in set(got.path)
    for f,s,note in zip(files, got.p_defect, got.note):
        if f.name in ('broken.png','text.bmp'): assert np.isnan(s) and note; continue
        assert abs(s-b.score({o:load_image(f, o, b.channels)[None] for o in b.sizes})[0])<1e-4, f.name

@pytest.mark.parametrize('which', ['a','both'])
def test_predict_needs_no_torch_for_a_bundle(made, tmp_path, which):
    block = "import sys\nfrom semiconductor_cls.cli import main\ntry: main()\nfinally: assert not {'torch','fastai','timm'} & sys.modules.keys()"
    p = subprocess.run([sys.executable, '-c', block, 'predict', str(made/which), str(made/'parts/good'), '--out', str(tmp_path/'o.csv')], capture_output=True, text=True)
    assert p.returncode==0, p.stderr
    assert np.allclose(read_csv(tmp_path/'o.csv').p_defect, predict_files(made/which, [made/'parts/good']).p_defect)

def test_score_py_names_a_file_that_differs(bundle):
    flip(bundle/'model.bin')
    p = subprocess.run([sys.executable, '-I', '-c', BLOCK, str(bundle/'score.py'), 'x.png'], capture_output=True, text=True)
    assert p.returncode!=0 and p.stderr.strip()=='model.bin: differs from what was exported'

def test_score_py_names_a_manifest_that_differs(bundle):
    m = json.loads((bundle/'manifest.json').read_text())
    (bundle/'manifest.json').write_text(json.dumps(m | dict(cuts=[1.,1.])))
    p = subprocess.run([sys.executable, '-I', '-c', BLOCK, str(bundle/'score.py'), 'x.png'], capture_output=True, text=True)
    assert p.returncode!=0 and p.stderr.strip()=='manifest.json: differs from what was exported'

@pytest.mark.slow
def test_score_py_in_a_fresh_environment(made, tmp_path):
    "Nothing but numpy, pillow and onnxruntime; needs a package index"
    subprocess.run([sys.executable, '-m', 'venv', tmp_path/'venv'], check=True)
    py = tmp_path/'venv/bin/python'
    subprocess.run([py, '-m', 'pip', 'install', '-q', 'numpy', 'pillow', 'onnxruntime'], check=True)
    test = read_csv(made/'runs/both/preds_test.csv')
    p = subprocess.run([py, '-I', made/'both/score.py', *test.path], capture_output=True, text=True, check=True)
    assert np.abs(pd.read_csv(io.StringIO(p.stdout)).p_defect-test.p_defect).max()<1e-4
    assert subprocess.run([py, '-c', 'import torch'], capture_output=True).returncode!=0
