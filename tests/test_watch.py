"A watched folder: each file is scored once over kills, and rows without a score show in the exit code"
import os, signal, time, types
import pytest
from conftest import lines, part, picture, random_run, stub_scorer, wait_for
from semiconductor_cls.base.table import read_csv
import semiconductor_cls.line.watch as watch

@pytest.mark.parametrize('broken,code', [(False,0), (True,3)])
def test_a_watch_with_rows_without_a_score_ends_in_3(broken, code, tmp_path, monkeypatch, capsys):
    from semiconductor_cls.cli import main
    picture(tmp_path/'in/a.png')
    if broken: (tmp_path/'in/b.png').write_bytes(b'')
    clock = iter(range(1000))
    def sleep(_):
        if lines(tmp_path/'o.csv')==2+broken: raise KeyboardInterrupt
    monkeypatch.setattr(watch, 'time', types.SimpleNamespace(monotonic=lambda: next(clock), sleep=sleep))
    stub_scorer(monkeypatch)
    monkeypatch.chdir(tmp_path)
    args = 'predict stub --watch in --settle 1 --out o.csv'.split()
    monkeypatch.setattr('sys.argv', ['semicls', *args])
    with pytest.raises(SystemExit) as e: main()
    out = capsys.readouterr().out
    assert e.value.code==code
    assert ('2 files scored' if broken else '1 file scored') in out and f'{broken:d} without a score' in out
    assert read_csv('o.csv').p_defect.isna().sum()==broken

def test_a_stop_while_a_row_is_written_still_counts_it(tmp_path, monkeypatch):
    "Ctrl-C between the row and its count once gave exit 0 where a file had no score"
    (tmp_path/'in').mkdir()
    (tmp_path/'in/zero.png').write_bytes(b'')
    stub_scorer(monkeypatch)
    fsync = os.fsync
    def stopped(fd):
        fsync(fd)
        if lines(tmp_path/'o.csv')>1: signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(os, 'fsync', stopped)
    counts = watch.watch_folder('stub', tmp_path/'in', tmp_path/'o.csv', settle=.1)
    assert counts['']==1 and len(read_csv(tmp_path/'o.csv'))==1

def test_watch_scores_each_file_once_over_kills(semicls, tmp_path):
    random_run(tmp_path/'run', 32)
    d,out = tmp_path/'in',tmp_path/'o.csv'
    d.mkdir()
    def start():
        p = semicls('predict', 'run', '--watch', 'in', '--settle', '.5', '--out', 'o.csv', wait=False)
        wait_for(lambda: 'watching' in p.stderr.readline(), p)
        return p
    def rows(): return lines(out)-1
    for n in ('a.png','b.png'): part(d/n, 0, 1)
    p = start()
    wait_for(lambda: rows()>=2, p)
    whole = (d/'a.png').read_bytes()
    (d/'.hidden.png').write_bytes(whole)
    (d/'x.tmp.png').write_bytes(whole)
    (d/'notes.txt').write_text('x')
    step = len(whole)//5+1
    with open(d/'slow.png', 'wb') as f: # comes in pieces
        for i in range(0, len(whole), step):
            f.write(whole[i:i+step])
            f.flush()
            time.sleep(.3)
    wait_for(lambda: rows()>=3, p)
    p.send_signal(signal.SIGKILL)
    p.communicate()
    with open(out, 'ab') as f: f.write(b'torn,"half a row')
    (d/'sub').mkdir()
    part(d/'sub/a.png', 1, 2)
    (d/'zero.png').write_bytes(b'')
    p = start()
    wait_for(lambda: rows()>=5, p)
    p.send_signal(signal.SIGINT)
    said,err = p.communicate(timeout=30)
    assert p.returncode==3 and '2 files scored' in said and 'Traceback' not in err # 3: one of them is broken
    df = read_csv(out)
    assert df.id.tolist()[:2]==['a','b']
    assert set(df.id)=={'a','b','slow','sub/a','zero'} and df.path.is_unique
    assert df.note.notna().tolist()==[i=='zero' for i in df.id]
