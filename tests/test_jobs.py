"Trainings beside one another, each in a process of its own"
import os, signal, subprocess, sys, time
from pathlib import Path
import pytest
from semiconductor_cls.base import parallel
from semiconductor_cls.base.errors import UserError

# ---- jobs of these tests; a process of its own imports this file

def works(path, tell): (path/f'{os.getpid()}').write_text(os.environ['OMP_NUM_THREADS'])
def refuses(tell): raise UserError('no such folder')
def dies(path, tell):
    (path/f'try{os.getpid()}').touch()
    os.kill(os.getpid(), signal.SIGKILL)
def dies_once(path, tell):
    first = not list(path.glob('once*'))
    (path/f'once{os.getpid()}').touch()
    if first: os.kill(os.getpid(), signal.SIGKILL)
    tell('done')
def waits(path, tell):
    (path/'begun').touch()
    try: time.sleep(300)
    finally: (path/'stopped').touch()

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
from test_jobs import waits
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
