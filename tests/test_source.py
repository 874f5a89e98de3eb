"Tables and folders that people have, read as they are meant: guards `source` and `boxes`"
import json, re
from pathlib import Path
import pandas as pd, pytest
from hypothesis import given, strategies as st
from PIL import Image
from conftest import picture
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import write_json
from semiconductor_cls.base.issues import issues_of
from semiconductor_cls.base.parts import say_left_out
from semiconductor_cls.base.table import label_words, make_table
from semiconductor_cls.line.inputs import read_list
from semiconductor_cls.source import LAYOUTS, Layout, check_words, read_as, read_source, read_table, say_findings
from semiconductor_cls.source import say_groups, table_of_rows
from semiconductor_cls.split import split_table

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

SETS = {'sets in classes':('good/train','good/test','defect/train','defect/test'),
    'beside the classes':('good','defect','test/good','test/defect'),
    'in other words':('good','defect','Test set/OK','Test set/NG'),
    'deep':('good/images/train','good/images/test','defect/train/dent','defect/test/dent')}

@pytest.mark.parametrize('names', SETS.values(), ids=[*SETS])
@pytest.mark.parametrize('words', [('good','defect'), ('ok','ng'), ('prima','mies')], ids=lambda o: o[0])
def test_a_set_that_folders_name_stays_that_set_however_the_classes_are_called(tmp_path, names, words):
    for i,name in enumerate(names):
        for our,own in zip(('good','defect'), words): name = name.replace(our, own)
        picture(tmp_path/name/f'{i}.png', i)
    for given in ({}, dict(good=words[0], defect=words[1])):
        if not given and words[0]=='prima': continue    # words that nobody else knows
        df = read_source(tmp_path, **given)
        counts = df[['label','split']].value_counts().to_dict()
        assert counts=={(label,s):1 for label in ('good','defect') for s in ('train','test')}
        assert 'test set given: 2' in read_as(df) and not len(issues_of(df))

def test_unlabelled_test_pictures_beside_two_named_classes_are_to_be_judged(tmp_path):
    df = places(tmp_path, 'good', 'defect', 'test')
    assert 'to be judged: 1' in read_as(df)

def test_a_path_through_two_sets_is_refused(tmp_path):
    with pytest.raises(UserError, match='one of these folders says train, the other test'):
        places(tmp_path, 'ok/train/test', 'ng/train')

def test_a_lot_above_the_classes_is_no_type_of_defect(tmp_path):
    df = places(tmp_path, 'lot A/ok', 'lot A/ng', 'lot B/ok', 'lot B/ng/dent')
    assert df.defect_type.dropna().tolist()==['dent']

UNKNOWN_SETS = ['holdout','eval','test-2026','evaluation','Abnahme']

@pytest.mark.parametrize('word', UNKNOWN_SETS)
@pytest.mark.parametrize('names', [('train/ok','train/ng','{}/ok','{}/ng'), ('ok','ng','{}/ok','{}/ng'),
    ('ok/train','ng/train','ok/{}','ng/{}'), ('good/train','defect/train','good/{}','defect/{}')], ids=lambda o: o[0])
def test_an_unknown_word_where_a_set_stands_is_refused_by_name(tmp_path, names, word):
    with pytest.raises(UserError, match=f'{word}: lies beside .* none of train, valid, test'):
        places(tmp_path, *(o.format(word) for o in names))

@pytest.mark.parametrize('word', ['testset','test_set','Test set','TEST-DATA'])
def test_a_set_by_a_longer_name_is_that_set(tmp_path, word):
    df = places(tmp_path, 'train/ok', 'train/ng', f'{word}/ok', f'{word}/ng')
    assert df.split.tolist().count('test')==2 and df.defect_type.isna().all()

@pytest.mark.parametrize('name', ['2026-11','lot7','SN0012','holdout','Kamera 2',
    'dent_removed','without crack','kein_Kratzer','good_solder','crack_ok','results','ROI'])
@pytest.mark.parametrize('others', [('good','scratch'), ('train/good','test/good','test/dent')], ids=len)
def test_a_folder_that_is_not_surely_a_type_is_left_out_and_counted(tmp_path, others, name):
    df = places(tmp_path, *others, name)
    assert df.defect_type.dropna().tolist()==[others[-1].split('/')[-1]]
    assert say_left_out(df.attrs['issues'])==f'left out: 1 in {name}'

@pytest.mark.parametrize('names', [('ok/ng','ok'), ('good','defect/pass')], ids=lambda o: o[0])
def test_a_class_inside_the_other_is_refused(tmp_path, names):
    with pytest.raises(UserError, match='says good, the other defect'): places(tmp_path, *names)

@pytest.mark.parametrize('kind', ['crack','broken_large'])
def test_a_product_above_the_sets_is_no_type_of_defect(tmp_path, kind):
    df = places(tmp_path, 'bottle/train/good', 'bottle/test/good', f'bottle/test/{kind}')
    assert df.defect_type.dropna().unique().tolist()==[kind]

def test_mvtec_keeps_its_test_set_and_its_masks(tmp_path):
    picture(tmp_path/'ground_truth/dent/2_mask.png', 0)
    mask = Image.new('L', (40,30))
    mask.paste(255, (5,6,15,10))
    mask.save(tmp_path/'ground_truth/dent/2_mask.png')
    df = places(tmp_path, 'train/good', 'test/good', 'test/dent')
    assert read_as(df)=='read as MVTec: 1 good in good, 0 defects; boxes on 1 image; test set given: 2'
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

# ---- tables and layouts that people have

def table_of(root, text, n=6):
    "A CSV beside pictures 0.png, 1.png, …, read"
    for i in range(n): picture(root/f'{i}.png', i)
    (root/'t.csv').write_text(text)
    return read_source(root/'t.csv')

def kinds(df): return issues_of(df).kind.tolist()

def mask(path, spots=((5,6,14,9),), turned=False, size=(40,30)):
    "A mask with bright spots; the corners of each are inclusive"
    im = Image.new('L', size, 255 if turned else 0)
    for x,y,right,bottom in spots: im.paste(0 if turned else 255, (x,y,right+1,bottom+1))
    path.parent.mkdir(parents=True, exist_ok=True)
    im.save(path)

