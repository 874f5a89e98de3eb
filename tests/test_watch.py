"A watched folder: each file is scored once over kills, and rows without a score show in the exit code"
import http.server, json, os, shutil, signal, socket, threading, time, types
from pathlib import Path
import pytest
from conftest import PATIENCE, lines, part, picture, random_run, stub_scorer, wait_for
from semiconductor_cls.base.errors import UserError
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
    (d/'late.tmp.png').write_bytes(whole)
    (d/'late.tmp.png').rename(d/'late.png')
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
    said,err = p.communicate(timeout=PATIENCE)
    assert p.returncode==3 and '2 files scored' in said and 'Traceback' not in err # 3: one of them is broken
    df = read_csv(out)
    assert df.id.tolist()[:2]==['a','b']
    assert set(df.id)=={'a','b','late','sub/a','zero'} and df.path.is_unique
    assert df.note.notna().tolist()==[i=='zero' for i in df.id]

def test_a_picture_that_comes_in_pieces_is_scored_once_it_is_whole(tmp_path, monkeypatch):
    "A piece at each look of the watch, whose clock goes on by a second a look"
    data = Path(picture(tmp_path/'whole.bmp')).read_bytes()
    pieces,clock = iter([data[i:i+99] for i in range(0, len(data), 99)]),iter(range(10**6))
    here,out = tmp_path/'in/a.bmp',tmp_path/'o.csv'
    here.parent.mkdir()
    def sleep(_):
        if lines(out)>1: raise KeyboardInterrupt
        with open(here, 'ab') as f: f.write(next(pieces, b''))
    monkeypatch.setattr(watch, 'time', types.SimpleNamespace(monotonic=lambda: next(clock), sleep=sleep))
    stub_scorer(monkeypatch)
    counts = watch.watch_folder('stub', here.parent, out, settle=1.5)
    assert counts.total()==1 and not list(pieces) and read_csv(out).note.isna().all()

# ---- names that come again, and one folder under two names

def test_a_new_picture_under_an_old_name_is_scored(tmp_path, monkeypatch):
    "It was left alone, and nobody was told"
    for name in 'ab': picture(tmp_path/f'in/{name}.png')
    watched(tmp_path, monkeypatch, 2)
    picture(tmp_path/'in/a.png', 200)
    counts,said = watched(tmp_path, monkeypatch, 3)
    assert counts.total()==1 and 'a picture under an old name has a row of its own: a#2' in said
    counts,said = watched(tmp_path, monkeypatch, 3)
    assert counts.total()==0 and 'old name' not in said, 'each picture once'
    table = read_csv(tmp_path/'o.csv')
    assert table.id.tolist()==['a','b','a#2'] and table.path[2]==table.path[0]
    assert table.p_defect[2]>table.p_defect[0]

@pytest.mark.parametrize('put', [shutil.copy2, lambda new,old: os.replace(shutil.copy2(new, f'{new}.tmp'), old)])
def test_a_new_picture_of_the_same_size_and_time_is_scored(tmp_path, monkeypatch, put):
    "As `cp -p` and `rsync -t` leave it: it was left alone, and nobody was told"
    picture(tmp_path/'in/a.png')
    for path,gray in ((tmp_path/'new.bmp',200), (tmp_path/'in/b.bmp',50)):
        picture(path, gray)
        os.utime(path, (5,5))
    watched(tmp_path, monkeypatch, 2)
    os.link(tmp_path/'in/b.bmp', tmp_path/'backup.bmp')
    assert watched(tmp_path, monkeypatch, 2)[0].total()==0, 'a backup makes nothing new'
    put(tmp_path/'new.bmp', tmp_path/'in/b.bmp')
    counts,_ = watched(tmp_path, monkeypatch, 3)
    assert counts.total()==1 and read_csv(tmp_path/'o.csv').id.tolist()==['a','b','b#2']
    assert watched(tmp_path, monkeypatch, 3)[0].total()==0, 'each picture once'

def test_a_picture_that_comes_while_the_watch_runs_under_an_old_name(tmp_path, monkeypatch):
    picture(tmp_path/'in/a.png')
    again = []
    def camera():
        if not again: again.append(picture(tmp_path/'in/a.png', 200))
    add = watch.RowLog.add_scored
    def then_again(log, rows):
        add(log, rows)
        camera()
    monkeypatch.setattr(watch.RowLog, 'add_scored', then_again)
    counts,_ = watched(tmp_path, monkeypatch, 2)
    assert counts.total()==2 and read_csv(tmp_path/'o.csv').id.tolist()==['a','a#2']

