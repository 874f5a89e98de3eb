"eda, duplicates and clean against the truth of drawn replicas, and against hostile trees"
import ctypes, os, re
from contextlib import contextmanager
from pathlib import Path
import numpy as np, pandas as pd, pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from semiconductor_cls.clean import clean, RULES, run_clean
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import read_json
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.duplicates import find_copies
from semiconductor_cls.inspect import inspect, run_eda
from semiconductor_cls.source import read_source
from semiconductor_cls.synth import synth, synth_chips, truth_counts

def pairs(df, kinds): return {frozenset((Path(p).name, Path(o).name)) for p,o,k in zip(df.path, df.other, df.kind) if k in kinds}
def names(paths): return {Path(p).name for p in paths}

@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([.003,.008,.02]), wrong=st.sampled_from([0.,.02]))
def test_every_planted_fact(tmp_path_factory, seed, scale, wrong):
    root = tmp_path_factory.mktemp('replica')/'data'
    truth = synth(root, scale=scale, seed=seed, wrong_labels=wrong)
    df,summary,found = inspect(root)
    n = truth_counts(truth)
    assert {k:summary[k] for k in n} == n
    assert pairs(found, ['leak']) == pairs(truth, ['leak']) and pairs(found, ['conflict']) == pairs(truth, ['conflict'])
    assert pairs(found, ['pixel_copy']) == pairs(truth, ['pixel']) and pairs(found, ['near_copy']) == pairs(truth, ['near'])
    assert names(found.path[found.kind=='broken']) == names(truth.path[truth.kind=='broken'])
    unboxed = truth.path[(truth.split=='train') & (truth.label=='defect') & ~truth.boxed]
    assert names(found.path[found.kind=='unboxed_defect']) == names(unboxed)
    kept,removed = clean(df)
    assert len(kept)+len(removed)==len(df) and not set(kept.path)&set(removed.path) and removed.reason.ne('').all()
    assert not len(clean(kept)[1])

@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.integers(0, 100), rules=st.fixed_dictionaries({r:st.booleans() for r in RULES}))
def test_clean_does_not_depend_on_order(replica, order, rules):
    df,_ = find_copies(read_source(replica[0]))
    a,b = clean(df, **rules)[1],clean(df.sample(frac=1, random_state=order), **rules)[1]
    assert sorted(zip(a.path, a.reason)) == sorted(zip(b.path, b.reason))

@pytest.fixture(scope='module')
def replica(tmp_path_factory):
    root = tmp_path_factory.mktemp('eda')/'data'
    return root, synth(root, scale=.01, seed=3)