@pytest.mark.parametrize('names', [('0.png','m.png'), ('./0.png','masks/a.png')], ids=lambda o: o[1])
def test_the_mask_that_a_row_names_becomes_boxes(tmp_path, names):
    mask(tmp_path/names[1], [(5,6,14,9), (20,1,22,3)])
    df = table_of(tmp_path, f'object,split,label,image,mask\nx,test,bad,{names[0]},{names[1]}\nx,train,normal,1.png,\n')
    assert df.boxes.tolist()==[[(5,6,14,9),(20,1,22,3)], []] or df.boxes.tolist()==[[(20,1,22,3),(5,6,14,9)], []]
    assert 'boxes on 1 image' in read_as(df)

WRONG_MASKS = dict(mask_missing=lambda p: None, mask_inverted=lambda p: mask(p, turned=True),
    mask_empty=lambda p: mask(p, ()), mask_other_size=lambda p: mask(p, size=(30,40)),
    mask_unreadable=lambda p: p.write_bytes(b'\x89PNG\r\n'))

def spotted(path, size, *at):
    "A mask with a spot at each place"
    mask = Image.new('L', size)
    for x,y in at: mask.paste(255, (x, y, x+5, y+5))
    path.parent.mkdir(parents=True, exist_ok=True)
    mask.save(path)

@pytest.mark.parametrize('bad,masks', [('test/bent','ground_truth/bent'), ('defect','masks')])
def test_masks_in_a_folder_of_the_name_of_their_picture(tmp_path, bad, masks):
    "MVTec LOCO has several masks of one picture, by number; a number may be the name of another picture"
    for name in ('train/good/1.png','test/good/1.png') if bad!='defect' else ('good/9.png',): picture(tmp_path/name, 0)
    for i in range(3):
        picture(tmp_path/f'{bad}/00{i}.png', 1+i)
        with Image.open(tmp_path/f'{bad}/00{i}.png') as im: size = im.size
        for k in range(2): spotted(tmp_path/f'{masks}/00{i}/00{k}.png', size, (2+8*k, 2+8*i))
    df = read_source(tmp_path)
    boxes = {Path(o.path).stem:o.boxes for o in df[df.label=='defect'].itertuples()}
    assert boxes=={f'00{i}':[(2+8*k, 2+8*i, 6+8*k, 6+8*i) for k in range(2)] for i in range(3)}
    assert 'mask_missing' not in issues_of(df).kind.tolist()

@pytest.mark.parametrize('kind', WRONG_MASKS)
@pytest.mark.parametrize('layout', ['table','mvtec'])
def test_a_mask_that_offers_no_box_is_counted(tmp_path, kind, layout):
    WRONG_MASKS[kind](tmp_path/'m.png')
    if layout=='table': df = table_of(tmp_path, 'path,label,mask\n0.png,ng,m.png\n1.png,ok,\n')
    else:
        (tmp_path/'d/ground_truth/dent').mkdir(parents=True)
        if (tmp_path/'m.png').exists(): (tmp_path/'m.png').rename(tmp_path/'d/ground_truth/dent/2_mask.png')
        df = places(tmp_path/'d', 'train/good', 'test/good', 'test/dent')
    assert kinds(df).count(kind)==1
    assert not any(df.boxes)
    assert kind in say_findings(df)

@pytest.mark.parametrize('folder', ['masks','defect/masks','ground_truth/defect','annotations'])
@pytest.mark.parametrize('name', ['{}.png','{}_mask.png'])
def test_masks_in_a_folder_of_their_own_become_boxes(tmp_path, folder, name):
    for label,i in (('good',0),('good',1),('defect',2),('defect',3)): picture(tmp_path/label/f'{i}.png', i)
    for i in (2,9): mask(tmp_path/folder/name.format(i))
    df = read_source(tmp_path)
    assert df.label.tolist()==['good']*2+['defect']*2
    assert df.boxes.map(len).tolist()==[0,0,1,0]
    left = issues_of(df).query("kind=='not_a_part'")
    assert sorted(left.other)==['as mask','as mask of no picture']

def test_a_name_that_two_pictures_share_gives_no_mask(tmp_path):
    for place in ('good/1','defect/a/1','defect/b/1'): picture(tmp_path/f'{place}.png')
    mask(tmp_path/'masks/1.png')
    df = read_source(tmp_path)
    assert not any(df.boxes)
    assert issues_of(df).other.tolist()==['as mask of no picture']

TYPES = [('good','scratch','crack'), ('OK','bent lead','Chipping'), ('normal','Kratzer','Delle')]

@pytest.mark.parametrize('words', TYPES, ids=lambda o: o[1])
@pytest.mark.parametrize('column', ['label','class','defect_type'])
def test_labels_that_are_types_of_defects(tmp_path, words, column):
    rows = [f'{i}.png,{words[i%3]}' for i in range(6)]
    df = table_of(tmp_path, '\n'.join([f'image,{column}', *rows]))
    assert df.label.tolist()==['good','defect','defect']*2
    assert df.defect_type.tolist()==[None,*words[1:]]*2
    assert f"labels taken for types of defects: {', '.join(sorted(words[1:]))}" in read_as(df)
    check_words(df, 't.csv')

@pytest.mark.parametrize('words', [('good','scratch','godo'), ('good','scratch','unclear'), ('good','A7','scratch'),
    ('scratch','dent','crack'), ('good','cat','dog'), ('good','scratch','recheck'),
    ('good','dent','dent free'), ('good','scratch','fake scratch')], ids=lambda o: o[2])
def test_labels_that_may_be_types_are_refused(tmp_path, words):
    rows = [f'{i}.png,{words[i%3]}' for i in range(6)]
    df = table_of(tmp_path, '\n'.join(['image,label', *rows]))
    with pytest.raises(UserError, match='labels are neither good nor defect'): check_words(df, 't.csv')

@pytest.mark.parametrize('sets', [('train','','test'), ('','val','')], ids=str)
def test_an_empty_cell_of_a_set_is_counted(tmp_path, sets):
    rows = [f'{i}.png,ok,{o}' for i,o in enumerate(sets)]
    df = table_of(tmp_path, '\n'.join(['path,label,split', *rows]))
    n = sets.count('')
    assert kinds(df)==['split_empty']*n
    assert f'rows whose set is empty, taken for training: {n}' in read_as(df)

