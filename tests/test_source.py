"Tables and folders that people have, read as they are meant: guards `source` and `boxes`"
from pathlib import Path
import pandas as pd, pytest
from PIL import Image
from conftest import picture
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.issues import issues_of
from semiconductor_cls.source import check_words, read_as, read_source

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

LABELS = [('OK','NG'), ('pass','FAIL'), ('Normal','Anomaly'), ('i.O.','n.i.O.'), ('良品','不良品'), ('合格','不合格'),
    ('0.0','1.0')]

@pytest.mark.parametrize('good,bad', LABELS, ids=lambda o: o)
def test_labels_in_the_words_of_people(tmp_path, good, bad):
    rows = [dict(Image=picture(tmp_path/f'{i}.png', i), Class=bad if i%2 else good) for i in range(4)]
    pd.DataFrame(rows).to_csv(tmp_path/'t.csv', index=False)
    df = read_source(tmp_path/'t.csv')
    assert df.label.tolist()==['good','defect']*2
    check_words(df, 't.csv')

@pytest.mark.parametrize('column,word', [('label','positive'), ('label','2'), ('split','holdout'), ('split','3')])
def test_a_word_that_may_mean_anything_is_refused(tmp_path, column, word):
    rows = [dict(path=picture(tmp_path/f'{i}.png', i), label='good', split='train') for i in range(3)]
    rows[1][column] = word
    pd.DataFrame(rows).to_csv(tmp_path/'t.csv', index=False)
    with pytest.raises(UserError, match=rf"line 3: '{word}'"): check_words(read_source(tmp_path/'t.csv'), 't.csv')

def places(root, *names):
    for i,name in enumerate(names): picture(root/name/f'{i}.png', i)
    return read_source(root)

def test_folders_people_have_are_read_without_options(tmp_path):
    both = places(tmp_path/'a', 'train/ok', 'train/NG', 'test/OK', 'test/ng')
    assert both[['label','split']].value_counts().to_dict()=={(l,s):1 for l in ('good',
        'defect') for s in ('train','test')}
    turned = places(tmp_path/'b', 'good/train', 'good/val', 'Bad/train', 'Bad/val')
    assert turned.split.value_counts().to_dict()=={'train':2, 'valid':2}
    types = places(tmp_path/'c', 'normal', 'Scratch', 'bent lead', 'rework')
    assert types.defect_type.dropna().tolist()==['Scratch','bent lead']
    assert issues_of(types).kind.tolist()==['folder_left_out']
    assert 'of 2 types (Scratch, bent lead)' in read_as(types)

@pytest.mark.parametrize('names', [('ok/ng','ok'), ('good','defect/pass')], ids=lambda o: o[0])
def test_a_class_inside_the_other_is_refused(tmp_path, names):
    with pytest.raises(UserError, match='says good, the other defect'): places(tmp_path, *names)

def test_mvtec_keeps_its_test_set_and_its_masks(tmp_path):
    picture(tmp_path/'ground_truth/dent/2_mask.png', 0)
    mask = Image.new('L', (40,30))
    mask.paste(255, (5,6,15,10))
    mask.save(tmp_path/'ground_truth/dent/2_mask.png')
    df = places(tmp_path, 'train/good', 'test/good', 'test/dent')
    assert read_as(df)=='read as MVTec: 1 good in good, 0 defects; boxes on 1 images; test set given: 2'
    assert df[df.defect_type=='dent'].boxes.tolist()==[[(5,6,14,9)]]

def test_visa_starts_one_folder_higher(tmp_path):
    for name in ('Normal/0','Anomaly/1'): picture(tmp_path/f'candle/Data/Images/{name}.png')
    (tmp_path/'split_csv').mkdir()
    (tmp_path/'split_csv/1cls.csv').write_text('object,split,image,label,mask\n'
        'candle,train,candle/Data/Images/Normal/0.png,normal,\ncandle,test,candle/Data/Images/Anomaly/1.png,anomaly,m.png\n')
    df = read_source(tmp_path)
    assert df[['label','split']].values.tolist()==[['good','train'],['defect','test']]
    assert all(Path(p).exists() for p in df.path)

def test_two_sets_for_one_file_are_refused(tmp_path):
    rows = [dict(path='a.png', label='good', split=o) for o in ('train','Test')]
    pd.DataFrame(rows).to_csv(tmp_path/'t.csv', index=False)
    with pytest.raises(UserError, match='is in train and in test'): read_source(tmp_path/'t.csv')

def test_columns_of_the_users_own_never_crash(tmp_path):
    own = 'print also mode kind Index class_ row file line count'.split()
    rows = [dict(path=picture(tmp_path/f'{i}.png', i), label='good', **{o:f'{o}{i}' for o in own}) for i in range(3)]
    pd.DataFrame(rows).to_csv(tmp_path/'t.csv', index=False)
    df = read_source(tmp_path/'t.csv')
    assert {'own_print','own_also','own_mode','own_kind','Index','row','file'} <= set(df)
