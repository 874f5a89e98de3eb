"Trainings beside one another, each in a process of its own"
import json, os, signal, subprocess, sys, time
from pathlib import Path
import pytest
from apart import dies, dies_once, refuses, works
from conftest import heard
from semiconductor_cls.base import parallel
from semiconductor_cls.base.errors import UserError

def test_a_job_that_dies_is_tried_once_more_and_costs_no_other(tmp_path):
    lines = []
    jobs = [('dead', dies, (tmp_path,), {}), ('luck', dies_once, (tmp_path,), {}), ('odd', refuses, (), {}),
            ('fine', works, (tmp_path,), {})]
    failed = parallel.run_apart(jobs, 2, lines.append)
    assert failed==dict(dead='killed by signal 9', odd='no such folder')
    assert len(list(tmp_path.glob('try*')))==2 and len(list(tmp_path.glob('once*')))==2
    assert 'luck: killed by signal 9; tried once more' in lines and 'luck: done' in lines
    assert lines.count('odd: no such folder; given up')==1
    with pytest.raises(UserError, match='2 failed .dead: killed by signal 9; odd: no such folder.; the others'):
        parallel.check_apart(failed)

@pytest.mark.parametrize('sig', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_who_stops_the_first_process_stops_all(sig, tmp_path):
    code = f'''import signal
from pathlib import Path
from semiconductor_cls.base import parallel
from apart import waits
if __name__=='__main__':
    signal.signal(signal.SIGTERM, parallel._stop)
    parallel.run_apart([('a', waits, (Path({str(tmp_path)!r}),), dict())], 2)'''
    (tmp_path/'main.py').write_text(code)
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(parallel.__file__).parents[2])])
    p = subprocess.Popen([sys.executable, tmp_path/'main.py'], env=os.environ | dict(PYTHONPATH=paths),
                         stderr=subprocess.DEVNULL)
    def seen(name, seconds=300):
        end = time.monotonic()+seconds
        while not (tmp_path/name).exists() and time.monotonic()<end: time.sleep(.05)
        return (tmp_path/name).exists()
    assert seen('begun')
    p.send_signal(sig)
    assert seen('stopped') and p.wait(300)!=0

@pytest.mark.slow
def test_folds_beside_one_another_give_the_bytes_of_one_after_the_other(parts, semicls, tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    tiny = '--good ok --defect ng --weights none --arch resnet10t --set sizes=16 --set epochs=1 --set bs=8 --folds 2'
    for name,more in (('a',[]), ('b',['--jobs','2'])):
        p = semicls('train', 'parts', *tiny.split(), '--name', name, *more)
        assert p.returncode==0, p.err
    assert 'fold0: ' in p.err and 'fold1: ' in p.err
    a,b = [(tmp_path/f'runs/{name}/preds_valid.csv').read_bytes() for name in 'ab']
    assert a==b

# ---- members of a committee, arms of an ablation

SMALL = '--good ok --defect ng --weights none ' \
        '--set sizes=16 --set frozen_epochs=0 --set epochs=2 --set bs=8 --set tta=off'
ASKED = dict( # What is asked, the table that comes out, its runs
    committee=('committee parts --arch resnet10t,test_resnet', '{}/combinations.csv', '{}-*-0'),
    ablate=('ablate parts --set arch=test_resnet --vary pool=concat,avg --seeds 0', '{}/ablation.csv', '{}/runs/*-s0'))

@pytest.mark.slow
@pytest.mark.parametrize('what', ASKED)
def test_stopped_beside_one_another_they_go_on_to_the_same_rows(what, parts, semicls, tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    words,table,members = ASKED[what]
    def ask(name, *more, **kw): return semicls(*words.split(), *SMALL.split(), '--name', name, *more, **kw)
    one = ask('one')
    assert one.returncode==0, one.err
    p = ask('two', '--jobs', '2', wait=False)
    heard(p, 'epoch 1')
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=600)
    assert p.returncode==130
    runs = [*(tmp_path/'runs').glob(members.format('two'))]
    ended = [json.loads((run/'run.json').read_text())['status'] for run in runs if (run/'run.json').exists()]
    assert 'running' not in ended and 'interrupted' in ended, ended
    two = ask('two', '--jobs', '2')
    assert two.returncode==0, two.err
    want,found = ((tmp_path/'runs'/table.format(name)).read_text() for name in ('one','two'))
    assert found.replace('two-', 'one-')==want
    runs = (tmp_path/'runs').glob(members.format('two')) # one of them may have had no time to begin before
    threads = [json.loads((run/'run.json').read_text())['threads'] for run in runs]
    assert threads==[1,1]

@pytest.mark.slow
@pytest.mark.parametrize('what', ASKED)
def test_a_member_that_fails_is_reported_and_costs_no_other(what, parts, semicls, tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    words,table,members = ASKED[what]
    bad = tmp_path/'runs'/('c-test_resnet-0' if what=='committee' else 'c/runs/pool=avg-s0')
    bad.parent.mkdir(parents=True)
    bad.write_text('no run directory')
    p = semicls(*words.split(), *SMALL.split(), '--name', 'c', '--jobs', '2')
    assert p.returncode==1
    said = p.err.strip().splitlines()
    ended = [o.rpartition('; ')[2] for o in said[:-1] if o.startswith(f'{bad.name}: ') and 'not a run directory' in o]
    assert ended==['given up'] and 'tried once more' not in p.err, 'what is refused is no bad luck'
    assert f'1 failed ({bad.name}: ' in said[-1] and 'the others are finished' in said[-1]
    others = [o for o in (tmp_path/'runs').glob(members.format('c')) if o!=bad]
    assert [json.loads((o/'run.json').read_text())['status'] for o in others]==['finished']
    assert bad.read_text()=='no run directory'