@pytest.mark.parametrize('gap', ['\n', '\n\n   \n', '"\n"\n'], ids=['one','blanks','quoted'])
def test_a_finding_names_the_line_that_an_editor_shows(tmp_path, gap):
    text = f'path,label,split\n0.png,ok,\n{gap}1.png,scrap?,dev\n2.png,ok,holdout\n'
    if gap.startswith('"'): text = text.replace(gap, '3.png,"ok\n",\n')
    found = issues_of(table_of(tmp_path, text)).set_index('kind').detail
    lines = text.split('\n')
    for kind,word in (('unknown_label','scrap?'), ('unknown_split','holdout')):
        assert f"line {1+next(i for i,o in enumerate(lines) if word in o)}: '{word}'"==found[kind]

def test_boxes_of_a_table_with_gaps_name_their_line(tmp_path):
    df = table_of(tmp_path, 'path,label,x_1,y_1,x_2,y_2\n\n0.png,ok,,,,\n\n1.png,ng,9,9,1,1\n')
    assert issues_of(df).detail.tolist()==['line 5: 9.0,9.0,1.0,1.0']

SIZE = dict(original_width=40, original_height=30)
STUDIO = [dict(x=10, y=20, width=50, height=30, rotation=0, rectanglelabels=['dent'], **SIZE)]

def studio(root, kind):
    "Three tasks: a dent, a good part, one that nobody has judged"
    name = '/data/upload/3/1f2e3d4c-{}.png'
    if kind=='csv':
        cell = json.dumps(STUDIO).replace('"', '""')
        cells = (0,'NG',cell),(1,'OK',''),(2,'','')
        rows = [f'{name.format(i)},{i},{choice},"{boxes}",1,2.5' for i,choice,boxes in cells]
        (root/'e.csv').write_text('\n'.join(['image,id,choice,label,annotation_id,lead_time', *rows]))
    else:
        def chosen(word): return dict(type='choices', value=dict(choices=[word]))
        box = dict(type='rectanglelabels', value=STUDIO[0], **SIZE)
        results = [[chosen('NG'), box], [chosen('OK')], []]
        tasks = [dict(data=dict(image=name.format(i)), annotations=[dict(result=o)]) for i,o in enumerate(results)]
        (root/'e.json').write_text(json.dumps(tasks))
    return root/f'e.{kind}'

@pytest.mark.parametrize('kind', ['csv','json'])
@pytest.mark.parametrize('place', ['{}.png','media/1f2e3d4c-{}.png'])
def test_label_studio_is_read_with_its_boxes(tmp_path, kind, place):
    for i in range(3): picture(tmp_path/place.format(i), i)
    df = read_source(studio(tmp_path, kind))
    assert df.label.tolist()==['defect','good',None]
    assert df.boxes.tolist()==[[(4,6,23,14)],[],[]]
    assert df.defect_type.tolist()==['dent',None,None]
    assert [Path(p) for p in df.path]==[tmp_path/place.format(i) for i in range(3)]
    assert 'read as Label Studio: 1 good' in read_as(df) and 'without a label: 1' in read_as(df)

def answer(words, question='verdict'):
    return dict(type='choices', from_name=question, value=dict(choices=words.split()))

def shape(kind, **value): return dict(type=f'{kind}labels', value={**value, f'{kind}labels':['dent']}, **SIZE)

def answered(root, *persons):
    "An export of two tasks: what these persons said of 0.png, and 1.png, which is good"
    for i in range(2): picture(root/f'{i}.png', i)
    tasks = [persons, [dict(result=[answer('OK')])]]
    tasks = [dict(data=dict(image=f'{i}.png'), annotations=list(o)) for i,o in enumerate(tasks)]
    (root/'e.json').write_text(json.dumps(tasks))
    return root/'e.json'

OUTLINE = shape('polygon', points=[[10,20],[60,20],[60,50]])
DISAGREE = {'two persons':[[answer('OK')], [answer('NG')]], 'the other order':[[answer('NG')], [answer('OK')]],
    'two words':[[answer('OK NG')]], 'a type':[[answer('OK')], [answer('scratch')]],
    'a word and a drawing':[[answer('good')], [OUTLINE]]}

@pytest.mark.parametrize('kind', DISAGREE)
def test_people_who_disagree_in_label_studio_leave_no_label(tmp_path, kind):
    df = read_source(answered(tmp_path, *[dict(result=o) for o in DISAGREE[kind]]))
    assert df.label.tolist()==[None,'good']
    assert 'two_labels' in set(issues_of(df).kind) and 'without a label: 1' in read_as(df)
    assert '1 two_labels (0.png)' in say_findings(df)

@pytest.mark.parametrize('small', [[('OK',0),('NG',0)], [('{"choices": ["OK", "NG"]}',0)]], ids=['two rows','one cell'])
def test_rows_of_label_studio_that_disagree_leave_no_label(tmp_path, small):
    for i in range(2): picture(tmp_path/f'{i}.png', i)
    tasks = [dict(image=f'{i}.png', choice=word) for word,i in [*small, ('OK',1)]]
    (tmp_path/'e.json').write_text(json.dumps(tasks))
    df = read_source(tmp_path/'e.json')
    assert df.label.tolist()==[None,'good'] and issues_of(df).kind.tolist()==['two_labels']

def test_what_was_cancelled_and_who_says_nothing_do_not_count(tmp_path):
    cancelled = dict(was_cancelled=True, result=[answer('OK'), OUTLINE])
    others = [[], [answer('NG')], [answer('ng')]]
    df = read_source(answered(tmp_path, cancelled, *[dict(result=o) for o in others]))
    assert df.label.tolist()==['defect','good'] and not any(df.boxes)
    assert issues_of(df)[['kind','detail']].values.tolist()==[['annotation_cancelled','1 answer']]

@pytest.mark.parametrize('word,is_refused', [('good',True), ('fail',True), ('sharp',False), ('2',False), ('1',False)])
def test_a_second_question_is_refused_where_it_is_about_good_too_and_counted_else(tmp_path, word, is_refused):
    path = answered(tmp_path, dict(result=[answer(word, 'focus'), answer('NG')]))
    if is_refused:
        with pytest.raises(UserError, match="e.json: 'focus' and 'verdict' are both answered"): read_source(path)
        return
    df = read_source(path)
    assert df.label.tolist()==['defect','good']
    assert issues_of(df)[['kind','other','detail']].values.tolist()==[['answers_not_read','focus','1 answer']]

