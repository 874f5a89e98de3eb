"What several test files share: drawn parts, given scores, tiny runs, a process for the command, a station"
import dataclasses, fcntl, gc, io, os, resource, shutil, signal, socket, subprocess, sys, time
import urllib.error, urllib.request
from pathlib import Path
import cv2, matplotlib, numpy as np, pandas as pd, pytest
from hypothesis import HealthCheck, settings
from PIL import Image
from scipy.special import expit
from browser import CHROME
from warm import SHARED, Command, share_forks

matplotlib.use('Agg')
calm = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile('calm', deadline=None, suppress_health_check=calm)
settings.load_profile('calm') # a busy machine is no failure
signal.signal(signal.SIGINT, signal.default_int_handler) # a job in a shell's background begins with Ctrl-C ignored
PATIENCE = 600 # seconds; only what hangs takes longer
# In tests a command does not say 'at work', which depends on the load of the machine; test_cli looks at that
MAIN = 'from semiconductor_cls import shell; shell.PATIENCE = 1e6; from semiconductor_cls.cli import main; main()'

@pytest.fixture
def same_folder():
    "A test that leaves this process in a folder of its own, which goes, would cost the tests after it theirs"
    here = os.getcwd()
    yield
    try: after = os.getcwd()
    except FileNotFoundError: after = None
    os.chdir(here)
    assert after==here

@pytest.fixture(autouse=True)
def no_sign_of_life(same_folder, monkeypatch): monkeypatch.setattr('semiconductor_cls.shell.PATIENCE', 1e6)

# ---- order

LONG = 'desk cli decision int8 page examples experiments gate graph login pixels bundle export run train'.split()

def pytest_collection_modifyitems(items):
    "The files that take longest come first, so that all processes end at about the same time"
    place = {f'test_{name}':i for i,name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONG)))

# ---- processes

def pytest_configure(config):
    "One process with the libraries loaded for all that share the tests"
    gc.disable() # while the libraries are loaded
    if getattr(config.option, 'numprocesses', None) and SHARED not in os.environ: share_forks()

def pytest_collection_finish():
    "Libraries stay: a million objects, which nobody has to look through for garbage again and again"
    gc.freeze()
    gc.enable()

@pytest.fixture
def semicls(tmp_path):
    "Run `semicls ARGS` in `tmp_path` in a process of its own"
    started = []
    def run(*args, wait=True, code='', closed=(), **kw):
        env = {**os.environ, 'SEMICLS_CACHE':str(tmp_path/'cache'), 'HF_HUB_OFFLINE':'1', 'CUDA_VISIBLE_DEVICES':''}
        cmd = [sys.executable, '-c', MAIN, *map(str, args)]
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if kw: p = subprocess.Popen(cmd, cwd=tmp_path, env=env, **pipes, **kw)
        else: p = Command(args, tmp_path, env, code=code, closed=closed)
        started.append(p)
        if wait: p.out,p.err = p.communicate(timeout=PATIENCE)
        return p
    yield run
    for p in started:
        if p.poll() is None: p.kill()

def wait_for(cond, p, seconds=PATIENCE):
    "Wait until `cond()` holds while the process `p` runs"
    end = time.monotonic()+seconds
    while time.monotonic()<end and p.poll() is None:
        if cond(): return
        time.sleep(.02)
    p.kill()
    pytest.fail(str(p.communicate()))

def heard(p, words):
    "Read what `p` says until it says `words`"
    assert any(words in said for said in p.stderr), f'it never said {words!r}'

def struck(start, words, sig, tries=5):
    "A process that got the signal `sig` after it had said `words`; where it was done before, another one is started"
    for _ in range(tries):
        p = start()
        heard(p, words)
        p.send_signal(sig)
        p.out,p.err = p.communicate(timeout=PATIENCE)
        if p.returncode: break
    return p

def limit(n):
    "A disk that is full: no file may grow beyond n bytes"
    def f():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n,n))
    return f

def lines(path): return path.read_bytes().count(b'\n') if path.exists() else 0

def tree(path): return sorted(str(o.relative_to(path)) for o in path.rglob('*'))

# ---- pictures

