"A sealed folder: whatever differs, is too much or is hostile is refused by name, and nothing outside is read"
import json, pickle, shutil, subprocess, sys
from pathlib import Path
import numpy as np, pytest
from semiconductor_cls.line.bundle import open_bundle, refuse_pickles, seal, sha256
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import read_json
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.base.image import load_image

def reseal(path, change):
    "Change a manifest as somebody would who knows the seal"
    m = json.loads((path/'manifest.json').read_text())
    change(m)
    m['seal'] = seal(m)
    (path/'manifest.json').write_text(json.dumps(m))

def fit(path):
    "Write the hashes of the files as they are into the manifest"
    def listed(name):
        data = (path/name).read_bytes()
        return dict(bytes=len(data), sha256=sha256(data))
    reseal(path, lambda m: m.update(files={n:listed(n) for n in m['files']}))

def test_contract(trained, bundles):
    run = trained/'runs/both'
    b,t = open_bundle(bundles/'both'),read_csv(run/'preds_test.csv')
    assert (b.sizes, b.channels, b.name, b.runtime)==([32,48], 1, 'both', 'onnxruntime')
    assert b.threshold==read_json(run/'metrics.json')['threshold']
    gray = {s:np.stack([load_image(p, s, 1) for p in t.path]) for s in b.sizes}
    p = b.score(gray)
    assert p.shape==(len(t),) and p.dtype==np.float64
    assert np.allclose(p, t.p_defect, atol=1e-5)
    assert np.array_equal(p, b.score(gray)), 'the same again'
    assert np.array_equal(p, b.score({s:np.stack([x]*3, -1) for s,x in gray.items()})), 'the same in colour'
    alone = [b.score({s:x[i:i+1] for s,x in gray.items()})[0] for i in range(3)]
    assert np.allclose(alone, p[:3], atol=1e-6)
    assert b.score({s:x[:0] for s,x in gray.items()}).shape==(0,)
    for other in (gray[48][:3], gray[48].astype(float)):
        with pytest.raises(ValueError): b.score({32:gray[32], 48:other})
    with pytest.raises(ValueError): b.score({32:gray[48], 48:gray[48]})

# ---- files