SHAPES = {'polygon':(OUTLINE, [(4,6,23,14)]),
    'ellipse':(shape('ellipse', x=50, y=50, radiusX=25, radiusY=10), [(10,12,29,17)]),
    'turned ellipse':(shape('ellipse', x=50, y=50, radiusX=25, radiusY=10, rotation=30), []),
    'brush':(shape('brush', format='rle', rle=[0,1]), []), 'keypoint':(shape('keypoint', x=5, y=5, width=.4), []),
    'vector':(shape('vector', vertices=[dict(x=1, y=2)]), []),
    'turned':(shape('rectangle', x=60, y=9, width=-5, height=9), [])}

@pytest.mark.parametrize('kind', SHAPES)
@pytest.mark.parametrize('is_alone', [True,False])
def test_shapes_of_label_studio_have_a_box_around_them_or_are_a_finding(tmp_path, kind, is_alone):
    drawn,boxes = SHAPES[kind]
    df = read_source(answered(tmp_path, dict(result=[drawn] if is_alone else [drawn, answer('NG')])))
    assert df.label.tolist()==['defect','good'] and df.defect_type.tolist()==['dent',None]
    assert df.boxes.tolist()==[boxes,[]]
    finding = 'box_inverted' if kind=='turned' else 'box_not_numbers'
    assert issues_of(df).kind.tolist()==([] if boxes else [finding])

NO_STUDIO = ['{}', '[]', '[1]', '[{"data": {}}]', '[{"image": 7}]', '[{"image": "a.png", "label": 3}]', 'no json',
    '[{"image": "a.png", "annotations": [{"result": [{"type": "choices", "value": 3}]}]}]', '['*100_000]

@pytest.mark.parametrize('text', NO_STUDIO, ids=range(9))
def test_what_is_no_export_of_label_studio_is_refused(tmp_path, text):
    (tmp_path/'e.json').write_text(text)
    with pytest.raises(UserError, match='e.json: ') as e: read_source(tmp_path/'e.json')
    assert '\n' not in str(e.value)

def test_a_set_of_good_parts_alone_is_refused_with_a_way_out(tmp_path):
    "MVTec trains on good parts only, and all its defects are in the test set"
    for i in range(20):
        for place in ('train/good','test/good','test/dent'): picture(tmp_path/place/f'{i}.png', i)
    df = read_source(tmp_path)
    df = df.assign(hash=df.path)
    with pytest.raises(UserError, match='no defect images to train on: all 20 .* to deal them anew, '): split_table(df)

@pytest.mark.parametrize('label,kind', [('ok','scratch'), ('0','Kratzer, Delle'), ('good','A7')])
def test_a_good_row_with_a_type_of_defect_is_a_finding(tmp_path, label, kind):
    df = table_of(tmp_path, f'path,label,defect_type\n0.png,{label},"{kind}"\n1.png,ng,dent\n')
    assert issues_of(df)[['kind','detail']].values.tolist()==[['type_on_good', f"line 2: '{kind}'"]]
    assert 'did not fit: 1 type_on_good (0.png)' in say_findings(df)

@pytest.mark.parametrize('word', ['none','good','-','N/A','OK'])
def test_a_word_for_no_type_on_a_good_row_is_none(tmp_path, word):
    df = table_of(tmp_path, f'path,label,defect_type\n0.png,ok,{word}\n1.png,ng,dent\n')
    assert df.defect_type.tolist()==[None,'dent'] and not len(issues_of(df))

UNNAMED = {'dataset':'train train test', 'partition':'Training,val,Test', 'phase':'test,,', 'is_test':'0,0,1',
    'Usage':'train,train,testing', 'is_train':'yes,yes,no', 'split,dataset':',train,test',
    'Dataset':'train,holdout,train', 'Partition':'A,test 2,test'}

@pytest.mark.parametrize('column', UNNAMED)
def test_sets_in_a_column_of_another_name_are_refused(tmp_path, column):
    cells = UNNAMED[column].replace(' ', ',').split(',')
    empty = ',' if column.startswith('split') else ''
    rows = [f'{i}.png,ok,{empty}{o}' for i,o in enumerate(cells)]
    df = table_of(tmp_path, '\n'.join([f'path,label,{column}', *rows]))
    with pytest.raises(UserError, match='t.csv: 1 of its columns with words for sets.* call it split'):
        check_words(df, 't.csv')
    assert 'set_not_called_split' in say_findings(df)

@pytest.mark.parametrize('column', ['operator,x,y,x','station,test,test,test','is_new,0,1,0','day,1,2,0'])
def test_columns_that_tell_no_sets_are_the_users_own(tmp_path, column):
    name,*cells = column.split(',')
    df = table_of(tmp_path, '\n'.join([f'path,label,{name}', *(f'{i}.png,ok,{o}' for i,o in enumerate(cells))]))
    assert name in df and not len(issues_of(df))

NUMBERS = [('0 1 0',''), ('1.0 0.0 1.0',''), ('1 good 0',''), ('1 0 1','1 0'), ('ok ng ok','')]

@pytest.mark.parametrize('words,own', NUMBERS)
@pytest.mark.parametrize('column', ['quality','label'])
def test_what_numbers_mean_as_labels_is_said_unless_the_user_told_it(tmp_path, words, own, column):
    (tmp_path/'t.csv').write_text(f'path,{column}\n'+''.join(f'{i}.png,{o}\n' for i,o in enumerate(words.split())))
    df = read_source(tmp_path/'t.csv', *own.split())
    assert ('label 0 taken for good, 1 for defective' in read_as(df))==(not own and not re.search('[a-z]', words))
    assert not say_findings(df)