def part(path, y, seed, mode='L'):
    "A gray part with a bright pad; a defect is a dark scratch"
    rng = np.random.default_rng(seed)
    a = np.full((60,66), 70.)
    a[15:45,15:50] = 180
    if y:
        left,right = (int(rng.integers(18, 42)) for _ in range(2))
        cv2.line(a, (18,left), (47,right), 80, 2)
    a += rng.normal(0, 8, a.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(a.clip(0, 255).astype(np.uint8)).convert(mode).save(path)

def picture(path, value=90, mode='L'):
    "A picture of one value; its path as a text"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (40,30), value).save(path)
    return str(path)

@pytest.fixture
def parts(tmp_path):
    "parts/ok and parts/ng: gray and RGB, four formats, names that spreadsheets and shells dislike, two broken files"
    exts,odd = ['png','jpg','bmp','tif'],['=cmd()','a, b','weiß 中','-x','q"uote']
    ok,ng = tmp_path/'parts/ok',tmp_path/'parts/ng'
    for i in range(80):
        y = i%4==0
        ext = exts[i//4%4 if y else i%4]
        name = f'{odd[i//10]}_{i}' if i%10==0 and i<50 else f'{i:03d}'
        part((ng if y else ok)/f'{name}.{ext}', y, i, 'RGB' if i%3==0 else 'L')
    (ok/'zero.png').write_bytes(b'')
    (ng/'cut.bmp').write_bytes((ok/'002.bmp').read_bytes()[:900])
    return tmp_path/'parts'

@pytest.fixture
def hashed(tmp_path):
    "A table of 36 good and 12 defect parts, hashed, in sets"
    from semiconductor_cls.base.files import file_md5
    from semiconductor_cls.base.table import make_table
    rows = []
    for i in range(48):
        p,y = tmp_path/f'imgs/{i:02}.png',i%4==0
        part(p, y, i)
        rows.append(dict(path=str(p), label='defect' if y else 'good', split='valid' if i%3==2 else 'train'))
    return make_table(rows).assign(hash=[file_md5(r['path']) for r in rows])

@pytest.fixture(scope='session')
def replica(tmp_path_factory):
    "A small replica of the contest's data and the truth about it. No test changes it"
    from semiconductor_cls.synth import synth
    path = tmp_path_factory.mktemp('synth')/'chips'
    return path,synth(path, scale=.01, seed=3, wrong_labels=.1)

# ---- given scores

def draw(m, n, gap=2., seed=0, centre=0.):
    "Scores of `m` defects and `n` good parts: two bells, `gap` apart on the logit scale"
    r = np.random.default_rng(seed)
    y = np.r_[np.ones(m, bool), np.zeros(n, bool)]
    return y, expit(r.normal(size=m+n) + gap*(y-centre))

def draw_members(m=40, n=120, k=4, seed=0):
    "Scores of `k` members of a committee, a column each"
    r = np.random.default_rng(seed)
    y = np.r_[np.ones(m, bool), np.zeros(n, bool)]
    z = 2*y + r.normal(size=m+n) + r.normal(size=(k,m+n))
    return y, pd.DataFrame(1/(1+np.exp(-z.T)), columns=[f'm{i}' for i in range(k)])

def score_table(y, p, pre='', groups=None):
    "Predictions as a run writes them"
    ids = [f'{pre}{i}' for i in range(len(y))]
    df = pd.DataFrame(dict(id=ids, path=[f'{i}.png' for i in ids], label=np.where(y, 'defect', 'good'), p_defect=p))
    return df if groups is None else df.assign(group=[f'{pre}{k}' for k in groups])

def scored_run(path, valid, test=None):
    "A run directory with nothing but predictions"
    from semiconductor_cls.base.table import write_csv
    from semiconductor_cls.base.run import create_run
    run = create_run(path)
    write_csv(valid, run/'preds_valid.csv')
    if test is not None: write_csv(test, run/'preds_test.csv')
    return run

def tiny(**changes):
    "A recipe of two epochs on pictures of 32 pixels"
    from semiconductor_cls.recipe import QUICK
    return dataclasses.replace(QUICK, **dict(arch='test_resnet', sizes=(32,), epochs=1, bs=8) | changes)

N = 120 # test images of a `stub`

@pytest.fixture
def stub(tmp_path):
    "Make a finished run of given test scores, half of them defects; its other images are for training"
    from semiconductor_cls.base.table import write_csv
    from semiconductor_cls.base.run import create_run
    def f(name, p=None, skill=1., seed=0, tta='', table=None, **info):
        n = N if p is None else len(p)
        y = np.arange(n)%2==1
        noise = np.random.default_rng(seed).normal(size=n)
        if p is None: p = 1/(1+np.exp(-(skill*(y-.5)*2+noise)))
        given = dict(fingerprint='f', split_fingerprint='s', seed=0, source=str(tmp_path/'parts'))
        run = create_run(tmp_path/name, **given | dict(recipe=dataclasses.asdict(tiny(tta=tta))) | info)
        test = pd.DataFrame(dict(id=[f't{i:03d}' for i in range(n)], path='x', label=np.where(y, 'defect', 'good')))
        for s in ('valid','test'): write_csv(test.assign(p_defect=p), run/f'preds_{s}.csv')
        rest = pd.DataFrame(dict(id=[f'r{i:03d}' for i in range(40)], path='x', label=['good','defect']*20))
        full = pd.concat([test.assign(split='test'), rest.assign(split=['train','valid']*20)], ignore_index=True)
        full = full.assign(hash='h'+full.id, group=full.index//2)
        write_csv(full if table is None else table(full), run/'table.csv')
        run.update(status='finished')
        return run.path
    return f

class Brightness:
    "A scorer that needs no network"
    sizes,channels,name,runtime,key,cuts = [32],1,'stub','stub','stub',(.3,.6)
    def score(self, xs): return xs[32].reshape(len(xs[32]), -1).mean(1)/255

def stub_scorer(monkeypatch, make=Brightness):
    "Whatever run is named, `make()` scores"
    from semiconductor_cls.line import predict, watch
    for room in (predict,watch): monkeypatch.setattr(room, 'open_scorer', lambda *_: make())
    monkeypatch.setattr('semiconductor_cls.cli._check_paths', lambda **_: None)

# ---- runs

def once(factory, name, make):
    "A folder that `make` fills, by one of the processes that share the tests; the others wait for it"
    if 'PYTEST_XDIST_WORKER' not in os.environ:
        alone = factory.mktemp(name)
        make(alone)
        return alone
    path = factory.getbasetemp().parent/name # of this test run
    done = path.with_suffix('.done')
    with open(path.with_suffix('.lock'), 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(path, ignore_errors=True) # left where it failed
            path.mkdir()
            make(path)
            done.touch()
    return path

def train_two(p):
    from semiconductor_cls.jobs.committee import ensemble_run
    from semiconductor_cls.base.table import write_csv
    from semiconductor_cls.jobs.job import train_job
    from semiconductor_cls.synth import synth_folder
    with pytest.MonkeyPatch.context() as mp:
        mp.setenv('SEMICLS_CACHE', str(p/'cache'))
        write_csv(synth_folder(p/'parts', 60, 40), p/'parts.csv')
        recipes = dict(a=tiny(), b=tiny(arch='test_efficientnet', sizes=(48,), tta=''))
        for name,r in recipes.items(): train_job(p/'parts.csv', r, path=p/f'runs/{name}', weights='none')
        ensemble_run([p/'runs/a', p/'runs/b'], p/'runs/both')
    shutil.rmtree(p/'cache')

@pytest.fixture(scope='session')
def trained(tmp_path_factory):
    "parts, parts.csv with their boxes, runs/a and runs/b of two backbones, runs/both. No test changes them"
    return once(tmp_path_factory, 'trained', train_two)

@pytest.fixture
def runs(trained, tmp_path):
    "A copy of the runs, for a test that changes them"
    return Path(shutil.copytree(trained/'runs', tmp_path/'runs'))

@pytest.fixture(scope='session')
def bundles(trained, tmp_path_factory):
    "both, for onnxruntime, and a, for OpenVINO. No test changes them"
    for o in ('onnx','onnxscript','onnxruntime','openvino'): pytest.importorskip(o)
    from semiconductor_cls.line.export import export_run
    def export(p):
        export_run(trained/'runs/both', out=p/'both')
        export_run(trained/'runs/a', 'openvino', out=p/'a')
    return once(tmp_path_factory, 'bundles', export)

@pytest.fixture
def bundle(bundles, tmp_path):
    "A copy of a bundle, for a test that changes it"
    return Path(shutil.copytree(bundles/'a', tmp_path/'bundle'))

def random_run(path, size=64, seed=0):
    "A run with random weights, as training leaves one"
    from fastai.vision.all import imagenet_stats, set_seed
    from semiconductor_cls.base.files import write_json
    from semiconductor_cls.base.run import create_run
    from semiconductor_cls.learner import create_model, save_model
    from semiconductor_cls.recipe import QUICK
    r = dataclasses.replace(QUICK, sizes=(size,), tta='')
    run = create_run(path, recipe=dataclasses.asdict(r), size=size, stats=imagenet_stats, seed=seed)
    set_seed(seed)
    save_model(create_model(r.arch, r.pool), run/'model.safetensors')
    write_json(run/'metrics.json', dict(threshold=.5))
    run.update(status='finished')
    return run

# ---- the station

@pytest.fixture(scope='module')
def one_thread():
    "Pictures of 32 pixels are not worth two threads, which on a busy machine wait for each other"
    import torch
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)

@pytest.fixture(scope='session')
def place(trained, tmp_path_factory):
    "A copy of `trained` in which stations work"
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp('station')/'place'))

