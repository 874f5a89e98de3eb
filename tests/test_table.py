"What must hold for any table: it survives the way through a CSV, no cell is a formula, no id stands for two files"
import pandas as pd
from hypothesis import given, strategies as st
from semiconductor_cls.base.table import make_table, read_csv, unique_ids, write_csv

text = st.text(st.characters(blacklist_categories=('Cs',), blacklist_characters='\x00\r'), min_size=1, max_size=12)
lead = st.lists(st.sampled_from('=+-@\t\'ab1'), min_size=1, max_size=4)
folder,file = st.sampled_from(['a','b','a/b']),st.sampled_from(['x.png','x.bmp','y.png','x'])

@given(st.lists(text, min_size=1, max_size=8, unique=True), lead)
def test_csv_round_trip_and_no_formula(tmp_path_factory, names, lead):
    p = tmp_path_factory.mktemp('csv')/'t.csv'
    df = make_table(dict(path=[''.join(lead)+n for n in names]))
    write_csv(df, p)
    back = read_csv(p)
    assert back.path.tolist()==df.path.tolist()
    assert back.id.tolist()==df.id.tolist()
    raw = pd.read_csv(p, keep_default_na=False, dtype=str)
    assert not raw.path.str.match(r'[=+\-@\t]').any()

@given(st.lists(st.tuples(folder, file), unique=True, min_size=1))
def test_ids_are_unique(files):
    ids = unique_ids(['/'.join(o) for o in files])
    assert len(set(ids))==len(files)