def test_a_type_of_defect_has_one_name_however_it_is_spelled(tmp_path):
    df = places(tmp_path/'a', 'ok', 'Bent_lead', 'bent lead', 'BENT-LEAD', 'Riss')
    assert 'of 2 types' in read_as(df) and df.defect_type.nunique()==2
    rows = ['1.png,ok,,,,','2.png,Scratch,1,1,4,4','3.png,SCRATCH,,,,','4.png,scratch,,,,']
    assert table_of(tmp_path/'b', '\n'.join(['path,label,x1,y1,x2,y2', *rows])).defect_type.dropna().nunique()==1
    for name in ('good/1','Spur/2'): picture(tmp_path/f'c/{name}.png', 3)
    (tmp_path/'c/b.csv').write_text('id,x1,y1,x2,y2,label\n2,1,1,4,4,spur\n')
    assert read_source(tmp_path/'c').defect_type.dropna().tolist()==['Spur']

# ---- a key for each file

GAPS = {'a name':('1','2',''), 'a path':('1','x/1','',''), 'all but one':('','','1')}

@pytest.mark.parametrize('ids', GAPS.values(), ids=[*GAPS])
def test_a_row_without_an_id_gets_one_of_its_own(tmp_path, ids):
    names = ['0.png','1.png','2.png','x/1.png'][:len(ids)]
    for i,name in enumerate(names): picture(tmp_path/name, i)
    (tmp_path/'t.csv').write_text('\n'.join(['path,label,id', *(f'{n},ok,{key}' for n,key in zip(names, ids))]))
    df = read_source(tmp_path/'t.csv')
    assert df.id.is_unique
    assert set(ids)-{''} <= set(df.id)

file_names = st.sampled_from(['1.png','1.bmp','1.png.tif','a/1.png','b/a/1.png','2.png','a/2#2.png'])
some_keys = st.sampled_from(['1','2','1.png','a/1','a/1.png','1.png#2','2.png'])

@given(st.lists(file_names, unique=True, min_size=1), st.lists(some_keys, unique=True, min_size=7, max_size=7),
       st.lists(st.booleans(), min_size=7, max_size=7))
def test_no_two_files_share_an_id_whatever_the_source_leaves_out(paths, keys, gaps):
    ids = [None if gap else key for gap,key in zip(gaps, keys)][:len(paths)]
    df = make_table(dict(path=paths, id=ids))
    assert df.id.is_unique and df.id.notna().all()
    assert {key for key in ids if key} <= set(df.id)

# ---- lists with labels

LISTS = {'blanks.txt':'{} OK\n{} NG\n\n{} OK\n', 'tabs.txt':'{}\tgood\n{}\tscratch\n{}\tgood\n',
    'digits.tsv':'{}\t0\n{}\t1\n{}\t0\n',
    'quotes.txt':'"{}", pass\n"{}", fail\n"{}", pass', 'comma.txt':'{},ok\n{},ng\n{},ok\n',
    'head.tsv':'filename\tverdict\n{}\tgut\n{}\tschlecht\n{}\tgut\n',
    'head.txt':'image,class\n{},ok\n{},not ok\n{},ok\n'}

@pytest.mark.parametrize('name', LISTS)
@pytest.mark.parametrize('place', ['{}.png','lot 1/{}.png'])
def test_a_list_with_labels_is_a_table(tmp_path, name, place):
    for i in range(3): picture(tmp_path/place.format(i), i)
    (tmp_path/name).write_text(LISTS[name].format(*(place.format(i) for i in range(3))))
    df = read_source(tmp_path/name)
    check_words(df, name)
    assert df.label.tolist()==['good','defect','good'] and not df.path.map(lambda o: not Path(o).exists()).any()
    assert df.defect_type.dropna().tolist()==(['scratch'] if name=='tabs.txt' else [])

NO_LISTS = {'a picture alone':('0.png\n1.png\n','neither a folder nor a CSV'),
    'prose':('taken on Monday\n','neither a folder'),
    'one without':('0.png ok\n1.png\n',"line 2: '1.png'"), 'no label known':('0.png 7\n1.png 8\n',"line 1: '0.png 7'"),
    'two columns too many':('0.png\tok\ttrain\n','neither a folder'), 'empty':('','neither a folder')}

@pytest.mark.parametrize('kind', NO_LISTS)
def test_a_text_that_is_not_surely_a_list_with_labels_is_refused(tmp_path, kind):
    text,why = NO_LISTS[kind]
    (tmp_path/'t.txt').write_text(text)
    with pytest.raises(UserError, match=why) as e: read_source(tmp_path/'t.txt')
    assert '\n' not in str(e.value) and 't.txt' in str(e.value)

def test_a_list_with_an_unknown_label_names_its_line(tmp_path):
    (tmp_path/'t.txt').write_text('0.png ok\n1.png ok train\n')
    with pytest.raises(UserError, match="line 2: 'ok train'"): check_words(read_source(tmp_path/'t.txt'), 't.txt')

def test_clean_takes_a_list(tmp_path):
    from semiconductor_cls.clean import run_clean
    for i in range(4): picture(tmp_path/f'{i}.png', i)
    (tmp_path/'t.tsv').write_text(''.join(f'{i}.png\t{word}\n' for i,word in enumerate(['ok','ng']*2)))
    assert run_clean(tmp_path/'t.tsv', tmp_path/'out')['n_images']==4
    assert read_source(tmp_path/'out/clean.csv').label.tolist()==['good','defect']*2

# ---- what is no class, no label and no set is counted or refused

@pytest.mark.parametrize('aside', ['ng_masks','NG_2024_mask','ok_gt','ng_unknown','ok_to_check','ng_suspect'])
def test_a_folder_of_masks_or_doubts_is_no_class_whatever_word_it_begins_with(tmp_path, aside):
    df = places(tmp_path, 'ok_images', 'ng_images', aside)
    assert df.label.tolist()==['good','defect']
    assert say_left_out(df.attrs['issues']) in (f'left out: 1 in {aside}', 'left out: 1 as mask of no picture')

def test_masks_inside_a_class_are_no_parts_by_a_longer_name(tmp_path):
    df = places(tmp_path, 'good', 'defect', 'defect/defect_masks', 'defect/mask_defect')
    assert df.label.tolist().count('defect')==2 and df.defect_type.dropna().tolist()==['mask_defect']

@pytest.mark.parametrize('column', ['label','split'])
@pytest.mark.parametrize('word', ['-1','.1','-0','+1','1-'])
def test_a_number_with_a_sign_or_a_point_is_no_word(tmp_path, column, word):
    rows = [dict(path=picture(tmp_path/f'{i}.png', i), label='1', split='0') for i in range(3)]
    rows[1][column] = word
    pd.DataFrame(rows).to_csv(tmp_path/'t.csv', index=False)
    with pytest.raises(UserError, match=rf"line 3: '{re.escape(word)}'"):
        check_words(read_source(tmp_path/'t.csv'), 't.csv')

