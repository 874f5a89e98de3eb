"Files in, table out: mistakes cost one line, a killed run goes on and ends in the same bytes"
import random, re, shutil, signal, time, zipfile
import numpy as np, pandas as pd, pytest
from conftest import Brightness, lines, part, picture, random_run, stub_scorer, tree, wait_for
from hostile import png, tarred
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import write_json
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.base.run import create_run, now
from semiconductor_cls.line.score import PRED_COLS
from semiconductor_cls.line.predict import Journal, predict_table
from semiconductor_cls.line.watch import RowLog

ENDS,WATCHED = 'has to end in','--watch in --out'
MISTAKES = {
    'in --out o.txt': ENDS+' .csv or .parquet', 'in --out in': ENDS, 'in --out d.csv': 'is a folder',
    'in/l.csv --out in/l.csv': 'is one of the inputs', 'in --out o.parquet --submission': 'a submission is a .csv',
    'in --out o.csv --engine magic': 'one of auto, torch, export', 'in --out o.csv --engine export': 'semicls export',
    '--out o.csv': 'give the images', 'in --watch in --out o.csv': '--watch takes no further images',
    WATCHED+' o.parquet': ENDS+' .csv', '--watch gone --out o.csv': 'no such folder',
    WATCHED+' in/l.csv': 'no table of this kind', '--watch in --settle 0 --out o.csv': '--settle', 'in': 'out'}

def stamps(root): return {p:p.stat().st_mtime_ns for p in root.rglob('*') if p.is_file()}

