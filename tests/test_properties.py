"What must hold for any input, not only for the examples in the notebooks"
import numpy as np, pandas as pd
from hypothesis import given, settings, strategies as st
from semiconductor_cls.base.table import make_table, read_csv, unique_ids, write_csv
from semiconductor_cls.split import add_folds, check_split, split_table

text = st.text(st.characters(blacklist_categories=('Cs',), blacklist_characters='\x00\r'), min_size=1, max_size=12)

@given(st.lists(text, min_size=1, max_size=8, unique=True), st.lists(st.sampled_from('=+-@\t\'ab1'), min_size=1, max_size=4))
def test_csv_round_trip_and_no_formula(tmp_path_factory, names, lead):
    p = tmp_path_factory.mktemp('csv')/'t.csv'
    df = make_table(dict(path=[''.join(lead)+n for n in names]))
    write_csv(df, p)
    back = read_csv(p)
    assert back.path.tolist()==df.path.tolist() and back.id.tolist()==df.id.tolist()
    raw = pd.read_csv(p, keep_default_na=False, dtype=str)
    assert not raw.path.str.match(r'[=+\-@\t]').any()

@given(st.lists(st.tuples(st.sampled_from(['a','b','a/b']), st.sampled_from(['x.png','x.bmp','y.png','x'])), unique=True, min_size=1))
def test_ids_are_unique(files): assert len(set(unique_ids(['/'.join(o) for o in files])))==len(files)

@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(60, 300), st.floats(.15, .5), st.integers(1, 6))
def test_groups_never_straddle_and_every_set_has_both_classes(seed, n, share, size):
    rng = np.random.default_rng(seed)
    g = rng.integers(0, max(n//size, 40), n)
    df = make_table(dict(path=[f'{i:04d}' for i in range(n)], label=np.where(rng.random(n)<share, 'defect', 'good'), hash=g.astype(str)))
    if df.groupby('label').hash.nunique().min()<20: return
    s = split_table(df, seed=seed%7)
    check_split(s)
    f = add_folds(s, 3)
    check_split(f, 'fold')
    assert set(s.split)=={'train','valid','test'} and len(s)==n
    assert s.groupby('split').label.nunique().eq(2).all()
    assert f.fold.notna().eq(f.split!='test').all()