def test_files_are_never_touched(replica, tmp_path):
    root = replica[0]
    before = {p:(p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob('*')}
    run_eda(root, tmp_path/'eda'); run_clean(root, tmp_path/'clean')
    assert {p:(p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob('*')} == before

def test_outputs_repeat(replica, tmp_path):
    for o in 'ab': run_eda(replica[0], tmp_path/o)
    assert (tmp_path/'a/issues.csv').read_bytes() == (tmp_path/'b/issues.csv').read_bytes()
    a,b = (read_json(tmp_path/o/'summary.json') for o in 'ab')
    assert {**a, 'seconds':0} == {**b, 'seconds':0}

def test_clean_csv_is_a_source(replica, tmp_path):
    res = run_clean(replica[0], tmp_path)
    df,summary,_ = inspect(tmp_path/'clean.csv')
    assert summary['n_images'] == res['n_kept'] == len(read_csv(tmp_path/'clean.csv'))
    assert not any(summary[k] for k in 'n_duplicates n_pixel_duplicates n_near_duplicates n_leaks n_conflicts n_broken n_unboxed_defects'.split())
    assert res['n_kept']+res['n_removed'] == res['n_images'] == len(replica[1])

EVIL = ['a b.bmp', 'c,"d".bmp', "e'f.bmp", '芯片.bmp', 'line\nbreak.bmp', '=cmd().bmp', '<script>alert(1)<\\script>.bmp', '$x^{.bmp', '-1.bmp', os.fsdecode(b'\xff\xfe.bmp')]

@pytest.fixture
def hostile(tmp_path):
    chips = synth_chips(2*len(EVIL), 0, seed=1)[0]
    for d,imgs in (('good',chips[::2]), ('defect',chips[1::2])):
        (tmp_path/'t'/d).mkdir(parents=True)
        for n,a in zip(EVIL, imgs): Image.fromarray(a).save(tmp_path/'t'/d/n)
    good = tmp_path/'t/good'
    (good/'zero.bmp').write_bytes(b''); (good/'text.bmp').write_text('no picture'); (good/'folder.bmp').mkdir(); (good/'gone.bmp').symlink_to('nowhere')
    (good/'self').symlink_to(good); os.mkfifo(good/'pipe.bmp'); (good/'notes.txt').write_text('x')
    (tmp_path/'t/defect_area.csv').write_text('id,x_1,y_1,x_2,y_2\n=HYPERLINK("http://x"),1,1,2,2\na b,5,5,50,60\na b,50,5,5,60\n')
    return tmp_path/'t'

def test_hostile_tree_is_reported_file_by_file(hostile, tmp_path):
    s = run_eda(hostile, tmp_path/'out')
    found = read_csv(tmp_path/'out/issues.csv')
    assert s['n_images'] == 2*len(EVIL)+5 and s['n_broken'] == 5
    why = {Path(p).name:d for p,d,k in zip(found.path, found.detail, found.kind) if k=='broken'}
    assert set(why) == {'zero.bmp','text.bmp','folder.bmp','gone.bmp','pipe.bmp'} and why['folder.bmp']=='directory' and why['gone.bmp']=='dangling link'
    assert {'box_unknown_id','box_inverted','not_an_image'} <= set(found.kind)
    text = (tmp_path/'out/issues.csv').read_text(errors='surrogateescape')
    assert not re.search(r'(^|,)"?[=+@]', text, re.M) and "'=HYPERLINK" in text
    assert '<script' not in (tmp_path/'out/report.html').read_text(errors='surrogateescape')
    run_clean(hostile, tmp_path/'clean')
    assert names(read_source(tmp_path/'clean/clean.csv').path) == set(EVIL)   # every name survives the way through the CSV

@contextmanager
def ordinary_user():
    "Without root's right to read everything, in this thread and those it starts (Linux)"
    if os.geteuid()!=0: yield; return
    libc,head,caps = ctypes.CDLL(None, use_errno=True),(ctypes.c_uint32*2)(0x20080522, 0),(ctypes.c_uint32*6)()
    assert libc.capget(head, caps)==0
    less = (ctypes.c_uint32*6)(*caps); less[0] &= ~0b110 # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert libc.capset(head, less)==0
    try: yield
    finally: assert libc.capset(head, caps)==0

def test_permissions_are_reported(hostile, tmp_path):
    (hostile/'good/a b.bmp').chmod(0); (hostile/'good/sub').mkdir(); (hostile/'good/sub').chmod(0)
    with ordinary_user(): run_eda(hostile, tmp_path/'out')
    (hostile/'good/sub').chmod(0o755)
    found = read_csv(tmp_path/'out/issues.csv')
    assert 'permission denied' in set(found.detail[found.kind=='broken']) and 'unreadable_folder' in set(found.kind)

def test_broken_everything_finishes(tmp_path):
    for d in ('good','defect'):
        (tmp_path/'t'/d).mkdir(parents=True)
        for i in range(3): (tmp_path/'t'/d/f'{i}.bmp').write_text('no picture')
    s = run_eda(tmp_path/'t', tmp_path/'out')
    assert s['n_broken']==6 and s['n_duplicates']==0
    assert run_clean(tmp_path/'t', tmp_path/'c')['n_kept']==0

def test_user_errors(tmp_path):
    (tmp_path/'f').write_text('')
    with pytest.raises(UserError, match='exists and is not a folder'): run_eda('elpv', tmp_path/'f')
    with pytest.raises(UserError, match='no such folder'): run_eda(tmp_path/'none', tmp_path/'out')
    with pytest.raises(UserError, match='neither a folder nor a CSV'): read_source(tmp_path/'f')
    assert not (tmp_path/'out').exists()

def test_tiny_blank_and_huge_pictures(tmp_path):
    rng = np.random.default_rng(0)
    for d in ('good','defect'):
        (tmp_path/'t'/d).mkdir(parents=True)
        for i in range(2): Image.fromarray(rng.integers(0, 255, (9,9), np.uint8)).save(tmp_path/'t'/d/f'tiny{i}.png')
        Image.fromarray(np.full((100,100), 40 if d=='good' else 41, np.uint8)).save(tmp_path/'t'/d/'blank.png')
    big = rng.integers(0, 255, (40,50), np.uint8).repeat(50, 0).repeat(50, 1)
    Image.fromarray(big).save(tmp_path/'t/good/big.png'); Image.fromarray(big//2+40).save(tmp_path/'t/good/dim.png')
    df,s,_ = inspect(tmp_path/'t')
    assert s['n_near_duplicates']==1 and s['n_broken']==0 and df.group.nunique()==len(df)-1