@pytest.mark.parametrize('args,want', MISTAKES.items())
def test_mistakes_cost_one_line_and_leave_nothing(args, want, tmp_path, monkeypatch, capsys):
    from semiconductor_cls.cli import main
    picture(tmp_path/'in/a.png')
    (tmp_path/'in/l.csv').write_text('path\na.png\n')
    (tmp_path/'d.csv').mkdir()
    create_run(tmp_path/'stub')
    write_json(tmp_path/'stub/metrics.json', dict(threshold=.5))
    before = stamps(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('semiconductor_cls.line.network.TorchScorer', lambda run: Brightness())
    monkeypatch.setattr('sys.argv', ['semicls','predict','stub',*args.split()])
    with pytest.raises(SystemExit) as e: main()
    err = capsys.readouterr().err
    assert e.value.code in (1,2)
    assert want in err and len(err.splitlines())==1
    assert stamps(tmp_path)==before

def test_contest_layout_submission_parquet_and_look(tmp_path, monkeypatch):
    stub_scorer(monkeypatch)
    contest,test = tmp_path/'c',tmp_path/'c/test/test_contest/test'
    for d in ('good_all','defect'): part(contest/f'train/train_contest/{d}/x.bmp', 0, 0)
    for i,value in enumerate((10,100,250)): picture(test/f'{i}.bmp', value)
    n = predict_table('stub', [contest], tmp_path/'s.csv', submission=True)
    assert (n['pass'],n['look'],n['reject'],n['files'])==(1,1,1,3)
    sub = pd.read_csv(tmp_path/'s.csv', dtype={'id':str})
    assert sub.columns.tolist()==['id','defect_score']
    assert sub.id.tolist()==['0','1','2']
    predict_table('stub', [contest], tmp_path/'s.parquet')
    df = pd.read_parquet(tmp_path/'s.parquet')
    assert df.columns.tolist()==PRED_COLS
    assert df.decision.tolist()==['pass','look','reject']
    assert np.allclose(df.p_defect, sub.defect_score)

@pytest.mark.parametrize('beside,want', [(['@eaDir/a.png','a.gif','b.gif','.hidden.png'],
    "left out: 2 '*.gif', 1 in @eaDir, 1 hidden"), (['Thumbs.db','notes.docx','__MACOSX/a.png'],
    "left out: 1 in __MACOSX, 1 '*.db', 1 '*.docx'"), ([], None)])
def test_what_is_left_out_is_one_line_of_predict(beside, want, tmp_path, monkeypatch, capsys):
    from semiconductor_cls.cli import main
    stub_scorer(monkeypatch)
    for name in ('a.png','b.png',*beside):
        (tmp_path/'in'/name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith('.png'): picture(tmp_path/'in'/name)
        else: (tmp_path/'in'/name).write_bytes(b'GIF89a')
    monkeypatch.setattr('sys.argv', ['semicls','predict','stub',str(tmp_path/'in'),'--out',str(tmp_path/'o.csv')])
    try: main()
    except SystemExit as e: assert not e.code
    said = capsys.readouterr()
    assert [o for o in said.err.splitlines() if o.startswith('left out')]==[want]*bool(want), said.err
    assert len(read_csv(tmp_path/'o.csv'))==2

@pytest.mark.parametrize('name', ['t.csv','t.parquet'])
def test_a_table_that_is_a_link_is_written_where_it_leads(tmp_path, monkeypatch, name):
    stub_scorer(monkeypatch)
    (tmp_path/'store').mkdir()
    (tmp_path/name).symlink_to(tmp_path/'store'/name)
    for size in (1,2):
        picture(tmp_path/f'in/{size}.png')
        predict_table('stub', [tmp_path/'in'], tmp_path/name)
        assert (tmp_path/name).is_symlink() and tree(tmp_path/'store')==[name]
    assert name=='t.parquet' or len(read_csv(tmp_path/'store/t.csv'))==2

@pytest.mark.parametrize('name', ['n'*250+'.csv', '芯'*80+'.parquet'])
def test_a_name_too_long_for_its_journal_is_told_as_it_was_given(tmp_path, monkeypatch, name):
    stub_scorer(monkeypatch)
    with pytest.raises(OSError, match='too long') as refused:
        predict_table('stub', [picture(tmp_path/'in/a.png')], tmp_path/name)
    assert refused.value.filename==str(tmp_path/name)

def test_rows_of_a_list_that_are_not_scored_are_counted(tmp_path, monkeypatch):
    stub_scorer(monkeypatch)
    for name in 'ab': picture(tmp_path/f'{name}.png')
    (tmp_path/'l.csv').write_text('n,path\n1,a.png\n2,\n3,./a.png\n\n4\n5,b.png\n')
    said = []
    n = predict_table('stub', [tmp_path/'l.csv'], tmp_path/'o.csv', tell=said.append)
    assert n['files']==2
    assert said[0].endswith('l.csv: read as a list of 3 paths, 1 of them named again and scored once, '
                            '2 rows without a path left out')

def test_pictures_that_an_earlier_input_names_too_are_counted(tmp_path, monkeypatch):
    stub_scorer(monkeypatch)
    for name in 'abc': picture(tmp_path/f'lot/{name}.png')
    with zipfile.ZipFile(tmp_path/'lot.zip', 'w') as z:
        for name in 'ab': z.write(tmp_path/f'lot/{name}.png', f'{name}.png')
    given = ['lot/a.png','lot','lot/../lot/[bc].png','lot.zip','lot.zip']
    said = []
    n = predict_table('stub', [tmp_path/o for o in given], tmp_path/'o.csv', tell=said.append)
    assert n['files']==5
    counts = [f'{tmp_path/name}: {what} named before and scored once'
              for name,what in (('lot','1 picture'), (given[2],'2 pictures'), ('lot.zip','2 pictures'))]
    assert said[0]=='; '.join(counts)

# ---- killed and gone on with

def many(folder, n):
    "Some drawn parts under `n` names, and a broken one"
    for i in range(20): part(folder/f'{i:05d}.png', i%4==0, i)
    for i in range(20, n): shutil.copyfile(folder/f'{i%20:05d}.png', folder/f'{i:05d}.png')
    (folder/'00033x.png').write_bytes(b'no image')

TIME = rb'20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00'

def timeless(path, times=1):
    "The bytes of a table without the time at which its command began, which stands in each row"
    data = path.read_bytes()
    assert len(set(re.findall(TIME, data)))==times
    return re.sub(TIME, b'', data)

def test_killed_and_started_again_ends_in_the_same_bytes(semicls, tmp_path):
    random_run(tmp_path/'run', 48)
    many(tmp_path/'in', 1500)
    whole,killed,journal = (tmp_path/n for n in ('whole.csv','killed.csv','.killed.csv.journal'))
    def command(out, **kw): return semicls('predict', 'run', 'in', '--out', out.name, **kw)
    p = command(whole)
    assert p.returncode==3 and '1,501 files' in p.out and 'images/s' in p.out, p.err
    p = command(killed, wait=False)
    wait_for(lambda: lines(journal)>=3, p)
    p.send_signal(signal.SIGSTOP) # it stands still while another one tries
    second = command(killed)
    assert second.returncode==1 and 'another semicls predict' in second.err
    p.send_signal(signal.SIGKILL)
    p.communicate()
    assert p.returncode==-signal.SIGKILL and not killed.exists()
    begun = now()
    time.sleep(1.1)
    again = command(killed)
    assert again.returncode==3 and 'had been scored before' in again.err, again.err
    assert timeless(killed)==timeless(whole)
    assert not journal.exists()
    df = read_csv(whole)
    assert read_csv(killed).scored_at.max()<=begun
    assert len(df)==1501 and df.path.is_unique
    assert df.note.notna().sum()==1

@pytest.mark.slow
def test_killed_at_random_moments(semicls, tmp_path):
    "Each life adds some batches to the journal; after eight deaths one may live on"
    random_run(tmp_path/'run', 128)
    many(tmp_path/'in', 1500)
    members = [(f'{i}.png', (tmp_path/f'in/{i:05d}.png').read_bytes(), b'0') for i in range(300)]
    (tmp_path/'in.tgz').write_bytes(tarred(members, 'w:gz'))
    whole,killed,journal = (tmp_path/n for n in ('whole.parquet','killed.parquet','.killed.parquet.journal'))
    def command(out, **kw): return semicls('predict', 'run', 'in', 'in.tgz', '--out', out.name, **kw)
    assert command(whole).returncode==3
    rng = random.Random(0)
    for _ in range(8):
        p,goal = command(killed, wait=False),lines(journal)+rng.randint(1, 4)
        wait_for(lambda: lines(journal)>=goal, p)
        p.send_signal(signal.SIGKILL)
        p.communicate()
        assert p.returncode==-signal.SIGKILL and not killed.exists()
    assert command(killed).returncode==3
    both = [pd.read_parquet(o).drop(columns='scored_at') for o in (killed,whole)]
    pd.testing.assert_frame_equal(*both)

class Dies(Brightness):
    "Three batches, then Ctrl-C"
    left = 3
    def score(self, xs):
        if not self.left: raise KeyboardInterrupt
        self.left -= 1
        return super().score(xs)

def test_what_changed_while_it_was_dead_is_scored_anew(tmp_path, monkeypatch):
    images,out,fresh = tmp_path/'in',tmp_path/'o.csv',tmp_path/'new.csv'
    many(images, 200)
    stub_scorer(monkeypatch, Dies)
    with pytest.raises(KeyboardInterrupt): predict_table('stub', [images], out)
    (images/'00040.png').unlink()
    (images/'00040.png').write_bytes(png(v=255))
    stub_scorer(monkeypatch)
    said = []
    predict_table('stub', [images], out, tell=said.append)
    assert '64 of 201 files' in said[-1]
    predict_table('stub', [images], fresh)
    assert timeless(out)==timeless(fresh)

def test_no_row_has_a_time_from_before_its_decision(tmp_path, monkeypatch):
    "A new decision between two starts: the scores stay, the time starts anew, and then stays too"
    run,images,out,fresh = random_run(tmp_path/'run', 48),tmp_path/'in',tmp_path/'o.csv',tmp_path/'new.csv'
    many(images, 120)
    def at(hour): monkeypatch.setattr('semiconductor_cls.line.predict.now', lambda: f'2036-01-01T{hour}:00:00+00:00')
    def stops(line):
        said.append(line)
        if 'no score' in line: raise KeyboardInterrupt
    said = []
    at('08')
    with pytest.raises(KeyboardInterrupt): predict_table(run.path, [images], out, tell=stops)
    monkeypatch.setattr('semiconductor_cls.base.run.now', lambda: '2036-01-01T09:00:00+00:00')
    run.decide(.2, .4, 'by hand')
    at('10')
    monkeypatch.setattr('semiconductor_cls.line.predict.write_rows', lambda *_: 1/0) # it dies once more, at the end
    with pytest.raises(ZeroDivisionError): predict_table(run.path, [images], out, tell=said.append)
    assert sum('another decision' in o for o in said)==1 and '64 of 121 files had been scored before' in said[-1]
    monkeypatch.undo()
    at('11')
    predict_table(run.path, [images], out, tell=said.append)
    assert sum('another decision' in o for o in said)==1 and '121 of 121 files' in said[-1]
    df,decision = read_csv(out),run.decisions[-1]
    assert set(df.scored_at)=={'2036-01-01T10:00:00+00:00'}
    assert set(df.decision_id)=={decision['id']} and decision['time']<='2036-01-01T10:00:00+00:00'
    predict_table(run.path, [images], fresh)
    assert timeless(out)==timeless(fresh)

def test_a_journal_of_before_does_not_say_which_decision_it_was(tmp_path, monkeypatch):
    part(tmp_path/'in/a.png', 0, 0)
    stub_scorer(monkeypatch)
    with Journal(tmp_path/'.o.csv.journal') as journal: journal.add('started', '2026-01-01T00:00:00+00:00')
    said = []
    predict_table('stub', [tmp_path/'in'], tmp_path/'o.csv', tell=said.append)
    assert 'another decision' in said[0] and read_csv(tmp_path/'o.csv').scored_at[0]>'2026-01-01T00:00:00+00:00'

def test_a_torn_journal_and_a_torn_header(tmp_path):
    path,table,header = tmp_path/'j',tmp_path/'w.csv',','.join(PRED_COLS)
    with Journal(path) as j: j.add('k', [[.5,'']])
    line = path.read_bytes()
    path.write_bytes(line+line.replace(b'"k"', b'"l"')[:-1])
    with Journal(path) as j:
        assert list(j.at)==['k']
        j.add('m', [[.6,'']])
        assert (j.rows('k'), j.rows('m'))==([[.5,'']],[[.6,'']])
    table.write_text(header)
    RowLog(table).f.close()
    assert table.read_text().splitlines()==[header]

def test_a_table_that_a_watch_appends_to_is_not_replaced(trained, tmp_path):
    log = RowLog(tmp_path/'w.csv')
    with pytest.raises(UserError, match='another semicls predict'):
        predict_table(trained/'runs/a', [trained/'parts/good'], tmp_path/'w.csv')
    log.f.close()
