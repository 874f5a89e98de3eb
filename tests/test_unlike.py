"What is no picture of the product never passes: by the command, by a bundle, by its script, with a run made before"
import csv, dataclasses, io, json, shutil, subprocess, sys, zipfile
import cv2, numpy as np, pytest
from conftest import part
from PIL import Image
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.jobs.job import train_job
from semiconductor_cls.line.score import decide, open_scorer, predict_files
from semiconductor_cls.recipe import QUICK
from semiconductor_cls.unlike import *

@pytest.fixture(scope='module')
def line(tmp_path_factory):
    "A run of 160 gray parts, and pictures of anything else"
    tmp = tmp_path_factory.mktemp('line')
    for i in range(160):
        y = i%3==0
        part(tmp/f"parts/{'defect' if y else 'good'}/{i:03}.png", y, i)
    recipe = dataclasses.replace(QUICK, arch='resnet18', sizes=(32,), epochs=1, frozen_epochs=0, bs=16)
    train_job(tmp/'parts', recipe, path=tmp/'run', weights='none')
    for i in range(20): part(tmp/f'own/{i}.png', i%3==0, 1000+i)
    for name,pixels in strangers(np.asarray(Image.open(tmp/'own/1.png'))).items():
        (tmp/'other').mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp/f'other/{name}.png')
    return tmp

def strangers(own):
    "Kinds of which the notebook knows nothing, beside a few that it knows"
    ring = np.full_like(own, 30)
    cv2.circle(ring, (33,30), 20, 220, 3)
    rolled = np.roll(own, own.shape[1]//2, 1)
    lines = own.copy()
    lines[::2] = 255
    burst = own.copy()
    burst[20:] = np.random.default_rng(0).integers(0, 256, burst[20:].shape)
    return dict(white=np.full_like(own, 255), black=np.zeros_like(own), ring=ring, rolled=rolled, lines=lines,
                torn_stream=burst, turned_values=255-own, posterised=own//128*255)

def test_nothing_foreign_passes_and_the_last_line_counts_it(line, semicls, tmp_path):
    p = semicls('predict', line/'run', line/'other', line/'own', '--out', 'scores.csv')
    assert p.returncode==0, p.err
    df = read_csv(tmp_path/'scores.csv')
    other = df.path.str.contains('/other/')
    assert (df.decision[other]=='look').all(), df[other]
    assert df.note[other].str.startswith(UNLIKE).all() and df.p_defect.notna().all()
    strange = df.note.fillna('').str.startswith(UNLIKE)
    assert strange[~other].sum()<=2
    assert f'{strange.sum()} because unlike training' in p.out+p.err
    assert 'look: ' in p.err and 'knows its product from' in p.err

def test_an_archive_is_judged_as_its_files_are(line, tmp_path):
    with zipfile.ZipFile(tmp_path/'lot.zip', 'w') as z:
        for p in sorted((line/'other').iterdir()): z.write(p, p.name)
    zipped,files = predict_files(line/'run', [tmp_path/'lot.zip']),predict_files(line/'run', [line/'other'])
    assert zipped.note.tolist()==files.note.tolist() and (zipped.decision=='look').all()

def test_a_picture_of_another_size_says_which(line, tmp_path):
    Image.open(line/'own/1.png').resize((660,600)).save(tmp_path/'large.png')
    Image.open(line/'own/1.png').resize((66,30)).save(tmp_path/'flat.png')
    df = predict_files(line/'run', [tmp_path])
    assert (df.decision=='look').all() and df.note.str.startswith(UNLIKE).all()

def test_a_run_made_before_scores_as_before_and_says_so_once(line, tmp_path):
    shutil.copytree(line/'run', tmp_path/'old')
    info = json.loads((tmp_path/'old/run.json').read_text())
    del info['unlike']
    (tmp_path/'old/run.json').write_text(json.dumps(info))
    said = []
    scorer = open_scorer(tmp_path/'old', tell=said.append)
    assert scorer.unlike is None and [o for o in said if 'does not know what its product looks like' in o]==said
    df,new = predict_files(tmp_path/'old', [line/'other']),predict_files(line/'run', [line/'other'])
    assert not df.note.str.contains(UNLIKE).any() and new.note.str.startswith(UNLIKE).all()
    assert df.p_defect.tolist()==new.p_defect.tolist()

@pytest.mark.parametrize('damage', [lambda b: b[:-9], lambda b: b[:-1]+bytes([b[-1]^1]), None], ids=['cut',
    'bit','gone'])
def test_a_damaged_file_is_named(line, tmp_path, damage):
    shutil.copytree(line/'run', tmp_path/'run')
    path = tmp_path/'run'/UNLIKE_FILE
    if damage: path.write_bytes(damage(path.read_bytes()))
    else: path.unlink()
    with pytest.raises(UserError, match=UNLIKE_FILE) as e: open_scorer(tmp_path/'run')
    assert '\n' not in str(e.value)

def test_a_bundle_and_its_script_say_the_same(line, tmp_path):
    pytest.importorskip('onnxscript')
    from semiconductor_cls.line.export import export_run
    export_run(line/'run', out=tmp_path/'bundle')
    files = sorted(map(str, [*(line/'other').iterdir(), *(line/'own').iterdir()]))
    run,bundle = predict_files(line/'run', files),predict_files(tmp_path/'bundle', files)
    assert bundle.note.tolist()==run.note.tolist() and bundle.decision.tolist()==run.decision.tolist()
    done = subprocess.run([sys.executable, tmp_path/'bundle/score.py', *files], capture_output=True, text=True, cwd='/')
    rows = [*csv.DictReader(io.StringIO(done.stdout))]
    assert [o['note'] for o in rows]==run.note.tolist(), done.stderr
    assert [o['decision'] for o in rows]==run.decision.tolist()

def test_a_group_is_no_witness_for_itself():
    "Forty parts, each photographed five times, are as wide as forty parts"
    rng = np.random.default_rng(0)
    base = rng.integers(60, 200, (40,12,12)).astype(np.uint8)
    parts = [cv2.resize(o, (96,96), interpolation=cv2.INTER_CUBIC) for o in base for _ in range(5)]
    shots = np.stack([np.clip(o+rng.normal(0, 2, o.shape), 0, 255).astype(np.uint8) for o in parts])
    alone = learn_likeness(shots[:150], [(96,96)]*150, np.arange(150)//5)
    blind = learn_likeness(shots[:150], [(96,96)]*150)
    def strange(o): return (o.far(shots[150:]).max(1)>o.limit).mean()
    assert strange(alone)<=.1<strange(blind)

def test_notes_never_hide_a_missing_score():
    assert [decide(None, (.2,.7), o) for o in ('', UNLIKE)]==['','']