def test_minus_one_may_be_the_users_word(tmp_path):
    df = table_of(tmp_path, 'path,label\n0.png,1\n1.png,-1\n2.png,-1\n')
    df = read_source(tmp_path/'t.csv', good='1', defect='-1')
    assert df.label.tolist()==['good','defect','defect']

@pytest.mark.parametrize('views', [('TOP','bottom'), ('cam1','Cam2'), ('LEFT','right')], ids=lambda o: o[0])
def test_a_pattern_that_is_proposed_joins_what_was_said(views):
    df = make_table([dict(path=f'SN{i:02}_{o}.png', label='good') for i in range(20) for o in views])
    pattern = re.search("--group '(.+)' would", say_groups(df))[1]
    assert say_groups(df, pattern).startswith(f"--group '{pattern}': 20 parts in 40 photographs")

@pytest.mark.parametrize('layout', ['labels.csv','image_anno.csv'])
def test_pictures_of_a_folder_that_its_table_does_not_name_are_counted(tmp_path, layout):
    for i,place in enumerate(('images/0','images/1','images/2','good/3')): picture(tmp_path/f'{place}.png', i)
    (tmp_path/layout).write_text('image,label\nimages/0.png,ok\nimages/1.png,ng\n')
    df = read_source(tmp_path)
    assert len(df)==2 and say_left_out(df.attrs['issues'])==f'left out: 2 not in {layout}'

# ---- tables as Excel and older programs write them

@pytest.mark.parametrize('first', ['sep=;\r\n','"sep=;"\n','\ufeffSEP=;\n'])
@pytest.mark.parametrize('name', ['t.csv','t.txt','t.tsv'])
def test_a_line_that_tells_what_parts_the_cells_is_no_row(tmp_path, first, name):
    for i in range(2): picture(tmp_path/f'{i}.png', i)
    (tmp_path/name).write_bytes(f'{first}path;label;x, y, z\n0.png;ok;1,5\n1.png;what;2,5\n'.encode())
    df = read_source(tmp_path/name)
    assert df.label.tolist()==['good',None] and df['x, y, z'].tolist()==['1,5','2,5']
    assert issues_of(df).detail.tolist()==["line 4: 'what'"]    # as a text editor counts them
    assert [Path(o).name for o in read_list(tmp_path/name)]==['0.png','1.png']

def test_boxes_beside_folders_may_tell_what_parts_their_cells(tmp_path):
    for name in ('good/0.png','defect/1.png'): picture(tmp_path/name)
    (tmp_path/'boxes.csv').write_text('sep=;\nid;x_1;y_1;x_2;y_2\n1;1;2;5;6\n')
    assert [o for o in read_source(tmp_path).boxes if o]==[[(1,2,5,6)]]

def test_commas_in_the_head_of_a_table_do_not_outvote_what_parts_its_rows(tmp_path):
    for i in range(2): picture(tmp_path/f'{i}.png', i)
    for notes in ('1, 2, 3','1, 2, 3, 4, 5'):
        (tmp_path/'t.csv').write_text(f'path;label;note {notes}\n0.png;ok;a\n1.png;ng;"b, c"\n')
        assert read_source(tmp_path/'t.csv').label.tolist()==['good','defect']

@pytest.mark.parametrize('column', ['label','split'])
def test_letters_of_another_encoding_are_said_to_be_that(tmp_path, column):
    picture(tmp_path/'0.png')
    word = dict(label=('Défaut','train'), split=('ok','Prüfung'))[column]
    (tmp_path/'t.csv').write_bytes(f"path,label,split\n0.png,{','.join(word)}\n".encode('latin-1'))
    with pytest.raises(UserError, match='its letters are not UTF-8; save it as UTF-8') as told:
        check_words(read_source(tmp_path/'t.csv'), 't.csv')
    str(told.value).encode('utf-8')    # which bytes that are no text would refuse

@pytest.mark.parametrize('note', ['Jörg','3 µm'])
def test_a_column_beside_the_labels_may_be_in_another_encoding(tmp_path, note):
    picture(tmp_path/'0.png')
    (tmp_path/'t.csv').write_bytes(f'path,label,note\n0.png,ok,{note}\n'.encode('latin-1'))
    assert read_source(tmp_path/'t.csv').label.tolist()==['good']

@pytest.mark.parametrize('again', ['{}','./{}','sub/../{}'])
def test_rows_that_say_one_thing_twice_are_counted(tmp_path, again):
    (tmp_path/'sub').mkdir()
    names = [f'{i}.png' for i in range(3)]
    for i,name in enumerate(names): picture(tmp_path/name, i)
    lines = [f'{name},good,,,,' for name in names+[again.format(o) for o in names[1:]]]
    boxes = ['0.png,good,1,1,4,4','0.png,good,5,5,8,8']    # two rows for two boxes repeat nothing
    (tmp_path/'t.csv').write_text('\n'.join(['path,label,x_1,y_1,x_2,y_2', *lines, *boxes])+'\n')
    df = read_source(tmp_path/'t.csv')
    found = issues_of(df)
    assert len(df)==3 and found.detail[found.kind=='row_repeated'].tolist()==['line 5','line 6']
    assert set(found.kind)=={'row_repeated','box_on_good'} and '2 row_repeated (1.png, 2.png)' in say_findings(df)

# ---- exports of Label Studio that have more than a choice

def exported(root, kind, **fields):
    "Six pictures, in each form that it writes; lists of words for each field"
    names = [f'/data/upload/1/{i:08x}-{i}.png' for i in range(6)]
    for i in range(6): picture(root/f'{i}.png', i)
    own = dict(annotation_id=5, annotator=1, created_at='2026', id=7, lead_time=2.5, updated_at='2026')
    rows = [{col:words[i] for col,words in fields.items()} | dict(own, image=name) for i,name in enumerate(names)]
    path = root/f"e.{kind.split()[0]}"
    if kind=='json': path.write_text(json.dumps(rows))
    else: pd.DataFrame(rows).to_csv(path, index=False, sep=kind[4], decimal=',' if ';' in kind else '.')
    return path

