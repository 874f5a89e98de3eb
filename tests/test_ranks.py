"Several processes train one model: under torchrun, on the CPU, and against one process with the whole batch"
import json, os, re, shutil, signal, subprocess, sys, time
from pathlib import Path
import numpy as np, pytest
from conftest import PATIENCE, part
from sklearn.metrics import roc_auc_score
from warm import Command
from semiconductor_cls.base.files import file_md5
from semiconductor_cls.base.table import make_table, read_csv, write_csv

CHILD = Path(__file__).with_name('rank_child.py')
ENV = dict(OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='', HF_HUB_OFFLINE='1')
LAUNCHER = [sys.executable, '-m', 'torch.distributed.run']
torchrun = [*LAUNCHER, '--standalone', '--nproc-per-node']
TRAIN = ['-m', 'semiconductor_cls', 'train', 'table.csv']

@pytest.fixture(scope='module')
def place(tmp_path_factory):
    "72 parts, a third of them defects, in a table; an odd number is for validation"
    p,rows = tmp_path_factory.mktemp('ranks'),[]
    for i in range(72):
        path,y = p/f'{"ng" if i%3==0 else "ok"}/{i:02}.png',i%3==0
        part(path, y, i)
        split = 'valid' if i<21 else 'test' if i>68 else 'train'
        rows.append(dict(path=str(path), label='defect' if y else 'good', split=split))
    table = make_table(rows)
    write_csv(table.assign(hash=[file_md5(o) for o in table.path]), p/'table.csv')
    return p

def witnessed(place, n, epochs, bs=8):
    "What `n` ranks saw, a dict a rank; one alone needs no torchrun, and no other process than has torch already"
    out = place/f'out{n}-{epochs}'
    out.mkdir()
    words = [place/'table.csv', out, epochs, bs]
    start = [*torchrun, n, CHILD, *words]
    if n>1: p = subprocess.Popen(map(str, start), env=os.environ | ENV, stderr=subprocess.PIPE, text=True)
    else: p = Command(words, place, os.environ | ENV, code=CHILD.read_text())
    _,err = p.communicate(timeout=PATIENCE)
    assert p.returncode==0, err[-3000:]
    return [json.loads((out/f'rank{k}.json').read_text()) for k in range(n)]

def same_training(place, n, epochs):
    "The claims that hold for any number of ranks"
    [one],ranks,table = witnessed(place, 1, epochs),witnessed(place, n, epochs),read_csv(place/'table.csv')
    steps = zip(*(o['rows'] for o in ranks))
    assert [sorted(sum(step, [])) for step in steps]==[sorted(step) for step in one['rows']], 'other rows than alone'
    grads = np.array([o['grads'] for o in ranks])
    assert np.abs(grads-np.array(one['grads'])).max()<1e-6
    assert np.abs(np.array(one['grads'])).max()>1e-3
    for name in ('weights','found','probs'): assert len({json.dumps(o[name]) for o in ranks})==1, name
    for o in ranks:
        drawn = sum(o['rows'], [])
        assert abs((table.label[drawn]=='defect').mean()-.5)<.05
        assert len({*drawn})>20
    valid = table[table.split=='valid']
    assert len(valid)%2 and (table.label=='defect').mean()<.4
    assert np.abs(np.array(ranks[0]['found'])-np.array(one['found']))[:,1:4].max()<1e-5 # loss, AUC, accuracy
    return ranks[0],roc_auc_score(valid.label=='defect', ranks[0]['probs'])

def test_two_ranks_take_the_steps_of_one_process(place):
    rank,auc = same_training(place, 2, 24)
    assert rank['found'][-1][2]==pytest.approx(auc, abs=1e-12), 'the AUC of all files, each once'

@pytest.mark.slow
def test_four_ranks_take_the_steps_of_one_process(place):
    rank,auc = same_training(place, 4, 48)
    assert rank['found'][-1][2]==pytest.approx(auc, abs=1e-12)

# ---- the command

TINY = '--arch resnet18 --weights none --set sizes=32 --set epochs=2 --set bs=8 --set ema=0.9 --good ok --defect ng'

