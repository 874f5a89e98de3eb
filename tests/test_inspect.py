"A look at the data against the truth of drawn replicas, and at hostile trees: guards `inspect`, `scan`, `eda`, `clean`"
import ctypes, os, re
from contextlib import contextmanager
from pathlib import Path
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from conftest import part, picture
from semiconductor_cls.clean import clean, run_clean
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import read_json
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.inspect import inspect, run_eda
from semiconductor_cls.source import read_source
from semiconductor_cls.split import check_sets
from semiconductor_cls.synth import synth, synth_chips, truth_counts

def names(paths): return {Path(p).name for p in paths}

def pairs(df, kind):
    "What is a copy of what"
    rows = df[df.kind==kind]
    return {frozenset((Path(p).name, Path(o).name)) for p,o in zip(rows.path, rows.other)}

# ---- against the truth

seeds,scales,shares = st.integers(0, 10_000),st.sampled_from([.003,.008,.02]),st.sampled_from([0.,.02])

@settings(max_examples=6)
@given(seed=seeds, scale=scales, wrong=shares)
def test_every_planted_fact(tmp_path_factory, seed, scale, wrong):
    root = tmp_path_factory.mktemp('replica')/'data'
    truth = synth(root, scale=scale, seed=seed, wrong_labels=wrong)
    df,summary,found = inspect(root)
    counts = truth_counts(truth)
    assert {k:summary[k] for k in counts} == counts
    for kind,planted in dict(leak='leak', conflict='conflict', pixel_copy='pixel', near_copy='near').items():
        assert pairs(found, kind) == pairs(truth, planted), kind
    assert names(found.path[found.kind=='broken']) == names(truth.path[truth.kind=='broken'])
    unboxed = truth.path[(truth.split=='train') & (truth.label=='defect') & ~truth.boxed]
    assert names(found.path[found.kind=='unboxed_defect']) == names(unboxed)
    kept,removed = clean(df)
    assert len(kept)+len(removed)==len(df)
    assert not set(kept.path) & set(removed.path)
    assert removed.reason.ne('').all()
    assert not len(clean(kept)[1])