FORMS,WORDS = ['csv ,','csv ;','json'],['good','NG']*3

@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('question,words', [('quality',WORDS), ('my answer',WORDS), ('class',['0','1']*3)])
def test_a_question_of_label_studio_may_have_any_name(tmp_path, form, question, words):
    df = read_source(exported(tmp_path, form, **{question:words}))
    assert df.label.tolist()==['good','defect']*3 and not len(issues_of(df))
    assert [Path(o).name for o in df.path]==[f'{i}.png' for i in range(6)]

@pytest.mark.parametrize('form', FORMS)
def test_other_fields_of_label_studio_are_named_and_its_set_is_read(tmp_path, form):
    sets = ['test']*2+['train','valid','train','train']
    more = dict(serial=[f'SN{i}' for i in range(6)], spots=list('010203'))
    df = read_source(exported(tmp_path, form, **more, choice=WORDS, focus=['sharp']*6, split=sets))
    assert df.split.tolist()==sets and df.label.tolist()==['good','defect']*3
    assert issues_of(df)[['kind','other']].values.tolist()==[['columns_not_read','serial, spots, focus']]
    assert 'test set given: 2' in read_as(df) and 'columns_not_read' in say_findings(df)

@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('other', ['result','sentiment'])
def test_two_questions_about_good_parts_are_refused_in_every_form(tmp_path, form, other):
    with pytest.raises(UserError, match=f"'choice' and '{other}' are both answered"):
        read_source(exported(tmp_path, form, choice=WORDS, **{other:WORDS[::-1]}))
    df = read_source(exported(tmp_path, form, choice=WORDS, result=['A','B']*3))
    assert issues_of(df)[['kind','other','detail']].values.tolist()==[['answers_not_read','result','6 answers']]

def test_a_set_of_label_studio_that_is_none_is_refused_and_an_empty_one_counted(tmp_path):
    sets = ['test','','train','train','train','holdout']
    df = read_source(exported(tmp_path, 'csv ,', choice=WORDS, split=sets))
    assert sorted(issues_of(df).kind)==['split_empty','unknown_split']
    with pytest.raises(UserError, match="set are none of train, valid and test.*'holdout'"): check_words(df, 'e')

def test_the_picture_of_a_task_may_stand_behind_its_serial_number(tmp_path):
    for i in range(2): picture(tmp_path/f'{i}.png', i)
    tasks = [dict(data=dict(serial=f'SN{i}', photo=f'/data/upload/1/{i:08x}-{i}.png', split=('test','train')[i]),
                  annotations=[dict(result=[answer(('OK','NG')[i]), OUTLINE][:i+1])]) for i in range(2)]
    (tmp_path/'e.json').write_text(json.dumps(tasks))
    df = read_source(tmp_path/'e.json')
    assert df.path.tolist()==[str(tmp_path/f'{i}.png') for i in range(2)] and df.split.tolist()==['test','train']
    assert df.label.tolist()==['good','defect'] and df.boxes.tolist()==[[],[(4,6,23,14)]]
    assert issues_of(df)[['kind','other']].values.tolist()==[['columns_not_read','serial']]

def test_predictions_of_label_studio_are_no_labels_and_counted(tmp_path):
    for i in range(2): picture(tmp_path/f'{i}.png', i)
    told = dict(predictions=[dict(result=[answer('NG')])], data=dict(image='0.png'))
    fine = dict(data=dict(image='1.png'), annotations=[dict(result=[answer('OK')])])
    (tmp_path/'e.json').write_text(json.dumps([told, fine]))
    df = read_source(tmp_path/'e.json')
    assert df.label.tolist()==[None,'good']
    assert issues_of(df)[['kind','other','detail']].values.tolist()==[['answers_not_read','prediction','1 answer']]

@pytest.mark.parametrize('codes', [('0a1b2c3d','1a1b2c3d'), ('20240131','20240201')])
def test_a_box_of_label_studio_stays_with_its_task(tmp_path, codes):
    for code in codes: Image.new('L', (40,30)).save(tmp_path/f'{code}-top.png')
    drawn = dict(value=dict(x=10, y=20, width=50, height=30, rectanglelabels=['dent']))
    tasks = [dict(data=dict(image=f'/data/upload/1/{code}-top.png')) for code in codes]
    write_json(tmp_path/'t.json', [dict(tasks[0], annotations=[dict(result=[drawn])]), tasks[1]])
    df = read_source(tmp_path/'t.json')
    assert [*zip(df.label, df.defect_type, df.boxes.map(len))]==[('defect','dent',1),(None,None,0)]

def test_a_date_in_front_of_a_name_is_no_code_of_a_server(tmp_path):
    for name in ('good/20240131-001','good/2','defect/001','defect/3'):
        (tmp_path/name).parent.mkdir(exist_ok=True)
        Image.new('L', (40,30)).save(tmp_path/f'{name}.png')
    coco = dict(images=[dict(id=1, file_name='/line/20240131-001.png')], categories=[dict(id=1, name='dent')],
                annotations=[dict(image_id=1, category_id=1, bbox=[1,2,3,4])])
    write_json(tmp_path/'coco.json', coco)
    df = read_source(tmp_path)
    assert not df.boxes[df.label=='defect'].map(len).any() and set(issues_of(df).kind)=={'box_on_good'}

def test_of_several_rows_of_a_file_the_first_cell_that_is_not_empty_counts(tmp_path):
    rows = 'a.png,,,', 'a.png,defect,test,P7', 'b.png,good,,P7', 'b.png,,train,'
    (tmp_path/'t.csv').write_text('\n'.join(['path,label,split,group', *rows]))
    df = read_source(tmp_path/'t.csv')
    assert df[['label','split','group']].values.tolist()==[['defect','test','P7'],['good','train','P7']]
    assert not len(issues_of(df))

