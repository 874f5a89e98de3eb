"Files that are never half there, and the run directory made of them: guards `files` and `run`"
import os, threading
from concurrent.futures import ThreadPoolExecutor
import torch
from semiconductor_cls.base.files import file_md5, write_text
from semiconductor_cls.base.run import Run, create_run
from semiconductor_cls.learner import save_model

def test_threads_that_write_the_same_file(tmp_path):
    gate,path = threading.Barrier(8),tmp_path/'t.txt'
    def write(i):
        gate.wait()
        write_text(path, str(i)*100_000)
    with ThreadPoolExecutor(8) as ex: list(ex.map(write, range(8)))
    assert len(set(path.read_text()))==1
    assert [o.name for o in tmp_path.iterdir()]==['t.txt']

def test_a_pipe_among_the_images_is_no_reason_to_wait(tmp_path):
    os.mkfifo(tmp_path/'p.png')
    assert file_md5(tmp_path/'p.png')==''

def test_a_run_killed_while_it_was_made_does_not_block_its_name(tmp_path):
    run = tmp_path/'r'
    run.mkdir()
    (run/'.run.json.12.tmp').write_text('{')
    assert create_run(run).info['status']=='running'

def test_threads_that_decide_lose_no_decision(tmp_path):
    gate,run = threading.Barrier(4),create_run(tmp_path/'r')
    def decide(k):
        gate.wait()
        for i in range(10): Run(run.path).decide(.1+k/100+i/1000, .1+k/100+i/1000, f't{k}', str(i))
    with ThreadPoolExecutor(4) as pool: list(pool.map(decide, range(4)))
    kept = sorted((o['rule'], o['why']) for o in run.decisions)
    assert kept==sorted((f't{k}', str(i)) for k in range(4) for i in range(10))
    assert sorted(o.name for o in run.path.iterdir())==['decisions.jsonl','run.json']

def test_what_cannot_be_made_again_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced,replace = [],os.replace
    monkeypatch.setattr(os, 'fsync', lambda handle: synced.append(os.fstat(handle).st_ino))
    def check(new, old):
        assert os.path.basename(old)=='t.csv' or os.stat(new).st_ino in synced, old
        replace(new, old)
    monkeypatch.setattr(os, 'replace', check)
    run = create_run(tmp_path/'r')
    run.decide(.4, .4, 'by hand')
    save_model(torch.nn.Linear(2, 2), run/'model.safetensors')
    write_text(run/'t.csv', 'a,b')
    assert len(synced)>=3
