"Each of these once went wrong for a user"
import dataclasses, os, pickle, shutil, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np, pandas as pd, pytest
from PIL import Image
from conftest import part
from semiconductor_cls.all import *

TINY = dataclasses.replace(QUICK, arch='resnet18', sizes=(32,), epochs=1, bs=8)

def picture(path, v=90, mode='L'):
    path.parent.mkdir(parents=True, exist_ok=True); Image.new(mode, (40,30), v).save(path)
    return str(path)

def scored(path, p, groups=None, split='s', **info):
    "A finished run with given test scores, half of them defects"
    n = len(p)
    t = pd.DataFrame(dict(id=[f'{i:03d}' for i in range(n)], path='x', label=['good','defect']*(n//2)))
    run = create_run(path, fingerprint='f', split_fingerprint=split, recipe=dataclasses.asdict(TINY), seed=0, **info)
    for s in ('valid','test'): write_csv(t.assign(p_defect=p), run/f'preds_{s}.csv')
    write_csv(t.assign(split='test', group=range(n) if groups is None else groups), run/'table.csv'); run.update(status='finished')
    return run

@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    tmp = tmp_path_factory.mktemp('trained')
    with pytest.MonkeyPatch.context() as mp:
        mp.setenv('SEMICLS_CACHE', str(tmp/'cache'))
        synth_folder(tmp/'parts', n_good=60, n_defect=30)
        train_job(tmp/'parts', TINY, path=tmp/'runs/a', weights='none')
        yield tmp

# ---- tables and splits

def test_a_tables_own_lots_are_kept_and_kept_together(tmp_path):
    rows = [dict(path=picture(tmp_path/f'{i}.png', i), label='good' if i%3 else 'defect', lot=f'lot{i//5}') for i in range(120)]
    pd.DataFrame(rows).to_csv(tmp_path/'t.csv', index=False)
    df = read_source(tmp_path/'t.csv')
    assert set(df.lot)=={f'lot{i}' for i in range(24)}
    assert split_table(df, by='lot').groupby('lot').split.nunique().max()==1
    with pytest.raises(UserError, match='lot: no image has a value'): split_table(df.assign(lot=None), by='lot')

def test_boxes_of_a_table_go_to_their_path(tmp_path):
    rows = [dict(path=picture(tmp_path/d/'1.png'), label='defect', x_1=1, y_1=1, x_2=k, y_2=5, defect_type=d) for d,k in (('x',5),('y',7))]
    pd.DataFrame(rows).to_csv(tmp_path/'t.csv', index=False)
    df = read_source(tmp_path/'t.csv').set_index('defect_type')
    assert df.boxes['x']==[(1,1,5,5)] and df.boxes['y']==[(1,1,7,5)]

def test_labels_of_another_name_are_refused_and_not_dropped(tmp_path):
    pd.DataFrame([dict(path=picture(tmp_path/f'{i}.png', i), label=('OK','good','defect')[i%3]) for i in range(60)]).to_csv(tmp_path/'t.csv', index=False)
    with pytest.raises(UserError, match='20 labels are neither good nor defect'): prepare(tmp_path/'t.csv', TINY)

def test_a_folder_with_labels_csv_and_images_need_not_be_elpv(tmp_path):
    pd.DataFrame([dict(path=f'images/{i}.png', label='good') for i in range(3)]).to_csv(tmp_path/'labels.csv', index=False)
    for i in range(3): picture(tmp_path/f'images/{i}.png')
    assert len(read_source(tmp_path))==3

def test_an_id_of_two_files_is_refused_and_both_are_named(tmp_path):
    pd.DataFrame([dict(path=picture(tmp_path/f'{i}.png', i), label='good', id=('a','b','a')[i]) for i in range(3)]).to_csv(tmp_path/'t.csv', index=False)
    with pytest.raises(UserError, match=r"id 'a' stands for .*0\.png and for .*2\.png"): read_source(tmp_path/'t.csv')

def test_a_pipe_among_the_images_is_no_reason_to_wait(tmp_path):
    os.mkfifo(tmp_path/'p.png')
    assert file_md5(tmp_path/'p.png')==''

def test_sets_that_lack_a_class_are_refused_before_training(tmp_path):
    df = make_table([dict(path=f'{i}.png', label='good' if i%2 else 'defect') for i in range(60)]+[dict(path=f't{i}.png', label='good', split='test') for i in range(10)])
    with pytest.raises(UserError, match='no defect images among the 10 of the test set'): split_table(df)
    with pytest.raises(UserError, match='test=0.001'): split_table(df[df.split=='train'], test=.001)

def test_every_fold_holds_both_classes():
    lots = {0:(22,21), 1:(2,25), 2:(2,8), 3:(12,0)} # defects, good parts; dealing them out leaves a fold without good ones
    rows = [dict(label=l, group=g) for g,n in lots.items() for l,k in zip(('defect','good'), n) for _ in range(k)]
    df = pd.DataFrame(rows).assign(id=range(len(rows)), path='x', split='train', stratum=None)
    with pytest.raises(UserError, match='3 folds: fold 1 would hold no good part'): add_folds(df, 3)
    assert (pd.crosstab(add_folds(df, 2).fold, df.label)>0).all(axis=None)

def test_a_labelled_copy_stays_rather_than_one_without_a_label(tmp_path):
    for n in 'ab': picture(tmp_path/f'{n}.png')
    df = make_table([dict(path=str(tmp_path/'a.png')), dict(path=str(tmp_path/'b.png'), label='defect')])
    df = group_copies(df.assign(hash='h', pixel_hash='h', reason=None))
    assert Path(df.copy_of[df.id=='a'].iloc[0]).stem=='b'

# ---- training

def test_fewer_images_than_a_batch(tmp_path):
    df = make_table([dict(path=picture(tmp_path/f'{i}.png', 5*i), label=CLASSES[i%2], split='train' if i<20 else 'valid') for i in range(40)])
    assert len(make_dls(df, ImageCache(df, 32, tmp_path/'c'), bs=32, device='cpu').train)==1

def test_images_that_have_gone_are_not_black_ones(tmp_path):
    df = make_table([dict(path=str(tmp_path/f'gone{i}.png'), label=CLASSES[i%2], split='train') for i in range(4)])
    with pytest.raises(UserError, match='gone0.png: no such file'): recipe_dls(df, TINY, 32, 'cpu', tmp_path/'c')
    (tmp_path/'d.png').mkdir()
    df = make_table([dict(path=str(tmp_path/n)) for n in ('d.png','gone.png')])
    assert list(ImageCache(df, 32, tmp_path/'c').broken.values())==['directory','no such file']

def test_resume_refuses_another_split(trained, tmp_path):
    run = trained/'runs/a'
    df = read_csv(run/'table.csv')
    open_run(run).update(status='interrupted')
    try:
        with pytest.raises(UserError, match='cannot resume'): train_table(df.assign(split=df.split[::-1].to_numpy()), TINY, path=run, resume=True)
    finally: open_run(run).update(status='finished')

def test_resume_keeps_the_choice_of_weights(trained, tmp_path):
    def ctrl_c(line):
        if 'frozen, epoch 1' in line: raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): train_job(trained/'parts', TINY, path=tmp_path/'r', weights='none', tell=ctrl_c)
    train_job(trained/'parts', path=tmp_path/'r', resume=True)  # resnet18 has no packaged weights, so this would ask for some
    assert (tmp_path/'r/preds_test.csv').read_bytes()==(trained/'runs/a/preds_test.csv').read_bytes()

def test_a_device_that_is_not_there_is_one_line_and_leaves_nothing(trained, tmp_path):
    with pytest.raises(UserError, match='--device gpu: cannot be used here'): train_job(trained/'parts', TINY, path=tmp_path/'r', weights='none', device='gpu')
    assert not (tmp_path/'r').exists()

def test_a_run_killed_while_it_was_made_does_not_block_its_name(tmp_path):
    (tmp_path/'r').mkdir(); (tmp_path/'r/.run.json.12.tmp').write_text('{')
    assert create_run(tmp_path/'r').info['status']=='running'

def test_an_evaluation_that_fails_costs_no_training(tmp_path, monkeypatch):
    import semiconductor_cls.job as job
    monkeypatch.setenv('SEMICLS_CACHE', str(tmp_path/'cache'))
    synth_folder(tmp_path/'parts', n_good=40, n_defect=20)
    with monkeypatch.context() as m:
        m.setattr(job, 'evaluate_run', lambda run: 1/0)
        with pytest.raises(ZeroDivisionError): train_job(tmp_path/'parts', TINY, path=tmp_path/'r', weights='none')
    said = []
    train_job(tmp_path/'parts', TINY, path=tmp_path/'r', weights='none', resume=True, tell=said.append)
    assert not any('epoch' in o for o in said) and open_run(tmp_path/'r').info['status']=='finished' and not (tmp_path/'r/checkpoint.pt').exists()

# ---- committees

def test_a_committee_never_replaces_its_member(tmp_path):
    p = np.linspace(0, 1, 40)
    a,b = scored(tmp_path/'a', p),scored(tmp_path/'b', p[::-1])
    before = sorted(o.name for o in a.path.iterdir())
    with pytest.raises(UserError, match='is or holds the member'): ensemble_run([a.path, b.path], a.path, overwrite=True)
    with pytest.raises(UserError, match='is or holds the member'): ensemble_run([a.path, b.path], tmp_path, overwrite=True)
    assert sorted(o.name for o in a.path.iterdir())==before
    many = [scored(tmp_path/f'm{i}', p).path for i in range(17)]
    with pytest.raises(UserError, match='at most 16'): ensemble_run(many, tmp_path/'all')
    assert not (tmp_path/'all').exists()

def test_comparison_counts_groups_and_one_test_set(tmp_path):
    rng = np.random.default_rng(0)
    p = (np.repeat(rng.random(20), 12)+rng.normal(0, .01, 240)).clip(0, 1)
    q = rng.random(240)
    groups = np.repeat(range(20), 12)
    alone,together = (compare_runs([scored(tmp_path/f'{k}0', p, g).path, scored(tmp_path/f'{k}1', q, g).path]) for k,g in (('i',None),('g',groups)))
    y = np.arange(240)%2==1
    assert np.allclose(together.loc[0, ['lo','hi']].astype(float), auc_ci(y, p, groups=groups)[1:])
    assert together.hi[0]-together.lo[0]!=alone.hi[0]-alone.lo[0]
    x,y = scored(tmp_path/'x', p).path,scored(tmp_path/'y', q, split='t').path
    assert len(compare_runs([x, y]))==2 # trained on other data, judged on the same
    with pytest.raises(UserError, match='did not judge'): compare_runs([x, scored(tmp_path/'z', q[:-2]).path])

def test_a_member_of_another_recipe_is_not_taken_for_this_one(tmp_path):
    scored(tmp_path/'c-resnet18-0', np.linspace(0, 1, 40), source=str(tmp_path/'parts'))
    with pytest.raises(UserError, match='another recipe'): committee_job(tmp_path/'parts', ['resnet18'], r=dataclasses.replace(TINY, epochs=20), out=tmp_path/'c')
    with pytest.raises(UserError, match='was made of'): committee_job(tmp_path/'elsewhere', ['resnet18'], r=TINY, out=tmp_path/'c')

def test_the_baseline_is_in_every_ablation():
    v = variants(QUICK, parse_vary(['pool=avg,max']))
    assert list(v)==['base','pool=avg','pool=max'] and v['base']==QUICK

def test_calibration_knows_how_training_drew(tmp_path):
    run = scored(tmp_path/'r', np.linspace(0, 1, 40))
    write_csv(read_csv(run/'table.csv').assign(split='train', label=['defect']*4+['good']*36), run/'table.csv')
    assert train_share(run)==.5
    run.update(recipe={**run.info['recipe'], 'balanced':False})
    assert train_share(run)==.1

# ---- prediction and the station

def test_a_gray_model_sees_colour_alike_everywhere(trained, tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray((rng.random((50,40,3))*[255,90,30]).astype(np.uint8)).save(tmp_path/'c.png')
    p = predict_files(trained/'runs/a', [tmp_path/'c.png']).p_defect[0]
    assert open_run(trained/'runs/a').info['channels']==1
    assert abs(open_explainer(trained/'runs/a').scores([np.asarray(Image.open(tmp_path/'c.png'))])[0]-p)<1e-5

def test_a_run_with_a_pickle_in_it_scores_nothing(trained, tmp_path):
    shutil.copytree(trained/'runs/a', tmp_path/'r')
    (tmp_path/'r/evil.bin').write_bytes(pickle.dumps({'x': Path}, 0))
    with pytest.raises(UserError, match=r'evil\.bin: a pickle can run code'): predict_files(tmp_path/'r', [trained/'parts'])

def test_an_export_of_older_weights_is_not_used(trained, tmp_path):
    import shutil
    pytest.importorskip('onnxruntime')
    run = Path(shutil.copytree(trained/'runs/a', tmp_path/'a'))
    export_run(run)
    assert open_scorer(run).runtime=='onnxruntime'
    m = load_run_model(open_run(run)); m[1][-1].weight.data += 1; save_model(m, run/'model.safetensors')
    said = []
    assert open_scorer(run, tell=said.append).runtime=='torch' and 'made of other weights' in said[0]
    with pytest.raises(UserError, match='made of other weights'): open_scorer(run, 'export')

def test_the_stations_index_is_no_pickle_to_an_export(tmp_path):
    np.savez(tmp_path/'station.npz', x=np.ones(3)); refuse_pickles(tmp_path)
    np.savez(tmp_path/'other.npz', x=np.ones(3))
    with pytest.raises(UserError, match='other.npz'): refuse_pickles(tmp_path)

def test_no_file_twice_however_it_is_spelt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path); picture(tmp_path/'ph/a.png')
    assert list_inputs(['ph','./ph','ph/a.png'])==list_inputs('ph')==['ph/a.png']

def test_a_torn_journal_and_a_torn_header(tmp_path):
    with Journal(tmp_path/'j') as j: j.add('k', [[.5,'']])
    b = (tmp_path/'j').read_bytes(); (tmp_path/'j').write_bytes(b+b.replace(b'"k"', b'"l"')[:-1])
    with Journal(tmp_path/'j') as j:
        assert list(j.at)==['k']
        j.add('m', [[.6,'']]); assert (j.rows('k'), j.rows('m'))==([[.5,'']],[[.6,'']])
    (tmp_path/'w.csv').write_text(','.join(PRED_COLS))
    RowLog(tmp_path/'w.csv').f.close()
    assert (tmp_path/'w.csv').read_text().splitlines()==[','.join(PRED_COLS)]

def test_a_table_that_a_watch_appends_to_is_not_replaced(trained, tmp_path):
    log = RowLog(tmp_path/'w.csv')
    with pytest.raises(UserError, match='another semicls predict'): predict_table(trained/'runs/a', [trained/'parts/good'], tmp_path/'w.csv')
    log.f.close()

def test_threads_that_write_the_same_file(tmp_path):
    gate = threading.Barrier(8)
    def write(i): gate.wait(); write_text(tmp_path/'t.txt', str(i)*100_000)
    with ThreadPoolExecutor(8) as ex: list(ex.map(write, range(8)))
    assert len(set((tmp_path/'t.txt').read_text()))==1 and [o.name for o in tmp_path.iterdir()]==['t.txt']

def test_whatever_pillow_raises_is_an_answer(tmp_path, monkeypatch):
    part(tmp_path/'a.png', False, 0)
    monkeypatch.setattr(Image.Image, 'convert', lambda *a, **k: (_ for _ in ()).throw(TypeError('of a plugin')))
    monkeypatch.setattr('PIL.ImageOps.exif_transpose', lambda im, **k: (_ for _ in ()).throw(TypeError('of a plugin')))
    with pytest.raises(ImageError, match='of a plugin'): open_image(tmp_path/'a.png')

def test_names_of_inspectors_in_any_script():
    pytest.importorskip('gradio')
    from types import SimpleNamespace as N
    for who in ('Jürgen Groß','王芳'): assert name_of(N(headers={'x-station-user': who.encode().decode('latin-1')}), 'typed')==who

def test_drift_of_a_run_with_few_good_parts():
    df = pd.DataFrame({m:np.linspace(0, 1, 60) for m in METRICS})
    assert np.isnan(drift_table(df, df.head(5).assign(label='good'), 30).defects).all()
