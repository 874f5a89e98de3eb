"Heat maps from end to end: hostile names, broken files, a kill, committees, runs without boxes, a missing extra"
import dataclasses, json, os, signal, sys, time
import numpy as np, pytest, shutil, torch
from PIL import Image
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.table import read_csv, write_csv
from semiconductor_cls.base.run import open_run
from semiconductor_cls.base.image import load_image
from semiconductor_cls.learner import create_model
from semiconductor_cls.line.heat import enlarge, heat_maps, open_explainer, overlay
from semiconductor_cls.line.pointing import box_cover, find_peak, score_map
from semiconductor_cls.line.explain import explain_files, explain_run

@pytest.fixture(scope='module')
def place(tmp_path_factory):
    "Drawn chips with boxes, two tiny runs on them, and a committee"
    from semiconductor_cls.jobs.committee import ensemble_run
    from semiconductor_cls.jobs.job import train_job
    from semiconductor_cls.synth import synth_folder
    from semiconductor_cls.recipe import QUICK
    tmp = tmp_path_factory.mktemp('explain')
    old,os.environ['SEMICLS_CACHE'] = os.environ.get('SEMICLS_CACHE'),str(tmp/'cache')
    write_csv(synth_folder(tmp/'chips', 60, 40), tmp/'chips/table.csv')
    for n,sz in (('a',32),('b',48)): train_job(tmp/'chips/table.csv', dataclasses.replace(QUICK, sizes=(sz,), epochs=1, bs=8), path=tmp/f'runs/{n}')
    ensemble_run([tmp/'runs/a', tmp/'runs/b'], tmp/'runs/both')
    yield tmp
    os.environ.pop('SEMICLS_CACHE') if old is None else os.environ.update(SEMICLS_CACHE=old)

def test_the_command_answers_about_every_file(semicls, place, tmp_path):
    chip = next((place/'chips/defect').glob('*.bmp'))
    names = ['=cmd().bmp', '..hidden.bmp', 'weiß 中.bmp', 'a\nb.bmp', '$\\frac{x$.bmp', '<script>alert(1)<!--.bmp', 'x'*200+'.bmp']
    (tmp_path/'new').mkdir()
    for n in names: shutil.copy(chip, tmp_path/'new'/n)
    (tmp_path/'new/zero.png').write_bytes(b''); (tmp_path/'new/cut.bmp').write_bytes(chip.read_bytes()[:700])
    files = [f'new/{n}' for n in names]
    r = semicls('explain', place/'runs/a', 'new', 'new/..hidden.bmp', '--out', 'maps')
    assert r.returncode==3 and 'zero.png (zero bytes)' in r.err and '9 files' in r.err, r.err
    df = read_csv(tmp_path/'maps/explain.csv')
    assert list(df.columns)==['id','path','p_defect','decision','x','y','file','note'] and set(files) <= set(df.path)
    assert sorted(os.listdir(tmp_path/'maps'))==sorted(['explain.csv','report.html',*df.file.dropna()])
    assert all(len(o)<80 and o.isascii() and not set(o) & set(' /\\<>=$\n') and o[0].isdigit() for o in df.file.dropna())
    html = (tmp_path/'maps/report.html').read_text()
    assert '<script' not in html and html.count('<img')==7 and 'src="http' not in html
    p = semicls('predict', place/'runs/a', 'new', 'new/..hidden.bmp', '--out', 'scores.csv', '--engine', 'torch')
    j = df.merge(read_csv(tmp_path/'scores.csv'), on='path')
    assert len(j)==9 and (j.p_defect_x-j.p_defect_y).abs().max()<1e-5 and (j.decision_x.fillna('')==j.decision_y.fillna('')).all()

def test_the_command_on_a_run_goes_into_its_report(semicls, place):
    r,run = semicls('explain', place/'runs/both'),place/'runs/both'
    assert r.returncode==0 and 'boxed defects' in r.out and r.out.count('\n')==1, r.err
    assert {'explain','explain_types','explain_sanity'} <= {o.stem for o in (run/'figures').glob('*.png')}
    assert 'where the network looked' in (run/'report.html').read_text()
    m,t = json.loads((run/'explain.json').read_text()),read_csv(run/'explain_scores.csv')
    assert m['n_boxed']==10==len(t)//3 and 0<=m['hit_lo']<=m['hit']<=m['hit_hi']<=1

@pytest.mark.parametrize('args,want', [
    (['RUN','x.png'], '--out'), (['RUN','--out','o'], '--out is for images'), (['RUN','nowhere.png','--out','o'], 'nowhere.png: no such'),
    (['gone'], 'no such run'), (['RUN','x.png','--out','full'], 'not an empty folder'), (['cut'], 'has no model')])