def flip(p):
    "One bit"
    b = bytearray(p.read_bytes())
    b[len(b)//2] ^= 1
    p.write_bytes(b)

def cut(p):
    n = 3 if p.name=='manifest.json' else 1 # its last byte is a newline
    p.write_bytes(p.read_bytes()[:-n])

def empty(p): p.write_bytes(b'')
def gone(p): p.unlink()

def folder(p):
    p.unlink()
    p.mkdir()

def link(p):
    outside = p.parent.parent/p.name
    shutil.move(p, outside)
    p.symlink_to(outside)

@pytest.mark.parametrize('name', ['model.xml','model.bin','score.py','MODEL_CARD.md','manifest.json'])
@pytest.mark.parametrize('how', [flip, cut, empty, gone, folder, link], ids=lambda f: f.__name__)
def test_a_file_that_differs_is_named(bundle, name, how):
    how(bundle/name)
    with pytest.raises((UserError, OSError)) as e: open_bundle(bundle)
    assert name in str(e.value)

def text(words): return lambda p: p.write_text(words)

@pytest.mark.parametrize('name,how', [('manifest.json',gone), ('manifest.json',cut), ('manifest.json',text('[]')),
    ('manifest.json',text('{}')), ('model.xml',gone), ('unlike.safetensors',gone)])
def test_the_script_of_a_bundle_that_is_not_whole_ends_in_a_line(bundle, name, how):
    how(bundle/name)
    done = subprocess.run([sys.executable, bundle/'score.py', 'a.png'], capture_output=True, text=True)
    assert (done.returncode,done.stdout,done.stderr.count('\n'))==(1,'',1), done.stderr
    assert 'copy the bundle once more' in done.stderr

def test_the_script_of_a_bundle_names_a_runtime_that_is_not_installed(bundle):
    run = f"import runpy, sys; sys.modules['openvino'] = None; sys.argv = ['score.py','a.png']; " \
          f"runpy.run_path({str(bundle/'score.py')!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, '-c', run], capture_output=True, text=True)
    assert (done.returncode,done.stderr.count('\n'))==(1,1) and 'pip install openvino' in done.stderr, done.stderr

@pytest.mark.parametrize('where,why', [('| true','Broken pipe'), ('> /dev/full','No space left'), ('>&-','is closed')])
def test_the_script_of_a_bundle_says_in_a_line_that_its_table_goes_nowhere(bundle, where, why):
    run = f'{sys.executable} {bundle/"score.py"} a.png {where}'
    done = subprocess.run(['bash', '-o', 'pipefail', '-c', run], capture_output=True, text=True)
    assert (done.returncode,done.stderr.count('\n'))==(1,1) and why in done.stderr, done.stderr

def test_what_is_too_much_is_named(bundle):
    for n in ('.hidden','notes.txt','scores.csv'):
        (bundle/n).write_text('x')
        with pytest.raises(UserError, match=f'{n}: does not belong'): open_bundle(bundle)
        (bundle/n).unlink()
    (bundle/'sub').mkdir()
    with pytest.raises(UserError, match='sub: does not belong'): open_bundle(bundle)
    (bundle/'sub').rmdir()
    assert open_bundle(bundle)

# ---- manifests

def with_(**kw): return lambda m: m.update(kw)
def with_file(n, **kw): return lambda m: m['files'].__setitem__(n, m['files']['score.py'] | kw)
def sides(*values): return with_(inputs=[dict(side=v) for v in values])
def weights(*values): return with_(members=[dict(weight=v) for v in values])

HOSTILE = {
    'format':with_(format='other'), 'version':with_(version=2), 'name long':with_(name='x'*1000),
    'name control':with_(name='a\x1b[2J'), 'runtime':with_(runtime='pickle'), 'classes':with_(classes=['a','b']),
    'channels':with_(channels=4), 'threshold text':with_(threshold='0.5'), 'threshold big':with_(threshold=7),
    'threshold nan':with_(threshold=float('nan')), 'threshold bool':with_(threshold=True),
    'temperature':with_(temperature=-1), 'how':with_(how='rank'),
    'graph':with_(graph='../model.xml'), 'graph other':with_(graph='score.py'), 'graph list':with_(graph=['x']),
    'files list':with_(files=[]), 'files none':with_(files={}),
    'slash':with_file('a/b.py'), 'dots':with_file('../x.py'), 'absolute':with_file('/etc/x.py'),
    'hidden':with_file('.x.py'), 'newline':with_file('a\n.py'), 'long':with_file('x'*300+'.py'),
    'kind':with_file('x.so'), 'pickle':with_file('x.pkl'), 'nul':with_file('a\0.py'),
    'bytes neg':with_file('score.py', bytes=-1), 'bytes huge':with_file('score.py', bytes=10**12),
    'bytes float':with_file('score.py', bytes=1.5), 'sha':with_file('score.py', sha256='x'),
    'sha int':with_file('score.py', sha256=3),
    'sides none':sides(), 'side huge':sides(10**6), 'side text':sides('32'), 'side twice':sides(32, 32),
    'side bare':with_(inputs=[32]), 'many':sides(*range(16, 99)),
    'another side':with_(inputs=[dict(name='x48', side=48)]),
    'members none':weights(), 'weight':weights(-1), 'weight inf':weights(float('inf')),
    'members text':with_(members='ab'), 'more members':weights(1, 1),
    'selftest':with_(selftest=[2]), 'selftest five':with_(selftest=[.5]*5), 'selftest 16':with_(selftest=[.5]*16),
    'selftest long':with_(selftest=[.5]*99), 'selftest text':with_(selftest=['.5']*4),
    'selftest lies':with_(selftest=[.99,.01,.99,.01]),
    'cuts':with_(cuts='ab'), 'cuts order':with_(cuts=[.9,.1]), 'precision':with_(precision='bf16')}

@pytest.mark.parametrize('k', HOSTILE)
def test_a_hostile_manifest_is_refused(bundle, k):
    reseal(bundle, HOSTILE[k])
    with pytest.raises(UserError) as e: open_bundle(bundle)
    said = str(e.value)
    assert str(bundle) in said and '\x1b' not in said
    assert len(said)<500

NO_MANIFEST = ['[]', 'null', '"x"', '{', '['*100_000, '{"format": "semicls-bundle"}', '\x00', '1e999']

@pytest.mark.parametrize('text', NO_MANIFEST, ids=range(8))
def test_what_is_no_manifest(bundle, text):
    (bundle/'manifest.json').write_text(text)
    with pytest.raises(UserError, match='manifest.json'): open_bundle(bundle)

def test_a_large_manifest_is_not_read(bundle):
    (bundle/'manifest.json').write_text(' '*(1<<20) + '{}')
    with pytest.raises(UserError, match='larger than'): open_bundle(bundle)
    for p in (bundle/'nowhere', bundle/'model.xml'):
        with pytest.raises(UserError, match='no such bundle'): open_bundle(p)

# ---- graphs

def test_a_graph_that_hashes_but_does_not_run_is_named(bundles, tmp_path):
    path = Path(shutil.copytree(bundles/'both', tmp_path/'b'))
    graph = path/'model.onnx'
    for junk in (b'junk', b'\0', graph.read_bytes()[:9000]):
        graph.write_bytes(junk)
        fit(path)
        with pytest.raises(UserError, match='model.onnx: onnxruntime cannot run it'): open_bundle(path)
    graph.write_bytes(pickle.dumps(Path('x'), 4))
    fit(path)
    with pytest.raises(UserError, match='model.onnx: a pickle'): open_bundle(path)

def put_outside(tensor, where):
    "Name a file that holds the weights, as ONNX allows"
    import onnx
    tensor.ClearField('raw_data')
    tensor.ClearField('external_data')
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key,value in dict(location=where, offset='0', length='400').items():
        tensor.external_data.add(key=key, value=value)

def test_a_graph_cannot_read_other_files(bundles, tmp_path, monkeypatch):
    "Weights that lie outside are not followed"
    import onnx
    secret = tmp_path/'secret'
    secret.write_bytes(b'\0'*400)
    path = Path(shutil.copytree(bundles/'both', tmp_path/'b'))
    model = onnx.load(str(path/'model.onnx'))
    tensor = next(o for o in model.graph.initializer if o.data_type==1 and len(o.raw_data)>=256)
    monkeypatch.chdir(tmp_path)
    for where in ('../secret', str(secret), 'secret'):
        put_outside(tensor, where)
        (path/'model.onnx').write_bytes(model.SerializeToString())
        fit(path)
        with pytest.raises(UserError, match='model.onnx'): open_bundle(path)

def test_the_stations_index_is_no_pickle_to_an_export(tmp_path):
    np.savez(tmp_path/'station.npz', x=np.ones(3))
    refuse_pickles(tmp_path)
    np.savez(tmp_path/'other.npz', x=np.ones(3))
    with pytest.raises(UserError, match='other.npz'): refuse_pickles(tmp_path)