def start(place, *more, n=2, data='table.csv', **env):
    "`torchrun -m semiconductor_cls train` in a process of its own"
    words = [*torchrun, str(n), *TRAIN[:-1], data, *TINY.split()]
    own = dict(SEMICLS_CACHE=str(place/'cache'), **ENV)
    return subprocess.Popen([*words, *map(str, more)], cwd=place, env=os.environ | own | env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

def pid_of(p, rank):
    "The process of a rank, by what its environment says"
    for proc in Path('/proc').glob('[0-9]*'):
        try: env,up = (proc/'environ').read_bytes(),int(re.search(r'\) \S (\d+)', (proc/'stat').read_text())[1])
        except (OSError, TypeError): continue
        if up==p.pid and f'\0RANK={rank}\0'.encode() in b'\0'+env: return int(proc.name)

def until(p, words):
    "What was said until `words` were"
    said = []
    for line in p.stderr:
        said.append(line)
        if words in line: return ''.join(said)
    pytest.fail(''.join(said))

def ended(p):
    p.out,p.err = p.communicate(timeout=PATIENCE)
    return p

def preds(run): return [(run/f).read_bytes() for f in ('preds_test.csv','preds_valid.csv','model.safetensors')]

@pytest.fixture(scope='module')
def whole(place):
    "A run of two ranks from start to end"
    p = ended(start(place, '--name', 'whole'))
    assert p.returncode==0, p.err
    assert p.out.count('\n')==1 and 'AUC' in p.out # one answer, though there are two processes
    return place/'runs/whole'

@pytest.mark.slow
def test_a_run_of_two_ranks_is_a_run_like_any_other(whole, place):
    info = json.loads((whole/'run.json').read_text())
    assert (info['status'], info['world'], info['threads'])==('finished',2,1)
    steps = read_csv(whole/'steps.csv')
    each = steps.defects_each.str.split(' ', expand=True).astype(int)
    assert (steps.images==8).all() and (each.sum(axis=1)==steps.defects).all() and each.shape[1]==2
    assert len(read_csv(whole/'preds_valid.csv'))==21 and (whole/'report.html').exists()
    assert not [o for o in whole.iterdir() if o.name.startswith('.')]

@pytest.mark.slow
def test_a_killed_rank_is_named_and_the_run_goes_on_to_the_same_bytes(whole, place):
    p = start(place, '--name', 'killed')
    until(p, 'unfrozen, epoch 1')
    os.kill(pid_of(p, 1), signal.SIGKILL)
    since = time.monotonic()
    ended(p)
    assert p.returncode and time.monotonic()-since<60
    assert re.search(r'rank\s*:? 1', p.err), p.err
    words = [sys.executable, *TRAIN, '--name', 'killed', '--resume']
    alone = subprocess.run(words, cwd=place, env=os.environ | ENV, capture_output=True, text=True)
    assert alone.returncode==1 and 'this run was started with 2' in alone.stderr
    again = ended(start(place, '--name', 'killed', '--resume'))
    assert again.returncode==0, again.err
    assert preds(place/'runs/killed')==preds(whole)

@pytest.mark.slow
def test_a_rank_that_hangs_is_named(place):
    p = start(place, '--name', 'hangs', SEMICLS_TIMEOUT='20')
    until(p, 'frozen, epoch 1')
    stopped = pid_of(p, 1)
    os.kill(stopped, signal.SIGSTOP)
    since = time.monotonic()
    ended(p)
    assert p.returncode and time.monotonic()-since<20+60
    assert re.search(rf'semicls: rank 1 of 2 \(process {stopped} on .*\): no answer within 20 s', p.err), p.err
    info = json.loads((place/'runs/hangs/run.json').read_text())
    assert info['status']=='failed' and 'rank 1 of 2' in info['error']

@pytest.mark.slow
@pytest.mark.parametrize('n,data,more,why', [
    (3, 'table.csv', [], 'bs=8 is the whole batch, and 3 ranks cannot share it; give a multiple of 3'),
    (2, 'table.csv', ['--folds','2'], '--folds: not with 2 processes'),
    (2, 'nowhere', [], 'nowhere: no such folder')])
def test_what_ranks_cannot_share_is_refused_once(place, n, data, more, why):
    p = ended(start(place, '--name', 'refused', *more, n=n, data=data))
    assert p.returncode and why in p.err and not (place/'runs/refused').exists()

@pytest.mark.slow
def test_only_train_may_be_started_several_times(place):
    words = [*torchrun, '2', '-m', 'semiconductor_cls', 'eda', '.', '--out', 'eda']
    done = subprocess.run(words, cwd=place, env=os.environ | ENV, capture_output=True, text=True)
    assert done.returncode and 'eda: started as 2 processes, which only train can share' in done.stderr
    assert not (place/'eda').exists()

# ---- two machines

def net(*words): return subprocess.run(['ip', *words], capture_output=True).returncode==0

@pytest.fixture
def two_machines():
    "Two network namespaces with a cable between them"
    a,b = (f'sc{os.getpid()}{o}' for o in 'ab')
    if not shutil.which('ip') or os.geteuid() or not net('netns', 'add', a): pytest.skip('no network namespaces here')
    net('netns', 'add', b)
    net('link', 'add', 'left', 'netns', a, 'type', 'veth', 'peer', 'name', 'right', 'netns', b)
    for name,cable,address in ((a,'left','10.77.0.1/24'), (b,'right','10.77.0.2/24')):
        net('-n', name, 'addr', 'add', address, 'dev', cable)
        for o in (cable,'lo'): net('-n', name, 'link', 'set', o, 'up')
    yield (a,'left'),(b,'right')
    for name in (a,b): net('netns', 'del', name)

@pytest.mark.slow
def test_two_machines_train_the_same_model_as_one_with_two_processes(two_machines, whole, place):
    agents = []
    for rank,(name,cable) in enumerate(two_machines):
        place_of = f'--nnodes 2 --node-rank {rank} --nproc-per-node 1 --master-addr 10.77.0.1 --master-port 29511'
        words = ['ip', 'netns', 'exec', name, *LAUNCHER, *place_of.split(), *TRAIN, *TINY.split(), '--name', 'two']
        own = dict(SEMICLS_CACHE=str(place/f'cache{rank}'), GLOO_SOCKET_IFNAME=cable, **ENV)
        agents.append(subprocess.Popen(words, cwd=place, env=os.environ | own, text=True, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE))
    for p in agents: ended(p)
    assert [p.returncode for p in agents]==[0,0], agents[0].err+agents[1].err
    assert preds(place/'runs/two')==preds(whole)
