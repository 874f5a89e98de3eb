"Stopped, killed or without disk, at any moment: a run ends like one that was never touched"
import dataclasses, json, random, signal, time
import pytest
from conftest import MAIN, heard, struck
from semiconductor_cls.all import *

class Stop(Exception): pass

@pytest.fixture
def chips(tmp_path):
    df = synth_folder(tmp_path/'chips', n_good=30, n_defect=10)
    return split_table(df.assign(hash=[file_md5(p) for p in df.path]))

def test_stopped_after_each_epoch_in_turn(chips, tmp_path):
    """Two frozen stages and two others, so a stop falls before, in and after each, and after the last epoch.
    What a killed process left half written goes."""
    r = dataclasses.replace(PAPER, arch='test_resnet', sizes=(32,48), frozen_epochs=2, epochs=2, bs=8, ema=.9, mixup=.2)
    def train(run, tell=lambda row: None):
        return train_run(chips, run, r, weights='none', device='cpu', folder=tmp_path/'cache', tell=tell)
    def stop(row): raise Stop('power cut')
    whole,cut = create_run(tmp_path/'whole'),create_run(tmp_path/'cut')
    train(whole)
    for i in range(8):
        with pytest.raises(Stop): train(cut, stop)
        (cut/'.model.safetensors.1-1.tmp').write_bytes(b'half a model')
    train(cut, stop) # no epoch is left, only the predictions
    for f in ('preds_test.csv','preds_valid.csv','model.safetensors'):
        assert (whole/f).read_bytes()==(cut/f).read_bytes(), f
    assert len(read_csv(cut/'history.csv'))==8
    assert not list(cut.path.rglob('.*.tmp'))

def test_body_frozen_again_stays_as_it_is(chips, tmp_path):
    "The second frozen stage follows one in which the body learned"
    r = dataclasses.replace(PAPER, arch='test_resnet', sizes=(32,48), frozen_epochs=2, epochs=1, bs=8)
    seen = []
    def log(learn, row, *_): seen.append([p.detach().clone() for p in learn.model[0].parameters() if p.ndim>1])
    fit_recipe(chips, r, weights='none', device='cpu', folder=tmp_path/'cache', log=log)
    same = [all((a==b).all() for a,b in zip(*o)) for o in zip(seen, seen[1:])]
    assert same==[True,False,True,True,False] # two frozen epochs, one unfrozen, twice

SOURCE = 'train parts --good ok --defect ng'.split()

FULL_DISK = f"""import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
{MAIN}"""

def test_full_disk_loses_nothing_that_was_there(parts, semicls, tmp_path):
    small = '--arch test_resnet --weights none --set sizes=32 --set epochs=2 --set bs=8 --set tta=off'
    args = [*SOURCE, *small.split()]
    whole,run = tmp_path/'runs/whole',tmp_path/'runs/r'
    assert semicls(*args, '--name', 'whole').returncode==0
    def start(): return semicls(*args, '--name', 'r', '--overwrite', wait=False)
    struck(start, 'unfrozen, epoch 1', signal.SIGINT)
    checkpoint = (run/'checkpoint.pt').read_bytes()
    p = semicls(*args, '--name', 'r', '--resume', code=FULL_DISK)
    assert p.returncode==1 and 'Traceback' not in p.err, p.err
    last = p.err.strip().splitlines()[-1]
    assert len(last)<300
    assert last==('semicls: runs/r/checkpoint.pt: cannot be written; is the disk full? make room; what there is lies '
                  'in runs/r/report.html; go on with: semicls train parts --out runs/r --good ok --defect ng --resume')
    assert 'the same command' not in p.err and p.err.count('go on with')==1
    kept = json.loads((run/'run.json').read_text())
    assert kept['status']=='failed' and 'checkpoint.pt' in kept['error']
    assert (run/'checkpoint.pt').read_bytes()==checkpoint
    assert not list(run.glob('.*.tmp'))
    assert semicls(*args, '--name', 'r', '--resume').returncode==0
    assert (run/'preds_test.csv').read_bytes()==(whole/'preds_test.csv').read_bytes()

KILLED = [*SOURCE, *'--arch efficientnet_lite0 --set sizes=32,48 --set epochs=3 --set bs=8'.split()]
EPOCHS = [f'{size} px, {stage}, epoch {k}:' for size in (32,48) for stage,n in (('frozen',1), ('unfrozen',3))
          for k in range(1, n+1)]

def half_written(run): return list(run.glob('.checkpoint.pt.*.tmp'))

def kill(p, run, rng, writing):
    """Kill `p` some time after a random epoch; where `writing`, on sight of a checkpoint's temporary file.
    Whether it was still at work, and writing if so wished"""
    heard(p, rng.choice(EPOCHS))
    time.sleep(rng.uniform(0, .5)) # a random moment is what is wanted
    while writing and p.poll() is None and not half_written(run): time.sleep(.001)
    p.send_signal(signal.SIGKILL)
    p.communicate()
    return p.returncode==-signal.SIGKILL and (not writing or len(half_written(run))==1)

@pytest.mark.slow
def test_five_kills_five_equal_results(semicls, parts, tmp_path):
    "Three kills at random moments, two on sight of a checkpoint's temporary file; one that came too late is repeated"
    whole = semicls(*KILLED, '--name', 'whole')
    assert whole.returncode==0, whole.err
    want = (tmp_path/'runs/whole/preds_test.csv').read_bytes()
    rng = random.Random(0)
    for i in range(5):
        name,run = f'k{i}',tmp_path/f'runs/k{i}'
        def killed(): return kill(semicls(*KILLED, '--name', name, '--overwrite', wait=False), run, rng, i>=3)
        assert any(killed() for _ in range(20))
        again = semicls(*SOURCE, '--name', name, '--resume')
        assert again.returncode==0, again.err
        assert json.loads((run/'run.json').read_text())['status']=='finished'
        assert (run/'preds_test.csv').read_bytes()==want
        assert not list(run.rglob('.*.tmp'))