def test_one_folder_under_two_names_is_scored_once(tmp_path, monkeypatch):
    for name in ('a.png','sub/b.png'): picture(tmp_path/'in'/name)
    (tmp_path/'link').symlink_to('in')
    monkeypatch.chdir(tmp_path)
    out = tmp_path/'o.csv'
    stub_scorer(monkeypatch)
    before,said = None,[]
    for folder in ('in', tmp_path/'in', 'link', './in/../in'):
        looks = iter(range(10**6))
        def sleep(_):
            if lines(out)>=3 and next(looks)>5: raise KeyboardInterrupt
        clock = iter(range(10**6))
        monkeypatch.setattr(watch, 'time', types.SimpleNamespace(monotonic=lambda: next(clock), sleep=sleep))
        watch.watch_folder('stub', folder, out, settle=.1, tell=said.append)
        before = before or out.read_bytes()
        assert out.read_bytes()==before
    assert read_csv(out).path.tolist()==['in/a.png','in/sub/b.png'] and said[-1].count('2 files scored before')

def test_a_kill_between_a_note_and_its_row_loses_no_picture(tmp_path, monkeypatch):
    picture(tmp_path/'in/a.png')
    watched(tmp_path, monkeypatch, 1)
    picture(tmp_path/'in/a.png', 200)
    def killed(log, rows): raise MemoryError('killed')
    with monkeypatch.context() as m, pytest.raises(MemoryError):
        m.setattr(watch.RowLog, 'add', killed)
        watched(tmp_path, m, 2)
    with open(tmp_path/'o.csv.stamps', 'ab') as f: f.write(b'["a",') # and one in the middle of a note
    counts,_ = watched(tmp_path, monkeypatch, 2)
    assert counts.total()==1 and watched(tmp_path, monkeypatch, 2)[0].total()==0

# ---- a results file a part, and a webhook

class Receiver:
    "A server that keeps what is posted and answers `status`"
    def __init__(self, status=200, port=0):
        self.got,self.status = [],status
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(handler):
                body = handler.rfile.read(int(handler.headers['content-length']))
                self.got.append(json.loads(body))
                handler.send_response(self.status)
                handler.end_headers()
            def log_message(handler, *_): pass
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
        self.port = self.server.server_port
        self.url = f'http://127.0.0.1:{self.port}/parts'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ids(self): return [o['id'] for o in self.got]
    def close(self):
        self.server.shutdown()
        self.server.server_close()

def watched(tmp_path, monkeypatch, n, until=lambda: True, **kw):
    "Watch until the table has `n` rows and `until()` holds; what was counted and said"
    stub_scorer(monkeypatch)
    said,stopped,clock,end = [],[],iter(range(10**6)),time.monotonic()+PATIENCE
    def sleep(seconds):
        time.sleep(.01)
        if not stopped and lines(tmp_path/'o.csv')==n+1 and (until() or time.monotonic()>end):
            stopped.append(True)
            raise KeyboardInterrupt
    monkeypatch.setattr(watch, 'time', types.SimpleNamespace(monotonic=lambda: next(clock), sleep=sleep))
    counts = watch.watch_folder('stub', tmp_path/'in', tmp_path/'o.csv', settle=.1, tell=said.append, **kw)
    return counts,'\n'.join(said)

def test_each_part_gets_a_file_and_a_post(tmp_path, monkeypatch):
    names = ['a.png','sub/a.png','a.bmp']
    for name in names: picture(tmp_path/'in'/name)
    (tmp_path/'in/zero.png').write_bytes(b'')
    r = Receiver()
    try: counts,_ = watched(tmp_path, monkeypatch, 4, lambda: len(r.got)==4, results=tmp_path/'res', webhook=r.url)
    finally: r.close()
    table = read_csv(tmp_path/'o.csv')
    files = sorted((tmp_path/'res').rglob('*.json'))
    assert [str(o.relative_to(tmp_path/'res')) for o in files]==sorted(f'{o}.json' for o in [*names,'zero.png'])
    kept = {o['path']:o for o in map(json.loads, (o.read_text() for o in files))}
    assert r.ids()==table.id.tolist() and counts['unposted']==0
    for row in r.got: assert row==kept[row['path']], 'table, file and post say the same'
    assert {o['id']:o['p_defect'] for o in r.got}['zero'] is None