HELD = []

def free_port():
    "A port that no other process gets before the server of this test has it"
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1) # a server that sets it too may listen there
    s.bind(('127.0.0.1', 0))
    HELD.append(s)
    return s.getsockname()[1]

class Server:
    "`semicls serve` in a process of its own"
    def __init__(self, place, *args, run='both'):
        self.port,self.place = free_port(),place
        self.url = f'http://127.0.0.1:{self.port}/'
        (place/'temp').mkdir(exist_ok=True)
        limits = ['--no-browser', '--max-mb', '2', '--max-files', '20']
        words = ['serve', f'runs/{run}', '--port', self.port, *limits, *args]
        alone = dict(CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1', http_proxy='', TMPDIR=str(place/'temp'))
        self.p = Command(words, place, os.environ | alone, subprocess.STDOUT)
        wait_for(self.answers, self.p)

    def answers(self):
        try: urllib.request.urlopen(self.url, timeout=PATIENCE).close()
        except urllib.error.HTTPError: return True
        except OSError: return False
        return True

    def stop(self):
        "End it; all that it said"
        self.p.terminate()
        try: return self.p.communicate(timeout=PATIENCE)[0]
        except subprocess.TimeoutExpired:
            self.p.kill()
            raise

    def quiet(self):
        "End it; nothing went wrong inside"
        out = self.stop()
        assert 'Traceback' not in out, out

    def __enter__(self): return self
    def __exit__(self, *_):
        if self.p.poll() is None: self.stop()

@pytest.fixture(scope='module')
def chromium():
    if not CHROME: pytest.skip('no chromium on this machine: apt-get install chromium')
    sync = pytest.importorskip('playwright.sync_api').sync_playwright
    with sync() as p:
        b = p.chromium.launch(executable_path=CHROME, args=['--no-sandbox'])
        yield b
        b.close()

@pytest.fixture
def chrome(chromium):
    "A browser whose pages go with their test: one whose station has gone asks for it again and again"
    yield chromium
    for context in chromium.contexts: context.close()

def get(url, data=None, method=None, **heads):
    "Status and body of a request"
    heads = {k.replace('_','-'):v for k,v in heads.items()}
    try: r = urllib.request.urlopen(urllib.request.Request(url, data, heads, method=method), timeout=PATIENCE)
    except urllib.error.HTTPError as e: r = e
    return r.status, r.read().decode(errors='replace')

def journal_of(s, **heads):
    "The journal of a station, as anybody can have it"
    return pd.read_csv(io.StringIO(get(s.url+'journal.csv', **heads)[1]), keep_default_na=False)

def multipart(name, data):
    "The body of an upload of one file"
    named = b'Content-Disposition: form-data; name="files"; filename="'+name+b'"'
    return b'--x\r\n'+named+b'\r\nContent-Type: image/png\r\n\r\n'+data+b'\r\n--x--\r\n'
