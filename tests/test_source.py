"Tables and folders that people have, read as they are meant: guards `source` and `boxes`"
import pandas as pd, pytest
from conftest import picture
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.source import read_source

def test_boxes_of_a_table_go_to_their_path(tmp_path):
    rows = []
    for d,side in (('x',5), ('y',7)):
        box = dict(x_1=1, y_1=1, x_2=side, y_2=5)
        rows.append(dict(path=picture(tmp_path/d/'1.png'), label='defect', defect_type=d, **box))
    pd.DataFrame(rows).to_csv(tmp_path/'t.csv', index=False)
    boxes = read_source(tmp_path/'t.csv').set_index('defect_type').boxes
    assert boxes['x']==[(1,1,5,5)]
    assert boxes['y']==[(1,1,7,5)]

def test_a_folder_with_labels_csv_and_images_need_not_be_elpv(tmp_path):
    names = [f'images/{i}.png' for i in range(3)]
    for n in names: picture(tmp_path/n)
    pd.DataFrame(dict(path=names, label='good')).to_csv(tmp_path/'labels.csv', index=False)
    assert len(read_source(tmp_path))==3

def test_an_id_of_two_files_is_refused_and_both_are_named(tmp_path):
    paths = [picture(tmp_path/f'{i}.png', i) for i in range(3)]
    pd.DataFrame(dict(path=paths, label='good', id=['a','b','a'])).to_csv(tmp_path/'t.csv', index=False)
    both = r"id 'a' stands for .*0\.png and for .*2\.png"
    with pytest.raises(UserError, match=both): read_source(tmp_path/'t.csv')