def test_what_was_not_posted_is_said_and_comes_at_the_next_start(tmp_path, monkeypatch):
    picture(tmp_path/'in/a.png')
    with socket.socket() as s: # nobody listens at its port
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    url = f'http://127.0.0.1:{port}/parts'
    counts,said = watched(tmp_path, monkeypatch, 1, webhook=url)
    assert counts['unposted']==1 and len(read_csv(tmp_path/'o.csv'))==1, 'the score is there all the same'
    picture(tmp_path/'in/b.png', 200)
    r = Receiver(port=port)
    try: counts,said = watched(tmp_path, monkeypatch, 2, lambda: len(r.got)==2, webhook=url)
    finally: r.close()
    assert '1 of the rows in the table are still to be posted' in said
    assert (r.ids(),counts['unposted'])==(['a','b'],0)

def test_rows_of_a_new_table_under_the_old_name_are_posted(tmp_path, monkeypatch):
    "What was posted was known by its name once, and names come again"
    picture(tmp_path/'in/a.png')
    r = Receiver()
    try: watched(tmp_path, monkeypatch, 1, lambda: len(r.got)==1, webhook=r.url)
    finally: r.close()
    old = tmp_path/'may.csv'
    (tmp_path/'o.csv').rename(old)
    times = iter(f'2031-01-01T00:00:{i:02}+00:00' for i in range(60))
    monkeypatch.setattr(watch, 'now', lambda: next(times))
    counts,_ = watched(tmp_path, monkeypatch, 1, webhook=r.url)
    assert counts['unposted']==1, 'a new table, and nobody listens'
    r = Receiver(port=r.port)
    try: counts,said = watched(tmp_path, monkeypatch, 1, lambda: len(r.got)==1, webhook=r.url)
    finally: r.close()
    assert (r.ids(),counts['unposted'])==(['a'],0) and '1 of the rows' in said
    (tmp_path/'o.csv').unlink()
    old.rename(tmp_path/'o.csv') # the old table comes back
    counts,said = watched(tmp_path, monkeypatch, 1, webhook=r.url)
    assert counts['unposted']==0 and 'of the rows' not in said

@pytest.mark.parametrize('fault', [UnicodeError('label empty'), RuntimeError('anything'), 'journal'])
def test_no_fault_of_a_post_ends_the_others(tmp_path, monkeypatch, fault):
    for name in 'ab': picture(tmp_path/f'in/{name}.png')
    monkeypatch.setattr(watch.Posts.__init__, '__defaults__', (watch.noop, (.01,.01), 5.))
    asked,connection = [],watch._connection
    def faulty(url, *args):
        if threading.current_thread() is not threading.main_thread():
            asked.append(url)
            if len(asked)==1: raise fault
        return connection(url, *args)
    r = Receiver()
    add = watch.Notes.add
    def full(notes, more):
        if notes.path.suffix=='.posted': raise OSError(28, 'full')
        add(notes, more)
    if fault=='journal': monkeypatch.setattr(watch.Notes, 'add', full)
    else: monkeypatch.setattr(watch, '_connection', faulty)
    try: counts,said = watched(tmp_path, monkeypatch, 2, lambda: len(r.got)==2, webhook=r.url)
    finally: r.close()
    assert (sorted(r.ids()),counts['unposted'])==(['a','b'],0)
    assert ('cannot be written' if fault=='journal' else str(fault)) in said

def test_what_a_watch_leaves_out_is_told_once(tmp_path, monkeypatch):
    "Another ending, hidden pictures, thumbnails of a storage box, a name that is never finished"
    d = tmp_path/'in'
    for name in ('a.png','.b.png','@eaDir/c.png','@eaDir/d.png','e.tmp.png','sub/f.bmp'): picture(d/name)
    for name in ('g.gif','sub/h.gif','sub/i.svg'): (d/name).write_bytes(b'GIF89a')
    looks = iter(range(10**6))
    counts,said = watched(tmp_path, monkeypatch, 2, lambda: next(looks)>20)
    assert said.splitlines()[1:]==[f"{d}: left out: 2 in @eaDir, 2 '*.gif', 1 hidden, 1 '*.svg', 1 unfinished by name"]
    assert counts.total()==2 and len(read_csv(tmp_path/'o.csv'))==2

