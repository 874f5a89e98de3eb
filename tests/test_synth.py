"The replica of the contest: the same from a seed however many threads draw it, and its counts are the planned ones at every size"
import re
import numpy as np, pandas as pd, pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import file_md5
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.draw import DEFECTS, DESIGNS, draw_chip, H, W
from semiconductor_cls.synth import _plan, FILES, PLANTED, synth, synth_chips, synth_folder, truth_counts
import semiconductor_cls.synth as module

NAME = re.compile(r'[A-Z0-9]{12}_\d\d-(APG_ITIS_H\d\d_|5CW-ITISA\d\d-)\d_\d{1,3}_\d')

def tree(path): return {str(p.relative_to(path)):file_md5(p) for p in path.rglob('*') if p.is_file()}

def pixels(p):
    with Image.open(p) as im: return np.asarray(im)

@pytest.fixture(scope='module')
def replica(tmp_path_factory):
    path = tmp_path_factory.mktemp('synth')/'chips'
    return path,synth(path, scale=.01, seed=3, wrong_labels=.1)

def test_same_seed_same_bytes_for_any_number_of_threads(tmp_path):
    for name,seed,n in (('a',0,1),('b',0,4),('c',1,4)): synth(tmp_path/name, scale=.002, seed=seed, n_workers=n)
    a,b,c = (tree(tmp_path/o) for o in 'abc')
    assert a==b
    assert not any(a.get(k)==v for k,v in c.items() if k.endswith('.bmp'))

@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(DESIGNS)), st.sampled_from(sorted(DEFECTS)), st.floats(.05, 1))
def test_box_lies_in_the_picture_and_holds_the_defect(seed, design, defect, contrast):
    a,b = draw_chip(np.random.default_rng(seed), design, defect, contrast)
    assert a.shape==(H,W) and a.dtype==np.uint8
    assert 0<=b[0]<b[2]<W and 0<=b[1]<b[3]<H
    assert all(type(o) is int for o in b)
    assert draw_chip(np.random.default_rng(seed), design)[1] is None

@settings(max_examples=25, deadline=None)
@given(st.floats(.001, .3), st.integers(0, 10**6), st.floats(0, .5))
def test_counts_of_any_plan(scale, seed, wrong):
    df,n = _plan(scale, seed, wrong),{k:max(1, round(v*scale)) for k,v in {**FILES,**PLANTED}.items()}
    c = truth_counts(df)
    assert (c['n_good'], c['n_boxed_defects'], c['n_unboxed_defects'], c['n_test']) == (n['good'], n['boxed'], n['unboxed'], n['test_good']+n['test_defect'])
    assert c['n_duplicates']==n['copy']+n['leak']+n['conflict'] and (c['n_pixel_duplicates'], c['n_near_duplicates'])==(n['pixel'], n['near'])
    assert c['n_images']==c['n_train']+c['n_test']==df.path.nunique()==df.name.nunique() and df.name.map(NAME.fullmatch).notna().all()
    train,copies = df[df.split=='train'],df[df.other.notna()]
    assert (train.label!=train.true_label).equals(train.kind.isin(['wrong','conflict']))
    assert (df.true_label=='defect').equals(df.defect_type.notna())
    assert df.set_index('path').kind[copies.other].isna().all() and set(df.kind.dropna())>={'copy','leak','conflict','pixel','near','broken'}

