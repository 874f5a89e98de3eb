"The decode cache and the checkpoint on bad days: two builders at once, a killed builder, a full disk"
import os, resource, signal, subprocess, sys, time
from pathlib import Path
import pandas as pd, pytest
from conftest import part

BUILD = """
import sys, warnings; warnings.filterwarnings('ignore')
from semiconductor_cls.base.table import make_table
from semiconductor_cls.cache import ImageCache
import semiconductor_cls.data as d
from pathlib import Path
n,slow = 0,float(sys.argv[3])
load = d.load_image
def counted(*a):
    global n; n += 1
    if slow: import time; time.sleep(slow)
    return load(*a)
d.load_image = counted
df = make_table([dict(path=str(p), label='good') for p in sorted(Path(sys.argv[1]).glob('*.png'))])
print('start', flush=True)
c = ImageCache(df, 48, sys.argv[2])
print(n, int(sum(c[i].sum() for i in range(len(c)))), flush=True)
"""

def build(imgs, folder, slow=0., **kw): return subprocess.Popen([sys.executable,'-c',BUILD,str(imgs),str(folder),str(slow)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)

@pytest.fixture
def imgs(tmp_path):
    for i in range(40): part(tmp_path/f'imgs/{i:02}.png', 0, i)
    return tmp_path/'imgs'

def test_two_builders_at_once_and_a_third_that_decodes_nothing(imgs, tmp_path):
    a,b = build(imgs, tmp_path/'c', .01),build(imgs, tmp_path/'c', .01)
    (na,sa),(nb,sb) = (p.communicate(timeout=120)[0].split()[1:] for p in (a,b))
    assert a.returncode==b.returncode==0 and sa==sb
    n,s = build(imgs, tmp_path/'c').communicate(timeout=120)[0].split()[1:]
    assert (n,s)==('0',sa) # the second model of a committee spends nothing on decoding
    assert sorted(o.suffix for o in (tmp_path/'c').iterdir())==['.json','.npy']

def test_a_killed_builder_leaves_nothing_that_counts(imgs, tmp_path):
    p = build(imgs, tmp_path/'c', .05)
    p.stdout.readline(); time.sleep(.5); p.send_signal(signal.SIGKILL); p.wait()
    assert not list((tmp_path/'c').glob('*.npy'))
    for o in (tmp_path/'c').glob('.*.tmp'): os.utime(o, (1,1)) # a day later
    n,s = build(imgs, tmp_path/'c').communicate(timeout=120)[0].split()[1:]
    assert n=='40'
    assert sorted(o.suffix for o in (tmp_path/'c').iterdir())==['.json','.npy'] # the leftovers are gone

def limit(n): # a disk that is full: no file may grow beyond n bytes
    def f(): signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (n,n))
    return f

def test_full_disk_while_decoding_is_an_error_and_leaves_nothing(imgs, tmp_path):
    p = build(imgs, tmp_path/'c', preexec_fn=limit(20_000))
    out,err = p.communicate(timeout=120)
    assert p.returncode==1 and 'OSError' in err and not [o for o in (tmp_path/'c').iterdir()]

def test_full_disk_loses_nothing_that_was_there(parts, semicls, tmp_path):
    args = ['train','parts','--good','ok','--defect','ng','--set','sizes=32','--set','epochs=2','--set','bs=8','--set','tta=off']
    assert semicls(*args, '--name','whole').returncode==0
    p = semicls(*args, '--name','r', wait=False)
    while 'unfrozen, epoch 1' not in p.stderr.readline(): assert p.poll() is None
    p.send_signal(signal.SIGINT); p.communicate(timeout=120)
    ckpt = (tmp_path/'runs/r/checkpoint.pt').read_bytes()
    p = semicls(*args, '--name','r','--resume', preexec_fn=limit(1_000_000))
    assert p.returncode==1 and len(p.err.strip().splitlines()[-1])<300 and 'Traceback' not in p.err, p.err
    assert (tmp_path/'runs/r/checkpoint.pt').read_bytes()==ckpt and not list((tmp_path/'runs/r').glob('.*.tmp'))
    assert semicls(*args, '--name','r','--resume').returncode==0
    assert (tmp_path/'runs/r/preds_test.csv').read_bytes()==(tmp_path/'runs/whole/preds_test.csv').read_bytes()
