"Small drawn parts, a way to run the command as a person does, and a station with its visitors"
import dataclasses, os, socket, subprocess, sys, time, urllib.error, urllib.request
from pathlib import Path
import cv2, numpy as np, pytest
from PIL import Image

@pytest.fixture
def semicls(tmp_path):
    "Run `semicls ARGS` in `tmp_path` in a process of its own"
    env = {**os.environ, 'SEMICLS_CACHE': str(tmp_path/'cache'), 'HF_HUB_OFFLINE': '1', 'CUDA_VISIBLE_DEVICES': ''}
    cmd = [sys.executable, '-c', 'from semiconductor_cls.cli import main; main()']
    def run(*args, wait=True, **kw):
        p = subprocess.Popen([*cmd, *map(str, args)], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)
        if not wait: return p
        p.out,p.err = p.communicate(timeout=300)
        return p
    return run

def part(path, y, seed, mode='L'):
    "A gray part with a bright pad; a defect is a dark scratch"
    rng = np.random.default_rng(seed)
    a = np.full((60,66), 70.); a[15:45,15:50] = 180
    if y: cv2.line(a, (18,int(rng.integers(18,42))), (47,int(rng.integers(18,42))), 80, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((a+rng.normal(0,8,a.shape)).clip(0,255).astype(np.uint8)).convert(mode).save(path)

@pytest.fixture
def parts(tmp_path):
    "parts/ok and parts/ng: gray and RGB, four formats, names that spreadsheets and shells dislike, two broken files"
    exts,odd = ['png','jpg','bmp','tif'],['=cmd()','a, b','weiß 中','-x','q"uote']
    for i in range(80):
        y = i%4==0
        name = f'{odd[i//10]}_{i}' if i%10==0 and i//10<len(odd) else f'{i:03d}'
        part(tmp_path/'parts'/('ng' if y else 'ok')/f'{name}.{exts[i%4 if not y else (i//4)%4]}', y, i, 'RGB' if i%3==0 else 'L')
    (tmp_path/'parts/ok/zero.png').write_bytes(b'')
    (tmp_path/'parts/ng/cut.bmp').write_bytes((tmp_path/'parts/ok').joinpath('002.bmp').read_bytes()[:900])
    return tmp_path/'parts'

@pytest.fixture(scope='session')
def place(tmp_path_factory):
    "Drawn chips and two tiny runs with their committee"
    from semiconductor_cls.jobs.committee import ensemble_run
    from semiconductor_cls.jobs.job import train_job
    from semiconductor_cls.synth import synth_folder
    from semiconductor_cls.recipe import QUICK
    p = tmp_path_factory.mktemp('station')
    os.environ['SEMICLS_CACHE'] = str(p/'cache')
    synth_folder(p/'parts', n_good=60, n_defect=30)
    tiny = dataclasses.replace(QUICK, sizes=(32,), epochs=1, bs=8)
    for s in (0,1): train_job(p/'parts', tiny, s, path=p/f'runs/m{s}')
    ensemble_run([p/'runs/m0', p/'runs/m1'], p/'runs/both')
    return p

def tree(p): return sorted(str(o.relative_to(p)) for o in p.rglob('*'))

def free_port():
    with socket.socket() as s: s.bind(('127.0.0.1', 0)); return s.getsockname()[1]

class Server:
    "`semicls serve` in a process of its own"
    def __init__(self, place, *args, run='both'):
        self.port,self.place = free_port(),place
        self.url = f'http://127.0.0.1:{self.port}/'
        cmd = [sys.executable, '-c', 'from semiconductor_cls.cli import main; main()', 'serve', f'runs/{run}', '--port', str(self.port), '--no-browser', '--max-mb', '2', '--max-files', '20', *args]
        env = {**os.environ, 'CUDA_VISIBLE_DEVICES': '', 'OMP_NUM_THREADS': '1', 'http_proxy': '', 'TMPDIR': str(place/'temp')}
        (place/'temp').mkdir(exist_ok=True)
        self.p = subprocess.Popen(cmd, cwd=place, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(600):
            try: return urllib.request.urlopen(self.url, timeout=5).close()
            except urllib.error.HTTPError: return
            except OSError: time.sleep(.1)
            assert self.p.poll() is None, self.p.stdout.read()
    def stop(self):
        self.p.terminate()
        try: return self.p.communicate(timeout=30)[0]
        except subprocess.TimeoutExpired: self.p.kill(); raise
    def __enter__(self): return self
    def __exit__(self, *_): self.p.poll() is None and self.stop()

def get(url, data=None, method=None, **heads):
    "Status and body of a request"
    try: r = urllib.request.urlopen(urllib.request.Request(url, data, {k.replace('_','-'):v for k,v in heads.items()}, method=method), timeout=20)
    except urllib.error.HTTPError as e: r = e
    return r.status, r.read().decode(errors='replace')

def multipart(name, b): return b'--x\r\nContent-Disposition: form-data; name="files"; filename="'+name+b'"\r\nContent-Type: image/png\r\n\r\n'+b+b'\r\n--x--\r\n'