def test_files_are_what_the_truth_says(replica):
    path,truth = replica
    assert sorted(o.name for o in path.iterdir())==['defect_area.csv','submission_sample.csv','test','train','truth.csv']
    assert sorted(p.relative_to(path).as_posix() for p in path.rglob('*.*') if p.suffix in ('.bmp','.png'))==truth.path.tolist()
    hashes = truth.path.map(lambda p: file_md5(path/p))
    c,dup = truth_counts(truth),hashes[hashes.duplicated(keep=False)]
    assert (hashes.duplicated().sum(), dup.nunique())==(c['n_duplicates'], c['n_duplicate_groups'])
    copies = truth.kind.isin(['copy','leak','conflict'])
    assert hashes[copies].tolist()==[file_md5(path/p) for p in truth.other[copies]]
    for r in truth[truth.kind=='pixel'].itertuples():
        assert r.path.endswith('.png') and (pixels(path/r.path)==pixels(path/r.other)).all()
    for r in truth[truth.kind=='near'].itertuples(): assert (pixels(path/r.path)!=pixels(path/r.other)).any()

def test_pictures_are_gray_bmp_of_the_contest_size_and_only_the_broken_fail(replica):
    path,truth = replica
    def ok(p):
        try: return pixels(path/p).shape==(H,W) and pixels(path/p).dtype==np.uint8
        except Exception: return False
    assert (~truth.path.map(ok)).equals(truth.kind=='broken')

def test_tables_of_the_contest(replica):
    path,truth = replica
    area,sub = (pd.read_csv(path/f) for f in ('defect_area.csv','submission_sample.csv'))
    assert area.columns.tolist()==['id','x_1','y_1','x_2','y_2'] and sub.columns.tolist()==['id','defect_score']
    stem = truth.path.str.extract(r'([^/]+)\.\w+$')[0]
    assert sorted(area.id)==sorted(stem[truth.boxed]) and sorted(sub.id)==sorted(stem[truth.split=='test'])
    assert (area.x_1<area.x_2).all() and (area.y_1<area.y_2).all() and area[['x_1','y_1']].min().min()>=0 and area.x_2.max()<W and area.y_2.max()<H
    real = truth[truth.boxed & (truth.kind!='wrong')]
    boxes = area.set_index('id').loc[stem[real.index]].to_numpy().tolist()
    assert boxes==[list(o[0]) for o in real.boxes]

def test_truth_comes_back_from_disk(replica):
    path,truth = replica
    back = read_csv(path/'truth.csv')
    assert truth_counts(back)==truth_counts(truth)
    for c in ('path','label','true_label','kind','other','lot'): assert back[c].fillna('').tolist()==truth[c].fillna('').tolist()

def test_refusals(tmp_path):
    (tmp_path/'full').mkdir(); (tmp_path/'full/mine.txt').write_text('keep')
    (tmp_path/'file').write_text('keep')
    for path in ('full','file','file/below'):
        with pytest.raises(UserError, match='file|full'): synth(tmp_path/path, scale=.001)
    for kw in (dict(scale=0), dict(scale=float('nan')), dict(wrong_labels=-.1), dict(seed=-1)):
        with pytest.raises(UserError, match=next(iter(kw))): synth(tmp_path/'new', **{'scale':.001, **kw})
    assert sorted(o.name for o in tmp_path.rglob('*'))==['file','full','mine.txt']

def test_nothing_is_left_half_written(tmp_path, monkeypatch):
    def fail(*a): raise KeyboardInterrupt
    with monkeypatch.context() as m:
        m.setattr(module, '_write_tables', fail)
        with pytest.raises(KeyboardInterrupt): synth(tmp_path/'new', scale=.001)
    assert not list((tmp_path/'new').iterdir())
    assert len(synth(tmp_path/'new', scale=.001))==truth_counts(read_csv(tmp_path/'new/truth.csv'))['n_images']

def test_helpers(tmp_path):
    imgs,labels,boxes,types = synth_chips(5, 3, sz=96)
    assert imgs.shape==(8,96,96) and labels==['good']*5+['defect']*3 and [len(b) for b in boxes]==[0]*5+[1]*3 and types[:5]==[None]*5
    assert max(v for b in boxes for o in b for v in o)<96
    df = synth_folder(tmp_path/'a b', 3, 2, seed=5)
    assert df.label.tolist().count('good')==3 and all((pixels(p).shape==(H,W)) for p in df.path)