def test_bad_input_is_one_line_and_leaves_nothing(place, tmp_path, monkeypatch, capsys, args, want):
    from semiconductor_cls.cli import main
    monkeypatch.chdir(tmp_path)
    Image.new('L', (20,20)).save('x.png'); (tmp_path/'full').mkdir(); (tmp_path/'full/a').touch()
    shutil.copytree(place/'runs/a', tmp_path/'cut'); (tmp_path/'cut/model.safetensors').unlink()
    before = sorted(str(p) for p in tmp_path.rglob('*'))
    monkeypatch.setattr(sys, 'argv', ['semicls','explain',*[str(place/'runs/a') if o=='RUN' else o for o in args]])
    with pytest.raises(SystemExit) as e: main()
    err = capsys.readouterr().err
    assert e.value.code==1 and want in err and err.count('\n')==1 and 'Traceback' not in err
    assert sorted(str(p) for p in tmp_path.rglob('*'))==before

def test_a_kill_leaves_no_half_folder(semicls, place, tmp_path):
    p = semicls('explain', place/'runs/a', place/'chips', '--out', tmp_path/'maps', wait=False)
    for _ in range(600):
        if list(tmp_path.glob('.maps*/*.png')): break
        time.sleep(.1)
    p.send_signal(signal.SIGTERM); out,err = p.communicate(timeout=60)
    assert p.returncode==130 and not [o for o in os.listdir(tmp_path) if 'maps' in o], (p.returncode, err)

def test_the_extra_is_named(place, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pytorch_grad_cam', None)
    with pytest.raises(UserError, match=r"pip install 'semiconductor_cls\[explain\]'"): open_explainer(place/'runs/a')

def test_a_run_without_boxes_or_mistakes_or_files(place, tmp_path):
    shutil.copytree(place/'runs/a', tmp_path/'r')
    (tmp_path/'r/explain_scores.csv').write_text('of an earlier call')
    t = read_csv(tmp_path/'r/table.csv'); t['boxes'] = [[] for _ in t.index]; write_csv(t, tmp_path/'r/table.csv')
    p = read_csv(tmp_path/'r/preds_test.csv'); p['path'] = [str(tmp_path/f'gone{i}.bmp') for i in range(len(p))]; write_csv(p, tmp_path/'r/preds_test.csv')
    m = explain_run(tmp_path/'r')
    assert m['n_boxed']==0 and 'hit' not in m and (tmp_path/'r/figures/explain.png').exists() and not (tmp_path/'r/explain_scores.csv').exists()

def test_a_committee_of_one_weight_is_its_member(place):
    shutil.copytree(place/'runs/both', place/'runs/w') # members are found beside it
    run,px = open_run(place/'runs/w'),[load_image(p) for p in sorted((place/'chips/defect').glob('*.bmp'))[:5]]
    run.update(weights={'a':0.,'b':1.})
    assert np.abs(open_explainer(run).maps(px)-open_explainer(place/'runs/b').maps(px)).max()<1e-5
    run.update(weights={'a':.25,'b':.75})
    ex,(a,b) = open_explainer(run),(open_explainer(place/f'runs/{n}').maps(px) for n in 'ab')
    mix = .25*enlarge(torch.from_numpy(a), ex.size)+.75*b
    got = ex.maps(px)
    assert got.shape==(5,48,48)
    for g,m in zip(got, mix): assert find_peak(g, (48,48))==find_peak(m, (48,48)) or not m.any()

def test_maps_turn_with_the_picture():
    torch.manual_seed(0)
    m,x = create_model('efficientnet_lite0').eval(),torch.randn(4,3,64,64)
    h = heat_maps(m, x, tta=True)
    assert h.any()
    for dims,back in (((3,), np.s_[:,:,::-1]), ((2,), np.s_[:,::-1]), ((2,3), np.s_[:,::-1,::-1])):
        assert np.abs(heat_maps(m, x.flip(dims), tta=True)-h[back]).max()<1e-3
    alone = np.concatenate([heat_maps(m, x[i:i+1], tta=True) for i in range(4)])
    assert np.abs(alone-h).max()<1e-3   # a picture's map does not depend on its neighbours

def test_boxes_keep_their_area_and_place():
    rng = np.random.default_rng(0)
    for _ in range(300):
        w,h = rng.integers(5,400,2); sz = int(rng.integers(8,130))
        x1,y1 = rng.integers(w),rng.integers(h); x2,y2 = rng.integers(x1,w),rng.integers(y1,h)
        c = box_cover([(x1,y1,x2,y2)], (w,h), sz)
        assert c.max()<=1+1e-9 and abs(c.sum()/sz**2 - (x2-x1+1)*(y2-y1+1)/(w*h))<1e-9
        s = score_map(c, [(x1,y1,x2,y2)], (w,h))
        assert s['inside'] or s['hit'] or max(w,h)/sz>15
        assert .0<=s['energy']<=1+1e-9 and 0<=s['iou']<=1 and 0<=s['box_acc']<=1

def test_overlay_takes_any_picture():
    for shape,mode in (((30,50),'L'), ((30,50,3),'RGB')):
        im = overlay(np.full(shape, 90, np.uint8), np.eye(7))
        assert im.size==(50,30) and im.mode=='RGB'
