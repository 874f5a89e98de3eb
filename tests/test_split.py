"Sets and folds: what belongs together stays together, and every set has both classes"
import numpy as np, pandas as pd, pytest
from hypothesis import given, settings, strategies as st
from conftest import picture
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.table import make_table
from semiconductor_cls.source import read_source
from semiconductor_cls.split import add_folds, check_split, split_table

@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(60, 300), st.floats(.15, .5), st.integers(1, 6))
def test_groups_never_straddle_and_every_set_has_both_classes(seed, n, share, size):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, max(n//size, 40), n).astype(str)
    labels = np.where(rng.random(n)<share, 'defect', 'good')
    df = make_table(dict(path=[f'{i:04d}' for i in range(n)], label=labels, hash=groups))
    if df.groupby('label').hash.nunique().min()<20: return
    sets = split_table(df, seed=seed%7)
    check_split(sets)
    folds = add_folds(sets, 3)
    check_split(folds, 'fold')
    assert set(sets.split)=={'train','valid','test'}
    assert len(sets)==n
    assert sets.groupby('split').label.nunique().eq(2).all()
    assert folds.fold.notna().eq(folds.split!='test').all()

def test_a_tables_own_lots_are_kept_and_kept_together(tmp_path):
    rows = []
    for i in range(120):
        path = picture(tmp_path/f'{i}.png', i)
        rows.append(dict(path=path, label='good' if i%3 else 'defect', lot=f'lot{i//5}'))
    pd.DataFrame(rows).to_csv(tmp_path/'t.csv', index=False)
    df = read_source(tmp_path/'t.csv')
    assert set(df.lot)=={f'lot{i}' for i in range(24)}
    assert split_table(df, by='lot').groupby('lot').split.nunique().max()==1
    with pytest.raises(UserError, match='lot: no image has a value'): split_table(df.assign(lot=None), by='lot')

def test_sets_that_lack_a_class_are_refused_before_training():
    train = [dict(path=f'{i}.png', label='good' if i%2 else 'defect') for i in range(60)]
    test = [dict(path=f't{i}.png', label='good', split='test') for i in range(10)]
    df = make_table(train+test)
    lacks = 'no defect images among the 10 of the test set'
    with pytest.raises(UserError, match=lacks): split_table(df)
    with pytest.raises(UserError, match='test=0.001'): split_table(df[df.split=='train'], test=.001)

def test_every_fold_holds_both_classes():
    # defects and good parts of each lot: if lots were dealt out, a fold would have no good part
    lots = {0:(22,21), 1:(2,25), 2:(2,8), 3:(12,0)}
    rows = []
    for lot,(defects,good) in lots.items(): rows += [('defect',lot)]*defects+[('good',lot)]*good
    df = pd.DataFrame(rows, columns=['label','group'])
    df = df.assign(id=df.index, path='x', split='train', stratum=None)
    with pytest.raises(UserError, match='3 folds: fold 1 would hold no good part'): add_folds(df, 3)
    two = add_folds(df, 2)
    assert (pd.crosstab(two.fold, two.label)>0).all(axis=None)

def test_parts_by_their_names_stay_together_and_join_with_groups():
    rows = [dict(path=f'{i:03}_cam{k}.png', label='good' if i%3 else 'defect') for i in range(90) for k in (1,2)]
    df = make_table(rows)
    part = df.path.str[:3]
    sets = split_table(df, by=r'^(.+)_cam')
    assert sets.groupby(part).split.nunique().max()==1
    wafers = df.assign(group='w'+(part.astype(int)//9).astype(str), copy_group=df.index.where(df.index>1, 0))
    joined = split_table(wafers)
    assert joined.groupby('group_given').split.nunique().max()==1
    with pytest.raises(UserError, match='finds a part in none of 180 names'): split_table(df, by='lot(.)')

def test_a_given_test_and_validation_set_stay_and_their_copies_leave_training():
    words = ['Train']*60+['Validation']*30+['TEST']*30
    rows = [dict(path=f'{i:03}.png', label='good' if i%3 else 'defect', split=words[i],
        hash=str(i)) for i in range(120)]
    rows[0]['hash'],rows[1]['hash'] = '60','90' # copies of a validation and of a test image
    sets = split_table(make_table(rows))
    assert sets.split.tolist()==['leak']*2+['train']*58+['valid']*30+['test']*30
