"Small drawn parts and a way to run the command as a person does"
import os, subprocess, sys
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
