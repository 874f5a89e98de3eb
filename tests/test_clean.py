"The cleaned table: the same in any order, and a source itself"
from pathlib import Path
import cv2, numpy as np, pandas as pd, pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from conftest import picture
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.clean import clean, RULES, run_clean
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.duplicates import find_copies
from semiconductor_cls.inspect import inspect
from semiconductor_cls.source import read_source
from semiconductor_cls.split import split_table

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

@pytest.mark.parametrize('whole', [False, True])
def test_near_copies_are_listed_however_the_folder_is_named(tmp_path, monkeypatch, whole):
    rng,photos = np.random.default_rng(0),tmp_path/'photos'
    photos.mkdir()
    for i in range(20):
        noise = rng.integers(0, 255, (90,90), np.uint8)
        Image.fromarray(cv2.GaussianBlur(noise, (0,0), 1.5)).save(photos/f'{i}.png')
    Image.open(photos/'1.png').save(photos/'again.jpg', quality=90)
    place = photos if whole else Path('photos')
    rows = [dict(path=str(place/o.name), label='good') for o in sorted(photos.iterdir())]
    pd.DataFrame(rows).to_csv(tmp_path/'t.csv', index=False)
    monkeypatch.chdir(tmp_path)
    assert run_clean('t.csv', 'c')['n_near']==1
    near = read_csv(tmp_path/'c/near.csv')
    assert {*near.path,*near.other}=={str(photos/'1.png'),str(photos/'again.jpg')}

def test_groups_and_columns_of_the_user_survive(tmp_path):
    own = 'hash reason mode fold kind other print'.split()
    rows = []
    for i in range(40):
        path = picture(tmp_path/f'{i}.png', 3*i+60)
        rows.append(dict(path=path, label='good' if i%2 else 'defect', group=f'wafer{i//5}',
            **{o:f'{o}{i}' for o in own}))
    table = pd.DataFrame(rows)
    table.to_csv(tmp_path/'t.csv', index=False)
    run_clean(tmp_path/'t.csv', tmp_path/'c', copies=False)
    kept = read_csv(tmp_path/'c/clean.csv').set_index('path').loc[table.path]
    for col in ['group',*own]: assert kept[col].tolist()==table[col].tolist(), col
    again = split_table(read_source(tmp_path/'c/clean.csv'))
    assert again.groupby('group_given').split.nunique().max()==1

def test_clean_refuses_what_it_does_not_know(tmp_path):
    rows = [dict(path=picture(tmp_path/f'{i}.png', i), label='perhaps') for i in range(3)]
    pd.DataFrame(rows).to_csv(tmp_path/'t.csv', index=False)
    with pytest.raises(UserError, match='3 labels are neither good nor defect'):
        run_clean(tmp_path/'t.csv', tmp_path/'c')

def test_names_of_columns_that_begin_with_own_come_back(tmp_path):
    own = 'own_note own_fold own_price note_own'.split()
    paths = [picture(tmp_path/f'{i}.png', 9*i+60) for i in range(3)]
    table = pd.DataFrame(dict(path=paths, label='good', **{o:[f'{o}{i}' for i in range(3)] for o in own}))
    table.to_csv(tmp_path/'t.csv', index=False)
    run_clean(tmp_path/'t.csv', tmp_path/'c', copies=False)
    kept = read_csv(tmp_path/'c/clean.csv')
    assert [o for o in kept if 'own' in o]==own and kept.own_note.tolist()==[f'own_note{i}' for i in range(3)]

def test_a_name_with_a_carriage_return_stays_one_row(tmp_path):
    names = [f'{label}/{name}.png' for label in ('good','defect') for name in ('a','lot\r7','b\r\nc')]
    for i,name in enumerate(names): picture(tmp_path/'p'/name, 9*i+60)
    run_clean(tmp_path/'p', tmp_path/'c')
    kept = read_source(tmp_path/'c/clean.csv')
    assert sorted(kept.path)==sorted(str(tmp_path/'p'/name) for name in names)
    assert kept.label.value_counts().to_dict()==dict(good=3, defect=3)