def stamps(root): return {p:(p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob('*')}

def test_files_are_never_touched(replica, tmp_path):
    root,_ = replica
    before = stamps(root)
    run_eda(root, tmp_path/'eda')
    run_clean(root, tmp_path/'clean')
    assert stamps(root) == before

def test_outputs_repeat(replica, tmp_path):
    for o in 'ab': run_eda(replica[0], tmp_path/o)
    issues = [(tmp_path/o/'issues.csv').read_bytes() for o in 'ab']
    assert issues[0] == issues[1]
    a,b = (read_json(tmp_path/o/'summary.json') for o in 'ab')
    assert {**a, 'seconds':0} == {**b, 'seconds':0}

# ---- hostile trees

EVIL = ['a b.bmp', 'c,"d".bmp', "e'f.bmp", '芯片.bmp', 'line\nbreak.bmp', '=cmd().bmp',
        '<script>alert(1)<\\script>.bmp', '$x^{.bmp', '-1.bmp', os.fsdecode(b'\xff\xfe.bmp')]
BOXES = 'id,x_1,y_1,x_2,y_2\n=HYPERLINK("http://x"),1,1,2,2\ndefect/a b,5,5,50,60\ndefect/a b,50,5,5,60\n'
BROKEN = {'zero.bmp','text.bmp','folder.bmp','gone.bmp','pipe.bmp'}

@pytest.fixture
def hostile(tmp_path):
    "Two classes of names that nobody likes, five files that are no pictures, a link round, boxes of nobody"
    root = tmp_path/'t'
    chips = synth_chips(2*len(EVIL), 0, seed=1)[0]
    for d,imgs in (('good',chips[::2]), ('defect',chips[1::2])):
        (root/d).mkdir(parents=True)
        for n,pixels in zip(EVIL, imgs): Image.fromarray(pixels).save(root/d/n)
    good = root/'good'
    (good/'zero.bmp').write_bytes(b'')
    (good/'text.bmp').write_text('no picture')
    (good/'folder.bmp').mkdir()
    (good/'gone.bmp').symlink_to('nowhere')
    (good/'self').symlink_to(good)
    os.mkfifo(good/'pipe.bmp')
    (good/'notes.txt').write_text('x')
    (root/'defect_area.csv').write_text(BOXES)
    return root

def test_hostile_tree_is_reported_file_by_file(hostile, tmp_path):
    summary = run_eda(hostile, tmp_path/'out')
    found = read_csv(tmp_path/'out/issues.csv')
    assert summary['n_images'] == 2*len(EVIL)+5
    assert summary['n_broken'] == 5
    broken = found[found.kind=='broken']
    why = {Path(p).name:d for p,d in zip(broken.path, broken.detail)}
    assert set(why) == BROKEN
    assert why['folder.bmp']=='directory'
    assert why['gone.bmp']=='dangling link'
    assert {'box_unknown_id','box_inverted','not_an_image'} <= set(found.kind)
    text = (tmp_path/'out/issues.csv').read_text(errors='surrogateescape')
    assert not re.search(r'(^|,)"?[=+@]', text, re.M)
    assert "'=HYPERLINK" in text
    assert '<script' not in (tmp_path/'out/report.html').read_text(errors='surrogateescape')
    run_clean(hostile, tmp_path/'clean')
    cleaned = read_source(tmp_path/'clean/clean.csv')
    assert names(cleaned.path) == set(EVIL), 'every name survives the way through the CSV'

CAP_READ_ALL = 0b110 # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH

@contextmanager
def ordinary_user():
    "Without root's right to read everything, in this thread and those it starts (Linux)"
    if os.geteuid()!=0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    head,caps = (ctypes.c_uint32*2)(0x20080522, 0),(ctypes.c_uint32*6)()
    assert libc.capget(head, caps)==0
    less = (ctypes.c_uint32*6)(*caps)
    less[0] &= ~CAP_READ_ALL
    assert libc.capset(head, less)==0
    try: yield
    finally: assert libc.capset(head, caps)==0

def test_permissions_are_reported(hostile, tmp_path):
    sub = hostile/'good/sub'
    sub.mkdir()
    for p in (hostile/'good/a b.bmp', sub): p.chmod(0)
    with ordinary_user(): run_eda(hostile, tmp_path/'out')
    sub.chmod(0o755)
    found = read_csv(tmp_path/'out/issues.csv')
    assert 'permission denied' in set(found.detail[found.kind=='broken'])
    assert 'unreadable_folder' in set(found.kind)

@pytest.mark.parametrize('good,defect,closed', [
    ('good','defect','good'), ('good','defect','defect/lot1'), ('ok','ng','ng'),
    ('train/train_contest/good_all','train/train_contest/defect','train/train_contest/good_all')])
def test_a_closed_folder_is_named_where_it_may_hold_what_is_missing(tmp_path, good, defect, closed):
    for i in range(10):
        for place in (good, f'{defect}/lot1'): part(tmp_path/f'{place}/{i}.png', 'lot1' in place, i)
    (tmp_path/closed).chmod(0)
    try:
        with ordinary_user(), pytest.raises(UserError, match=f'{closed}: cannot be opened [(]Permission denied'):
            check_sets(read_source(tmp_path))
    finally: (tmp_path/closed).chmod(0o755)

def test_broken_everything_finishes(tmp_path):
    root = tmp_path/'t'
    for d in ('good','defect'):
        (root/d).mkdir(parents=True)
        for i in range(3): (root/d/f'{i}.bmp').write_text('no picture')
    summary = run_eda(root, tmp_path/'out')
    assert summary['n_broken']==6
    assert summary['n_duplicates']==0
    assert run_clean(root, tmp_path/'c')['n_kept']==0

def test_user_errors(tmp_path):
    file = tmp_path/'f'
    file.write_text('')
    with pytest.raises(UserError, match='exists and is not a folder'): run_eda('elpv', file)
    with pytest.raises(UserError, match='no such folder'): run_eda(tmp_path/'none', tmp_path/'out')
    with pytest.raises(UserError, match='neither a folder nor a CSV'): read_source(file)
    assert not (tmp_path/'out').exists()

@pytest.mark.parametrize('word', ['waffer','Charge'])
def test_a_column_to_group_by_that_is_not_there_is_refused(tmp_path, word):
    picture(tmp_path/'0.png')
    (tmp_path/'t.csv').write_text('path,label,wafer\n0.png,ok,W1\n')
    with pytest.raises(UserError, match=f'{word}: the table has no such column'):
        run_eda(tmp_path/'t.csv', tmp_path/'eda', group=word)
    assert not (tmp_path/'eda').exists()

def test_what_a_column_keeps_together_is_said_and_the_gaps_in_it(tmp_path):
    for i in range(5): picture(tmp_path/f'{i}.png', 9*i+60)
    (tmp_path/'t.csv').write_text('path,label,wafer\n0.png,ok,W1\n1.png,ok,W1\n2.png,ng,W2\n3.png,ok,\n4.png,ng,\n')
    told = inspect(tmp_path/'t.csv', group='wafer')[1]['told']
    assert told[-1]=="--group 'wafer': 2 groups in 3 photographs, such as W1: 0, 1; 2 photographs without a group, " \
        'each a group of its own'