def test_masks_and_boxes_are_found_where_a_class_folder_is_a_link(tmp_path):
    for i in range(4):
        for at in ('good','defect','defect/masks'):
            (tmp_path/'store'/at).mkdir(parents=True, exist_ok=True)
            Image.new('L', (40,30), i).save(tmp_path/f'store/{at}/{i}{at[:1]}.png')
    dent = dict(label='dent', points=[[9,9],[1,1]])
    write_json(tmp_path/'store/defect/3.json', dict(imagePath='3d.png', shapes=[dent]))
    photos = tmp_path/'photos'
    photos.mkdir()
    for at in ('good','defect'): (photos/at).symlink_to(tmp_path/'store'/at)
    (photos/'again').mkdir()
    (photos/'again/good').symlink_to(tmp_path/'store/good')
    inner = tmp_path/'inner'
    inner.mkdir()
    for at in ('good','defect'): (inner/at).mkdir()
    for at in ('good','defect'): (inner/at/'lot').symlink_to(tmp_path/'store'/at)
    for top in (photos,inner):
        df = read_source(top)
        assert df.label.value_counts().to_dict()==dict(good=4, defect=4), top
        assert df.boxes.map(len).sum()==1

@pytest.mark.parametrize('good,bad', [('0','1'), ('Negative','Positive'), ('ok','ko')], ids=lambda o: o)
@pytest.mark.parametrize('above', [('train','test'), ('bottle/train','bottle/test'), ('D','P')], ids=lambda o: o[0])
def test_a_name_that_the_user_gives_may_lie_below_sets_and_products(tmp_path, good, bad, above):
    for top in above:
        for i,word in enumerate((good,bad)): picture(tmp_path/top/word/f'{i}.png', i)
    df = read_source(tmp_path, good=good, defect=bad)
    assert [Path(p).parent.name for p in df.path[df.label=='defect']]==[bad]*2 and len(df)==4

@pytest.mark.parametrize('names', [('train/good','test/good','test/dent'), ('ok','ng')], ids=len)
def test_a_name_that_no_folder_has_is_refused_in_every_layout(tmp_path, names):
    places(tmp_path, *names)
    with pytest.raises(UserError, match="no folder 'dant' in it"): read_source(tmp_path, defect='dant')

@pytest.mark.parametrize('train,test', [('entrenamiento','prueba'), ('apprentissage','essai'), ('訓練集','測試集')])
def test_sets_in_other_languages(tmp_path, train, test):
    df = places(tmp_path, *(f'{top}/{word}' for top in (train,test) for word in ('ok','ng')))
    assert df.split.value_counts().to_dict()=={'train':2, 'test':2}

def test_folders_that_say_nothing_above_the_classes_are_named(tmp_path):
    df = places(tmp_path, *(f'{top}/{word}' for top in ('Anlernen','Abnahme') for word in ('ok','ng')))
    assert read_as(df).endswith('2 good in ok, 2 defects in ng; from 2 folders (Abnahme, Anlernen)')

@pytest.mark.parametrize('words', [[], ['a shift each','by day']])
def test_a_layout_brings_its_own_words(tmp_path, monkeypatch, words):
    places(tmp_path, *(f'{top}/{word}' for top in ('lot1','lot2') for word in ('good','defect')))
    new = Layout('of shifts', Path.is_dir, LAYOUTS[-1].read, say=lambda rows: [o for o in words if len(rows)==4])
    monkeypatch.setattr('semiconductor_cls.source.LAYOUTS', [new])
    told = '; '.join(['2 good in good, 2 defects in defect', *words])
    assert read_as(read_source(tmp_path))==f'read as of shifts: {told}'

@pytest.mark.parametrize('row', ['C:\\img\\{}.png', 'https://a.org/{}.png'])
def test_files_that_are_not_there_are_counted_as_a_table_is_read(tmp_path, row):
    (tmp_path/'t.csv').write_text('path,label\n'+''.join(f'{row.format(i)},good\n' for i in range(3)))
    assert read_as(read_source(tmp_path/'t.csv')).endswith('; not there: 3')

@pytest.mark.parametrize('file', ['masks/7.npy', 'ground_truth/dent/7.mat'])
def test_files_in_folders_of_masks_that_are_no_pictures_are_counted(tmp_path, file):
    (tmp_path/file).parent.mkdir(parents=True)
    (tmp_path/file).touch()
    df = places(tmp_path, 'good', 'defect')
    assert say_left_out(df.attrs['issues'])==f"left out: 1 '*{Path(file).suffix}'"

def test_listing_many_pictures_asks_for_the_meaning_of_a_folder_once(tmp_path, monkeypatch):
    names = [f'{i:03}.png' for i in range(200)]
    for folder in ('ok','ng'):
        (tmp_path/folder).mkdir()
        for name in names: (tmp_path/folder/name).touch()
    asked = []
    def counting(*words): return asked.append(words) or label_words(*words)
    monkeypatch.setattr('semiconductor_cls.base.table.label_words', counting)
    read_source(tmp_path)
    assert len(asked)<20

@pytest.mark.parametrize('name', ['SN{:03}','part 7-{}'])
def test_a_folder_for_each_part_is_proposed_as_a_group_and_kept_together(tmp_path, name):
    for label,first in (('ok',0), ('ng',20)):
        for i in range(first, first+9):
            for k in (1,2): picture(tmp_path/label/name.format(i)/f'{k}.png', 2*i+k)
    df = read_source(tmp_path)
    pattern = re.search("--group '(.+?)' would", say_groups(df))[1]
    sets = split_table(df, by=pattern)
    folders = sets.path.map(lambda p: Path(p).parent.name)
    assert folders.nunique()==18 and sets.groupby(folders).split.nunique().max()==1

@pytest.mark.parametrize('good,defect', [('A','R'), ('frei','gesperrt')])
def test_rows_of_any_file_are_read_as_those_of_a_table(good, defect, tmp_path):
    rows = [('1.png',good,'train'), ('2.png',defect,'Test'), ('2.png',good,'Test'), ('3.png','?!','holdout')]
    for name,*_ in rows: picture(tmp_path/name)
    raw = pd.DataFrame(rows, range(2, 6), ['path','label','split'])
    raw.to_csv(tmp_path/'t.csv', index=False)
    mine,theirs = table_of_rows(raw, tmp_path/'t.csv', good, defect),read_table(tmp_path/'t.csv', good, defect)
    pd.testing.assert_frame_equal(mine, theirs)
    assert issues_of(mine).equals(issues_of(theirs))
    assert issues_of(mine).kind.tolist()==['two_labels','unknown_label','unknown_split']
