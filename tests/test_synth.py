"The replica of the contest: the same from a seed for any number of threads, its counts as planned; guards `draw` too"
import re
import numpy as np, pandas as pd, pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import file_md5
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.draw import DEFECTS, DESIGNS, draw_chip, H, W
from semiconductor_cls.synth import _plan, FILES, PLANTED, synth, synth_chips
from semiconductor_cls.synth import synth_folder, truth_counts
import semiconductor_cls.synth as module

NAME = re.compile(r'[A-Z0-9]{12}_\d\d-(APG_ITIS_H\d\d_|5CW-ITISA\d\d-)\d_\d{1,3}_\d')

def hashes_of(path): return {str(p.relative_to(path)):file_md5(p) for p in path.rglob('*') if p.is_file()}

def pixels(p):
    with Image.open(p) as im: return np.asarray(im)

# ---- drawing

def test_same_seed_same_bytes_for_any_number_of_threads(tmp_path, monkeypatch):
    for name,seed,n in (('a',0,'1'), ('b',0,'4'), ('c',1,'4')):
        monkeypatch.setenv('SEMICLS_CPUS', n)
        synth(tmp_path/name, scale=.002, seed=seed)
    a,b,c = (hashes_of(tmp_path/o) for o in 'abc')
    assert a==b
    assert not any(a.get(k)==v for k,v in c.items() if k.endswith('.bmp'))

@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(sorted(DESIGNS)), st.sampled_from(sorted(DEFECTS)), st.floats(.05, 1))
def test_box_lies_in_the_picture_and_holds_the_defect(seed, design, defect, contrast):
    chip,box = draw_chip(np.random.default_rng(seed), design, defect, contrast)
    assert chip.shape==(H,W) and chip.dtype==np.uint8
    x1,y1,x2,y2 = box
    assert 0<=x1<x2<W
    assert 0<=y1<y2<H
    assert all(type(o) is int for o in box)
    good,no_box = draw_chip(np.random.default_rng(seed), design)
    assert no_box is None

# ---- counts

def planned(scale): return {k:max(1, round(v*scale)) for k,v in {**FILES,**PLANTED}.items()}

@settings(max_examples=25)
@given(st.floats(.001, .3), st.integers(0, 10**6), st.floats(0, .5))
def test_counts_of_any_plan(scale, seed, wrong):
    df,n = _plan(scale, seed, wrong),planned(scale)
    c = truth_counts(df)
    assert c['n_good']==n['good']
    assert (c['n_boxed_defects'], c['n_unboxed_defects'])==(n['boxed'], n['unboxed'])
    assert c['n_test']==n['test_good']+n['test_defect']
    assert c['n_duplicates']==n['copy']+n['leak']+n['conflict']
    assert (c['n_pixel_duplicates'], c['n_near_duplicates'])==(n['pixel'], n['near'])
    assert c['n_images']==c['n_train']+c['n_test']==df.path.nunique()==df.name.nunique()
    assert df.name.map(NAME.fullmatch).notna().all()
    train,copies = df[df.split=='train'],df[df.other.notna()]
    assert (train.label!=train.true_label).equals(train.kind.isin(['wrong','conflict']))
    assert (df.true_label=='defect').equals(df.defect_type.notna())
    assert df.set_index('path').kind[copies.other].isna().all()
    assert set(df.kind.dropna())>={'copy','leak','conflict','pixel','near','broken'}

# ---- files

