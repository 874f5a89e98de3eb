"Heat maps from end to end: hostile names, broken files, a kill, committees, runs without boxes"
import json, os, shutil, signal, sys
import numpy as np, pytest
from PIL import Image
from conftest import PATIENCE, picture, wait_for
from semiconductor_cls.base.run import open_run
from semiconductor_cls.base.table import read_csv, write_csv
from semiconductor_cls.line import explain
from semiconductor_cls.line.explain import explain_run

NAMES = ['=cmd().bmp', '..hidden.bmp', 'weiß 中.bmp', 'a\nb.bmp', '$\\frac{x$.bmp', '<script>alert(1)<!--.bmp',
         'x'*200+'.bmp']
SAID = 'decision note threshold engine decision_id'.split()
COLUMNS = 'id path p_defect decision x y file note model threshold engine scored_at decision_id'.split()

def is_calm(name): return len(name)<80 and name.isascii() and name[0].isdigit() and not set(name) & set(' /\\<>=$\n')

@pytest.mark.parametrize('change,why', [(os.unlink, 'not found'), (picture, 'another picture than in training')])
def test_mistakes_without_their_pictures_are_counted(trained, tmp_path, monkeypatch, change, why):
    for name in ('runs/a','parts'): shutil.copytree(trained/name, tmp_path/name)
    for path in (tmp_path/'parts').rglob('*.bmp'): change(path)
    boxed,said = explain.boxed_defects,[]
    monkeypatch.setattr(explain, 'boxed_defects', lambda *asked: boxed(*asked)[:0]) # they are counted as well
    explain.explain_run(open_run(tmp_path/'runs/a', tmp_path/'parts'), tell=said.append)
    assert len(said)==1 and f' {why} of ' in said[0] and said[0].endswith('with --root'), said

def test_the_command_answers_about_every_file(semicls, trained, tmp_path):
    run,new,maps = trained/'runs/a',tmp_path/'new',tmp_path/'maps'
    chip = next((trained/'parts/defect').glob('*.bmp'))
    new.mkdir()
    for n in NAMES: shutil.copy(chip, new/n)
    foreign = np.random.default_rng(0).integers(0, 256, (267,275), dtype=np.uint8)
    Image.fromarray(foreign).save(new/'foreign.png')
    (new/'zero.png').write_bytes(b'')
    (new/'cut.bmp').write_bytes(chip.read_bytes()[:700])
    r = semicls('explain', run, 'new', 'new/..hidden.bmp', '--out', 'maps')
    assert r.returncode==3 and 'zero.png (zero bytes)' in r.err and '10 files' in r.out, r.err
    df = read_csv(maps/'explain.csv')
    assert list(df.columns)==COLUMNS
    assert {f'new/{n}' for n in NAMES} <= set(df.path)
    pictures = df.file.dropna()
    assert sorted(os.listdir(maps))==sorted(['explain.csv','report.html',*pictures])
    assert all(map(is_calm, pictures))
    html = (maps/'report.html').read_text()
    assert '<script' not in html and 'src="http' not in html
    assert html.count('<img')==8
    semicls('predict', run, 'new', 'new/..hidden.bmp', '--out', 'scores.csv', '--engine', 'torch')
    both = df.merge(read_csv(tmp_path/'scores.csv'), on='path')
    assert len(both)==10
    assert (both.p_defect_x-both.p_defect_y).abs().max()<1e-5
    for c in SAID: assert (both[f'{c}_x'].fillna('')==both[f'{c}_y'].fillna('')).all(), c
    assert both.set_index('path').decision_x['new/foreign.png']=='look'

def test_the_command_on_a_run_goes_into_its_report(semicls, runs):
    run = runs/'both'
    r = semicls('explain', 'runs/both')
    assert r.returncode==0 and 'boxed defects' in r.out, r.err
    assert r.out.count('\n')==1
    assert {'explain','explain_types','explain_sanity'} <= {o.stem for o in (run/'figures').glob('*.png')}
    assert 'where the network looked' in (run/'report.html').read_text()
    m,scores = json.loads((run/'explain.json').read_text()),read_csv(run/'explain_scores.csv')
    assert m['n_boxed']==10==len(scores)//3
    assert 0<=m['hit_lo']<=m['hit']<=m['hit_hi']<=1

MISTAKES = [(['RUN','x.png'], '--out'), (['RUN','--out','o'], '--out is for images'), (['gone'], 'no such run'),
            (['RUN','nowhere.png','--out','o'], 'nowhere.png: no such'), (['cut'], 'has no model'),
            (['RUN','x.png','--out','full'], 'not an empty folder')]

@pytest.mark.parametrize('args,want', MISTAKES)
def test_bad_input_is_one_line_and_leaves_nothing(trained, tmp_path, monkeypatch, capsys, args, want):
    from semiconductor_cls.cli import main
    run = trained/'runs/a'
    picture(tmp_path/'x.png')
    (tmp_path/'full').mkdir()
    (tmp_path/'full/a').touch()
    shutil.copytree(run, tmp_path/'cut')
    (tmp_path/'cut/model.safetensors').unlink()
    before = sorted(tmp_path.rglob('*'))
    monkeypatch.chdir(tmp_path)
    args = [str(run) if o=='RUN' else o for o in args]
    monkeypatch.setattr(sys, 'argv', ['semicls', 'explain', *args])
    with pytest.raises(SystemExit) as e: main()
    err = capsys.readouterr().err
    assert e.value.code==1 and want in err
    assert err.count('\n')==1 and 'Traceback' not in err
    assert sorted(tmp_path.rglob('*'))==before

@pytest.mark.parametrize('sig', [signal.SIGTERM, signal.SIGHUP])
def test_a_kill_leaves_no_half_folder(semicls, trained, tmp_path, sig):
    p = semicls('explain', trained/'runs/a', trained/'parts', '--out', tmp_path/'maps', wait=False)
    wait_for(lambda: list(tmp_path.glob('.maps*/*.png')), p)
    p.send_signal(sig)
    _,err = p.communicate(timeout=PATIENCE)
    left = [o for o in os.listdir(tmp_path) if 'maps' in o]
    assert p.returncode==130 and not left, (p.returncode, err)

def test_a_run_without_boxes_or_mistakes_or_files(runs, tmp_path):
    run = runs/'a'
    (run/'explain_scores.csv').write_text('of an earlier call')
    table,preds = read_csv(run/'table.csv'),read_csv(run/'preds_test.csv')
    write_csv(table.assign(boxes=[[] for _ in table.index]), run/'table.csv')
    gone = [str(tmp_path/f'gone{i}.bmp') for i in range(len(preds))]
    write_csv(preds.assign(path=gone), run/'preds_test.csv')
    open_run(run).finish() # the new tables are the run's own
    m = explain_run(run)
    assert m['n_boxed']==0 and 'hit' not in m
    assert (run/'figures/explain.png').exists()
    assert not (run/'explain_scores.csv').exists()
