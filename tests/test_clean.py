"The cleaned table: the same in any order, and a source itself"
from hypothesis import given, settings, strategies as st
from semiconductor_cls.clean import clean, RULES, run_clean
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.duplicates import find_copies
from semiconductor_cls.inspect import inspect
from semiconductor_cls.source import read_source

some_rules = st.fixed_dictionaries({r:st.booleans() for r in RULES})

@settings(max_examples=4)
@given(order=st.integers(0, 100), rules=some_rules)
def test_clean_does_not_depend_on_order(replica, order, rules):
    df,_ = find_copies(read_source(replica[0]))
    shuffled = df.sample(frac=1, random_state=order)
    a,b = (clean(o, **rules)[1] for o in (df, shuffled))
    assert sorted(zip(a.path, a.reason)) == sorted(zip(b.path, b.reason))

GONE = 'n_duplicates n_pixel_duplicates n_near_duplicates n_leaks n_conflicts n_broken n_unboxed_defects'.split()

def test_clean_csv_is_a_source(replica, tmp_path):
    root,truth = replica
    res = run_clean(root, tmp_path, near=True)
    _,summary,_ = inspect(tmp_path/'clean.csv')
    assert summary['n_images'] == res['n_kept'] == len(read_csv(tmp_path/'clean.csv'))
    assert not any(summary[k] for k in GONE)
    assert res['n_kept']+res['n_removed'] == res['n_images'] == len(truth)