def test_files_are_what_the_truth_says(replica):
    path,truth = replica
    there = [p.relative_to(path).as_posix() for p in path.rglob('*.*') if p.suffix in ('.bmp','.png')]
    top = ['defect_area.csv','submission_sample.csv','test','train','truth.csv']
    assert sorted(o.name for o in path.iterdir())==top
    assert sorted(there)==truth.path.tolist()
    hashes,c = truth.path.map(lambda p: file_md5(path/p)),truth_counts(truth)
    twice = hashes[hashes.duplicated(keep=False)]
    assert (hashes.duplicated().sum(), twice.nunique())==(c['n_duplicates'], c['n_duplicate_groups'])
    copies = truth.kind.isin(['copy','leak','conflict'])
    assert hashes[copies].tolist()==[file_md5(path/p) for p in truth.other[copies]]
    for r in truth[truth.kind=='pixel'].itertuples():
        assert r.path.endswith('.png')
        assert (pixels(path/r.path)==pixels(path/r.other)).all()
    for r in truth[truth.kind=='near'].itertuples(): assert (pixels(path/r.path)!=pixels(path/r.other)).any()

def test_pictures_are_gray_bmp_of_the_contest_size_and_only_the_broken_fail(replica):
    path,truth = replica
    def is_chip(name):
        try: a = pixels(path/name)
        except Exception: return False
        return a.shape==(H,W) and a.dtype==np.uint8
    assert (~truth.path.map(is_chip)).equals(truth.kind=='broken')

def test_tables_of_the_contest(replica):
    path,truth = replica
    area,sub = (pd.read_csv(path/f) for f in ('defect_area.csv','submission_sample.csv'))
    assert area.columns.tolist()==['id','x_1','y_1','x_2','y_2']
    assert sub.columns.tolist()==['id','defect_score']
    stem = truth.path.str.extract(r'([^/]+)\.\w+$')[0]
    assert sorted(area.id)==sorted(stem[truth.boxed])
    assert sorted(sub.id)==sorted(stem[truth.split=='test'])
    assert (area.x_1<area.x_2).all() and (area.y_1<area.y_2).all()
    assert area[['x_1','y_1']].min().min()>=0
    assert area.x_2.max()<W and area.y_2.max()<H
    real = truth[truth.boxed & (truth.kind!='wrong')]
    boxes = area.set_index('id').loc[stem[real.index]].to_numpy().tolist()
    assert boxes==[list(o[0]) for o in real.boxes]

def test_truth_comes_back_from_disk(replica):
    path,truth = replica
    back = read_csv(path/'truth.csv')
    assert truth_counts(back)==truth_counts(truth)
    for c in ('path','label','true_label','kind','other','lot'):
        assert back[c].fillna('').tolist()==truth[c].fillna('').tolist(), c

# ---- refusals

def test_refusals(tmp_path):
    (tmp_path/'full').mkdir()
    for f in ('full/mine.txt','file'): (tmp_path/f).write_text('keep')
    for path in ('full','file','file/below'):
        with pytest.raises(UserError, match='file|full'): synth(tmp_path/path, scale=.001)
    for kw in (dict(scale=0), dict(scale=float('nan')), dict(wrong_labels=-.1), dict(seed=-1)):
        [name] = kw
        with pytest.raises(UserError, match=name): synth(tmp_path/'new', **{'scale':.001, **kw})
    assert sorted(o.name for o in tmp_path.rglob('*'))==['file','full','mine.txt']

def test_nothing_is_left_half_written(tmp_path, monkeypatch):
    new = tmp_path/'new'
    def fail(*a): raise KeyboardInterrupt
    with monkeypatch.context() as m:
        m.setattr(module, '_write_tables', fail)
        with pytest.raises(KeyboardInterrupt): synth(new, scale=.001)
    assert not list(new.iterdir())
    assert len(synth(new, scale=.001))==truth_counts(read_csv(new/'truth.csv'))['n_images']

def test_helpers(tmp_path):
    imgs,labels,boxes,types = synth_chips(5, 3, sz=96)
    assert imgs.shape==(8,96,96)
    assert labels==['good']*5+['defect']*3
    assert [len(b) for b in boxes]==[0]*5+[1]*3
    assert types[:5]==[None]*5
    assert max(v for b in boxes for o in b for v in o)<96
    df = synth_folder(tmp_path/'a b', 3, 2, seed=5)
    assert df.label.tolist().count('good')==3
    assert all(pixels(p).shape==(H,W) for p in df.path)