def test_a_watch_tells_which_place_it_does_not_enter(tmp_path, monkeypatch):
    "A link that leads out, and the watched folder itself, once its disk is gone"
    for name in ('in/a.png','other/b.png'): picture(tmp_path/name)
    (tmp_path/'in/link').symlink_to(tmp_path/'other')
    walk,looks = watch.walk_images,iter(range(10**6))
    def leaving(*args):
        if next(looks)==20: (tmp_path/'in').rename(tmp_path/'away')
        return walk(*args)
    monkeypatch.setattr(watch, 'walk_images', leaving)
    _,said = watched(tmp_path, monkeypatch, 3, lambda: next(looks)>60)
    assert said.count('in/link: a link that leads out')==said.count('in: folder cannot be opened')==1, said

@pytest.mark.parametrize('kind', ['posted','stamps'])
@pytest.mark.parametrize('hurt', ['link','dangling','pipe'])
def test_the_journal_of_posts_is_never_followed(tmp_path, monkeypatch, hurt, kind):
    picture(tmp_path/'in/a.png')
    journal,other = tmp_path/f'o.csv.{kind}',tmp_path/'other'
    if hurt=='link': other.write_text('mine\n')
    if hurt=='pipe': os.mkfifo(journal)
    else: journal.symlink_to(other)
    with pytest.raises(UserError, match=f'o.csv.{kind}: is a link or no plain file'):
        watched(tmp_path, monkeypatch, 1, webhook='http://127.0.0.1:9/')
    assert other.read_text()=='mine\n' if hurt=='link' else not other.exists()

def test_a_row_that_is_refused_does_not_stop_the_others(tmp_path, monkeypatch):
    for name in 'ab': picture(tmp_path/f'in/{name}.png')
    r = Receiver(status=422)
    try: counts,said = watched(tmp_path, monkeypatch, 2, lambda: len(r.got)==2, webhook=r.url)
    finally: r.close()
    assert counts['unposted']==2 and said.count('answers 422')==2 and r.ids()==['a','b']

def test_a_receiver_that_hangs_holds_up_no_score(tmp_path, monkeypatch):
    for name in 'ab': picture(tmp_path/f'in/{name}.png')
    monkeypatch.setattr(watch.Posts.__init__, '__defaults__', (watch.noop, (.05,.05), .2))
    with socket.create_server(('127.0.0.1', 0)) as s: # takes calls, and never answers
        url = f'http://127.0.0.1:{s.getsockname()[1]}/'
        counts,said = watched(tmp_path, monkeypatch, 2, webhook=url)
    assert counts['unposted']==2 and len(read_csv(tmp_path/'o.csv'))==2

def test_posts_go_on_after_a_kill(semicls, tmp_path):
    random_run(tmp_path/'run', 32)
    for i in range(3): part(tmp_path/f'in/{i}.png', 0, i)
    r = Receiver(status=503)
    def start():
        args = 'predict run --watch in --settle .5 --out o.csv --results res --webhook'.split()
        return semicls(*args, r.url, wait=False)
    try:
        p = start()
        wait_for(lambda: lines(tmp_path/'o.csv')==4 and r.got, p)
        p.send_signal(signal.SIGKILL)
        p.communicate()
        r.got.clear()
        r.status = 200
        p = start()
        wait_for(lambda: len(r.got)==3, p)
        p.send_signal(signal.SIGINT)
        said,err = p.communicate(timeout=PATIENCE)
    finally: r.close()
    assert r.ids()==read_csv(tmp_path/'o.csv').id.tolist() and len(list((tmp_path/'res').iterdir()))==3
    assert p.returncode==0 and 'Traceback' not in err and '3 of the rows' in err

def test_results_and_webhook_belong_to_a_watch(semicls):
    for args,why in ((('--results','d'),'belongs to --watch'), (('--webhook','http://h/'),'belongs to --watch'),
                     (('--watch','.','--webhook','ftp://h/'),'an address such as'),
                     (('--watch','.','--webhook','http://plc..local:8080/x'),'plc..local is no name of a host')):
        images = () if '--watch' in args else ('x.png',)
        p = semicls('predict', 'run', *images, *args, '--out', 'o.csv')
        assert p.returncode==1 and why in p.err, p.err
