"What must hold for any table: it survives the way through a CSV, no cell is a formula, no id stands for two files"
import pandas as pd, pytest
from hypothesis import example, given, strategies as st
from pandas.api.types import is_numeric_dtype
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.table import _cell_out, make_table, read_csv, unique_ids, write_csv

text = st.text(st.characters(blacklist_categories=('Cs',), blacklist_characters='\x00'), min_size=1, max_size=12)
lead = st.lists(st.sampled_from('=+-@;\t\r\n\'ab1'), min_size=1, max_size=6)
folder,file = st.sampled_from(['a','b','a/b']),st.sampled_from(['x.png','x.bmp','y.png','x'])

@given(st.lists(text, min_size=1, max_size=8, unique=True), lead)
@example([','], ['\r'])
def test_csv_round_trip_and_no_formula(tmp_path_factory, names, lead):
    p = tmp_path_factory.mktemp('csv')/'t.csv'
    df = make_table(dict(path=[''.join(lead)+n for n in names]))
    write_csv(df, p)
    back = read_csv(p)
    assert back.path.tolist()==df.path.tolist()
    assert back.id.tolist()==df.id.tolist()
    raw = pd.read_csv(p, keep_default_na=False, dtype=str)
    assert not raw.path.str.contains(r'(?:^|[;\n\r])[=+\-@\t\r]').any(), 'nor where a cell is split at a semicolon'

plain = text.map(lambda o: o.replace('\r', 'r'))
numbers = st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-9**20, 9**20), st.booleans())

@given(st.lists(st.tuples(plain, numbers, numbers, st.one_of(st.none(), plain)), max_size=6), plain)
def test_a_table_without_a_carriage_return_has_the_bytes_of_pandas(tmp_path_factory, rows, name):
    p = tmp_path_factory.mktemp('csv')
    df = pd.DataFrame(rows, columns=[f'a{name}','b','c','d'])
    write_csv(df, p/'ours.csv')
    df = df.apply(lambda col: col if is_numeric_dtype(col) else col.astype(object).map(_cell_out))
    df.to_csv(p/'theirs.csv', index=False, errors='surrogateescape', lineterminator='\n')
    assert (p/'ours.csv').read_bytes()==(p/'theirs.csv').read_bytes()

@given(st.lists(st.tuples(folder, file), unique=True, min_size=1))
def test_ids_are_unique(files):
    ids = unique_ids(['/'.join(o) for o in files])
    assert len(set(ids))==len(files)

@pytest.mark.parametrize('text', ['path,label,note\nA.bmp,ok,"5 inch\nB.bmp,ng,12" wafer\n',
    'label;file\r\n"ok;A.bmp\r\nng";B.BMP\r\nng;"C.bmp\r\nok;D.bmp"\r\n'])
def test_a_row_between_two_stray_quotes_is_not_lost(tmp_path, text):
    (tmp_path/'t.csv').write_bytes(text.encode())
    with pytest.raises(UserError, match='lies in a cell of another, between two quotes'): read_csv(tmp_path/'t.csv')

def test_a_remark_of_several_lines_is_no_row(tmp_path):
    (tmp_path/'t.csv').write_text('path,note\nA.bmp,"first, then\nsecond, or B.bmp"\n"a\nB.bmp",\n')
    assert len(read_csv(tmp_path/'t.csv'))==2
    told = '[\n {""file"": ""B.bmp"",\n ""k"": 1}]','B.bmp, too\nB.bmp, too'
    for cell in told:
        (tmp_path/'t.csv').write_text(f'path,label,note\nA.bmp,ok,"{cell}"\nB.bmp,ng,\n')
        assert len(read_csv(tmp_path/'t.csv'))==2, cell
